"""What is stored comes back as it was, and a file can name nothing but what is marked."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from metriccd.demo.synthetic import land_scene
from metriccd.methods.method import Options, WindowedMethod
from metriccd.methods.methods import METHODS
from metriccd.pair.blocks import ArrayPair, Block
from metriccd.storage import restored, storable, store

NAMES = sorted(name for name, method in METHODS.items() if isinstance(method, WindowedMethod))
# It is seco_rand with other numbers.
NAMES.remove("seco_pre")


@storable
@dataclass(frozen=True)
class Fit:
    mean: np.ndarray
    say: object
    rest: object = None


@storable
class Pair(NamedTuple):
    one: object
    other: object


@storable
def known(value: float) -> float:
    return value


def again(value: object, path: Path) -> object:
    store(value, path)
    return restored(path)


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 0.1, float("inf"), "é", (1, (2.0, "x")), [1, [2]], {"a": {"b": (1,)}}],
)
def test_plain_values_come_back_equal_and_of_their_types(value, tmp_path: Path) -> None:
    found = again(value, tmp_path / "a")
    assert found == value
    assert type(found) is type(value)


def test_objects_arrays_tensors_and_functions_come_back(tmp_path: Path) -> None:
    mean = np.asfortranarray(np.random.default_rng(0).random((3, 4)).astype(np.float32))
    found = again(Fit(mean, known, Pair(torch.arange(3), np.float64(0.5))), tmp_path / "a")
    np.testing.assert_array_equal(found.mean, mean)
    assert found.mean.strides == mean.strides
    assert found.say is known
    assert torch.equal(found.rest.one, torch.arange(3))
    assert type(found.rest.other) is np.float64


@pytest.mark.parametrize("value", [os.system, lambda x: x, object(), {1, 2}, Path("a")])
def test_what_is_not_marked_is_not_stored(value: object, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="marked as storable"):
        store(Fit(np.zeros(1), value), tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "tree",
    [
        {"name": "os.system"},
        {"name": "posix.system"},
        {"of": "subprocess.Popen", "holds": {"mapping": {"args": "true"}}},
        {"of": "metriccd.storage.store", "holds": {"mapping": {}}},
        {"array": "a7", "scalar": False},
        {"network": True},
    ],
)
def test_a_file_that_names_anything_else_is_refused(tree: object, tmp_path: Path) -> None:
    text = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    np.savez(tmp_path / "a.npz", tree=text)
    with pytest.raises(ValueError, match="must be whole"):
        restored(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"array": [1], "scalar": false}',
        b'{"mapping": 3}',
        b'{"tensor": "tree", "device": 7}',
        b'{"tuple": 3}',
        b'{"of": "known", "holds": 3}',
    ],
)
def test_a_tree_that_nobody_stored_is_refused(text: bytes, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", tree=np.frombuffer(text, np.uint8))
    with pytest.raises(ValueError, match="must be whole"):
        restored(tmp_path / "a.npz")


def test_a_pickle_in_its_place_does_not_run(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "a").write_bytes(pickle.dumps(Attack()))
    np.savez(tmp_path / "b.npz", tree=np.array([Attack()], object))
    for name in ("a", "b.npz"):
        with pytest.raises(ValueError, match="must be whole"):
            restored(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_file_may_be_read_by_whom_the_users_mask_allows(tmp_path: Path) -> None:
    store(1, tmp_path / "stored")
    (tmp_path / "plain").touch()
    assert (tmp_path / "stored").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    store(Fit(np.zeros(1000), known), tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    for size in range(0, len(whole), 501):
        (tmp_path / "a").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="must be whole"):
            restored(tmp_path / "a")


@pytest.mark.parametrize("name", NAMES)
def test_every_fit_measures_the_same_bytes_when_it_was_stored_or_sent(
    name: str, tmp_path: Path, checkpoint_of
) -> None:
    scene, valid = land_scene(96, 128, seed=1), np.ones((96, 128), bool)
    valid[:20, :30] = False
    images = (np.where(valid, image, 0).astype(np.float32) for image in (scene.t1, scene.t2))
    block, method = Block(*images, valid), METHODS[name]
    options = Options(checkpoint=checkpoint_of(name))
    part = Block(*(each[..., :64, :64] for each in block))
    fitted = method.fit(ArrayPair(block=block), options)
    store(fitted, tmp_path / "a")
    network = None if method.network is None else lambda: method.network(options)
    for found in (restored(tmp_path / "a", network), pickle.loads(pickle.dumps(fitted))):
        for window in (block, part):
            assert found.layers(window).tobytes() == fitted.layers(window).tobytes()
