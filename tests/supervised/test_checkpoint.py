"""Checkpoints: what was saved comes back, and nothing else is taken for one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
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
