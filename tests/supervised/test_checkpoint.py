"""Checkpoints: what was saved comes back, and nothing else is taken for one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from metriccd.errors import WeightsError
from metriccd.supervised.checkpoint import METADATA, card_of, load_checkpoint


def test_a_checkpoint_comes_back(checkpoint_of) -> None:
    for method in ("unet", "seco_rand", "seco_pre"):
        path = Path(checkpoint_of(method))
        found = load_checkpoint(path, method)
        assert found.about.method == method
        assert not found.network.training
        for name, value in load_file(path).items():
            assert torch.equal(value, found.network.state_dict()[name])
        assert "Supervised" in card_of(path).read_text()


def test_one_method_does_not_take_the_checkpoint_of_another(checkpoint_of) -> None:
    with pytest.raises(WeightsError, match=r"unet needs a checkpoint of its own.*of seco_rand"):
        load_checkpoint(Path(checkpoint_of("seco_rand")), "unet")


def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, checkpoint_of) -> None:
    whole = load_file(checkpoint_of("unet"))
    about = {
        "method": "unet",
        "bands": ["1", "2", "3"],
        "ranges": [],
        "dataset": "made",
        "places": ["a"],
        "data": "0",
    }

    def written(name: str, tensors, told: object) -> Path:
        text = told if isinstance(told, str) else json.dumps(told)
        save_file(tensors, tmp_path / name, metadata={METADATA: text})
        return tmp_path / name

    broken = dict(whole) | {"head.bias": torch.full((1,), torch.nan)}
    files = [
        written("a", {name: whole[name] for name in list(whole)[1:]}, about),
        written("b", broken, about),
        written("c", whole, about | {"method": "magic"}),
        written("d", whole, about | {"bands": ["1"]}),
        written("e", whole, about | {"places": 3}),
        written("f", whole, "[" * 5000),
        written("g", whole, about | {"evil": 1}),
        written("k", whole, about | {"places": [1, 2]}),
        written("l", whole, about | {"places": "abc"}),
        written("m", whole, about | {"bands": [1, 2, 3]}),
        written("n", whole, about | {"dataset": {"a": 1}}),
    ]
    save_file(whole, tmp_path / "h")
    (tmp_path / "i").write_bytes(pickle.dumps(1))
    (tmp_path / "j").write_bytes(b"")
    for path in (*files, *(tmp_path / name for name in "hij")):
        with pytest.raises(WeightsError, match="metriccd train") as caught:
            load_checkpoint(path)
        assert len(str(caught.value)) < 600
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="must exist"):
        load_checkpoint(tmp_path / "none")


@pytest.mark.parametrize(
    "ends", [(float("nan"), 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, float("inf")), (-1e300, 1e300)]
)
def test_ranges_that_scale_nothing_are_refused(tmp_path: Path, checkpoint_of, ends) -> None:
    path = Path(checkpoint_of("seco_rand"))
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()[METADATA]) | {"ranges": [ends] * 3}
    metadata = {METADATA: json.dumps(about)}
    save_file(load_file(path), tmp_path / "bad.safetensors", metadata=metadata)
    with pytest.raises(WeightsError, match="ranges of which"):
        load_checkpoint(tmp_path / "bad.safetensors")


def test_names_in_a_checkpoint_neither_break_lines_nor_act_on_the_screen(
    tmp_path: Path, checkpoint_of
) -> None:
    path = Path(checkpoint_of("unet"))
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()[METADATA])
    about |= {"places": ["a\nb", "\x1b[31m", "y" * 3000], "dataset": "x" * 3000}
    metadata = {METADATA: json.dumps(about)}
    save_file(load_file(path), tmp_path / "odd.safetensors", metadata=metadata)
    sentence = load_checkpoint(tmp_path / "odd.safetensors").about.sentence
    assert sentence.isprintable()
    assert len(sentence) < 600


def test_loading_a_checkpoint_draws_no_random_number_and_believes_no_size(
    tmp_path: Path, checkpoint_of
) -> None:
    path = Path(checkpoint_of("seco_rand"))
    before = torch.random.get_rng_state()
    load_checkpoint(path)
    assert torch.equal(before, torch.random.get_rng_state())
    path = Path(checkpoint_of("unet"))
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()[METADATA]) | {"bands": ["b"] * 10**7}
    wide = {METADATA: json.dumps(about)}
    save_file(load_file(path), tmp_path / "wide.safetensors", metadata=wide)
    with pytest.raises(WeightsError, match=r"of shape \(16, 6, 3, 3\)"):
        load_checkpoint(tmp_path / "wide.safetensors")


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="must be a file"):
        load_checkpoint(tmp_path)
