"""Importing SeCo's checkpoints: tensors come out, and nothing in a file can run."""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from metriccd.errors import WeightsError
from metriccd.supervised.importing import CHILDREN, import_seco, installed_seco
from metriccd.supervised.siamese import ResNet18, Siamese


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("METRICCD_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def lightning(monkeypatch):
    """A module of Lightning's name, which is there when the file is written and gone after it."""
    module = ModuleType("pytorch_lightning")

    class AttributeDict(dict):
        pass

    class ModelCheckpoint:
        pass

    for kind in (AttributeDict, ModelCheckpoint):
        kind.__module__, kind.__qualname__ = "pytorch_lightning", kind.__name__
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", module)
    return module


def published(encoder: nn.Module) -> dict[str, torch.Tensor]:
    """The encoder's tensors as SeCo's code names them: children of a ResNet in a sequence."""
    numbers = {name: number for number, name in CHILDREN.items()}
    state = OrderedDict()
    for name, value in encoder.state_dict().items():
        child, _, rest = name.partition(".")
        state[f"encoder_q.{numbers[child]}.{rest}"] = value
        state[f"encoder_k.{numbers[child]}.{rest}"] = torch.zeros_like(value)
    state["queue"] = torch.randn(1, 128, 64)
    state["queue_ptr"] = torch.zeros(1, 1, dtype=torch.long)
    return state


def test_a_published_checkpoint_becomes_the_encoder_and_lightning_is_not_needed(
    tmp_path: Path, folder: Path, lightning, monkeypatch
) -> None:
    torch.manual_seed(1)
    encoder = ResNet18()
    encoder.bn1.running_mean.normal_()
    state = published(encoder)
    state._metadata = {"version": 1}
    content = {
        "epoch": 199,
        "pytorch-lightning_version": "1.1.8",
        "callbacks": {lightning.ModelCheckpoint: {"best_model_path": Path("a.ckpt")}},
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.ones(3)}}}],
        "hparams_name": "kwargs",
        "hyper_parameters": lightning.AttributeDict(args=argparse.Namespace(gpus=2)),
        "state_dict": state,
    }
    torch.save(content, tmp_path / "seco.ckpt")
    monkeypatch.delitem(sys.modules, "pytorch_lightning")
    assert installed_seco() is None
    path = import_seco(tmp_path / "seco.ckpt")
    assert path == folder / "seco.safetensors" == installed_seco()
    assert "pytorch_lightning" not in sys.modules
    found = load_file(path)
    assert found.keys() == encoder.state_dict().keys()
    for name, value in encoder.state_dict().items():
        assert torch.equal(found[name], value), name
    Siamese().encoder.load_state_dict(found)


class Attack:
    def __init__(self, call, *arguments) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize(
    ("call", "name"),
    [(os.system, "system"), (eval, "eval"), (getattr, "getattr"), (torch.load, "load")],
)
def test_a_file_that_would_run_something_is_refused_and_does_not(
    tmp_path: Path, folder: Path, call, name: str
) -> None:
    ran = tmp_path / "ran"
    attack = Attack(call, f"touch {ran}")
    torch.save({"state_dict": published(ResNet18()), "epoch": attack}, tmp_path / "bad.ckpt")
    with pytest.raises(WeightsError, match=rf"may hold tensors only.*{name}") as caught:
        import_seco(tmp_path / "bad.ckpt")
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)
    assert not ran.exists()
    assert not folder.exists()


@pytest.mark.parametrize("target", ["_rebuild_tensor_v2", "OrderedDict", "FloatStorage"])
def test_what_a_file_may_name_cannot_be_changed_by_it(tmp_path: Path, target: str) -> None:
    module = {"_rebuild_tensor_v2": "torch._utils", "OrderedDict": "collections"}
    code = f"c{module.get(target, 'torch')}\n{target}\n".encode()
    # BUILD with a state: what Python would take for attributes.
    code = b"\x80\x02" + code + b"}X\x08\x00\x00\x00__call__K\x01sb."
    with zipfile.ZipFile(tmp_path / "bad.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", code)
    with pytest.raises(WeightsError):
        import_seco(tmp_path / "bad.ckpt")


def _archived(path: Path, code: bytes) -> Path:
    """A checkpoint of which only the pickle is there."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + code)
    return path


_TEXT = b"X\x07\x00\x00\x00storage"
_STORAGE = b"(" + _TEXT + b"ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n(" + _STORAGE
_INFINITE = b"G\x7f\xf0" + 6 * b"\x00"
_DOUBLED = b"N" + 60 * b"2\x86"
# The same without DUP, which torch never writes.
_TWICE = b"N" + 60 * b"q\x00h\x00\x86"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(b"}N" + b"\x85" * 200_000 + b"K\x01s.", id="a deep key"),
        pytest.param(b"}" + _DOUBLED + b"K\x01s.", id="a doubled key"),
        pytest.param(b"}" + _TWICE + b"K\x01s.", id="a remembered key"),
        pytest.param(b"(" + _TWICE + b"K\x01K\x02tQ.", id="a doubled storage"),
        pytest.param(_REBUILD + _INFINITE + b"K\x01\x85K\x01\x85tR.", id="an infinite offset"),
        pytest.param(_REBUILD + b"K\x00" + _INFINITE + b"\x85K\x01\x85tR.", id="an infinite size"),
        pytest.param(
            _REBUILD + b"K\x00(" + b"K\x02" * 100_000 + b"t(" + b"K\x01" * 100_000 + b"ttR.",
            id="many axes",
        ),
        pytest.param(b"]" * 2**23 + b".", id="many lists"),
        pytest.param(b"\x86.", id="an empty stack"),
        pytest.param(b"t.", id="no mark"),
        pytest.param(b"h\x07.", id="nothing remembered"),
        pytest.param(b"N", id="no end"),
    ],
)
def test_a_pickle_that_would_take_for_ever_or_end_the_process_is_refused(
    tmp_path: Path, code: bytes
) -> None:
    with pytest.raises(WeightsError, match="archive of a ResNet-18") as caught:
        import_seco(_archived(tmp_path / "bad.ckpt", code))
    assert len(str(caught.value)) < 600


def test_weights_that_are_no_numbers_once_converted_are_refused(tmp_path: Path) -> None:
    for name, value in (
        ("encoder_q.0.weight", torch.full((64, 3, 7, 7), 1e300, dtype=torch.float64)),
        ("encoder_q.1.running_var", -torch.ones(64)),
    ):
        torch.save({"state_dict": published(ResNet18()) | {name: value}}, tmp_path / "bad.ckpt")
        with pytest.raises(WeightsError, match=r"is not finite|is negative"):
            import_seco(tmp_path / "bad.ckpt")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_plain_pickles_and_other_archives_are_refused(tmp_path: Path, protocol: int) -> None:
    ran = tmp_path / "ran"
    bare = tmp_path / "bare.ckpt"
    bare.write_bytes(pickle.dumps(Attack(os.system, f"touch {ran}"), protocol))
    other = tmp_path / "other.ckpt"
    torch.save({"state_dict": {"fc.weight": torch.zeros(2)}}, other)
    short = published(ResNet18())
    short["encoder_q.0.weight"] = torch.zeros(3)
    wrong = tmp_path / "wrong.ckpt"
    torch.save({"state_dict": short}, wrong)
    for path in (bare, other, wrong):
        with pytest.raises(WeightsError, match=r"archive of a ResNet-18.*take the published"):
            import_seco(path)
    with pytest.raises(WeightsError, match="must exist"):
        import_seco(tmp_path / "none.ckpt")
    assert not ran.exists()


def test_broken_archives_are_refused_in_one_line(tmp_path: Path) -> None:
    torch.save({"state_dict": published(ResNet18())}, tmp_path / "whole.ckpt")
    whole = (tmp_path / "whole.ckpt").read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 30):
        (tmp_path / "cut.ckpt").write_bytes(whole[:size])
        with pytest.raises(WeightsError, match="archive of a ResNet-18"):
            import_seco(tmp_path / "cut.ckpt")
