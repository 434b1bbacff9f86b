from __future__ import annotations

import hashlib
import json
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from metriccd.errors import WeightsError
from metriccd.nets import weights as module
from metriccd.nets.weight_files import (
    IMAGENET_BGR,
    IMAGENET_RGB,
    VGG16_CONVOLUTIONS,
    Preprocessing,
    read,
)
from metriccd.nets.weights import WEIGHTS, fetch, folder, import_file, installed, load

ORIGINAL = "vgg16-imagenet-block1-2.npz"


class Malicious:
    """A pickle that leaves a mark when anything loads it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cache"
    monkeypatch.setenv("METRICCD_WEIGHTS", str(path))
    return path


def torchvision_state(levels: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A state dict with torchvision's names, and a classifier that must be left out."""
    generator = torch.Generator().manual_seed(seed)
    state = {"classifier.0.weight": torch.zeros(2, 3)}
    for row in VGG16_CONVOLUTIONS:
        if row.level <= levels:
            shape = (row.outputs, row.inputs, 3, 3)
            state[f"features.{row.place}.weight"] = torch.randn(shape, generator=generator)
            state[f"features.{row.place}.bias"] = torch.randn(row.outputs, generator=generator)
    return state


@pytest.fixture
def torchvision_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(torchvision_state(), path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestTable:
    @pytest.mark.parametrize("name", WEIGHTS)
    def test_every_row_is_pinned_to_a_safetensors_file_and_a_checksum(self, name: str) -> None:
        entry = WEIGHTS[name]
        assert entry.name == name
        assert urlsplit(entry.url).scheme == "https"
        assert entry.url.endswith(".safetensors")
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.licence
        assert entry.note

    def test_convolutions_fit_each_other_and_torchvisions_order(self) -> None:
        inputs, place = 3, 0
        for previous, row in zip((None, *VGG16_CONVOLUTIONS), VGG16_CONVOLUTIONS, strict=False):
            # a ReLU after each convolution, a pooling between levels
            place += 0 if previous is None else 2 + (row.level > previous.level)
            assert (row.inputs, row.place) == (inputs, place)
            inputs = row.outputs

    def test_preprocessing_refuses_another_channel_order(self) -> None:
        with pytest.raises(ValueError, match="order must be 'rgb' or 'bgr': got 'grb'"):
            Preprocessing(order="grb")


class TestFolder:
    def test_is_the_environments_choice(self, cache: Path) -> None:
        assert folder() == cache

    def test_is_the_users_cache_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("METRICCD_WEIGHTS", raising=False)
        assert folder().name == "weights"
        assert "metriccd" in folder().parts

    def test_nothing_installed_names_the_remedies(self, cache: Path) -> None:
        assert installed("vgg16") is None
        with pytest.raises(WeightsError, match=r"must be fetched or imported first.*import vgg16"):
            load("vgg16")
        assert not cache.exists()

    def test_unknown_name_is_refused(self, torchvision_file: Path) -> None:
        for call in (installed, load, fetch, lambda name: import_file(name, torchvision_file)):
            with pytest.raises(WeightsError, match="no weights 'vgg19': choose from vgg16"):
                call("vgg19")

    def test_original_archive_is_found_as_it_is(
        self, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("METRICCD_WEIGHTS", str(weights))
        if not (weights / ORIGINAL).is_file():
            pytest.skip(f"{ORIGINAL} not in {weights}")
        assert installed("vgg16") is not None
        assert load("vgg16").levels[:2] == (1, 2)


class TestRead:
    def test_original_archive(self, weights: Path) -> None:
        found = read(weights / ORIGINAL)
        assert found.levels == (1, 2)
        assert found.preprocessing == IMAGENET_BGR
        assert found.source_sha256 == sha256(weights / ORIGINAL)
        with np.load(weights / ORIGINAL) as archive:
            assert set(found.tensors) == set(archive.files)
            assert all(np.array_equal(found.tensors[n], archive[n]) for n in archive.files)

    def test_torchvision_names_in_safetensors(self, torchvision_file: Path) -> None:
        found = read(torchvision_file)
        state = torchvision_state()
        assert found.levels == (1, 2)
        assert found.preprocessing == IMAGENET_RGB
        assert torch.equal(found.tensors["conv2_1.weight"], state["features.5.weight"])
        assert torch.equal(found.tensors["conv2_2.bias"], state["features.7.bias"])
        assert set(found.tensors) == {
            f"conv{level}_{i}.{kind}"
            for level in (1, 2)
            for i in (1, 2)
            for kind in ("weight", "bias")
        }

    def test_half_precision_becomes_float32(self, tmp_path: Path) -> None:
        path = tmp_path / "half.safetensors"
        save_file({name: x.half() for name, x in torchvision_state().items()}, path)
        assert {x.dtype for x in read(path).tensors.values()} == {torch.float32}

    def test_incomplete_level_counts_as_absent(self, tmp_path: Path) -> None:
        state = torchvision_state()
        del state["features.7.bias"]
        save_file(state, tmp_path / "part.safetensors")
        assert read(tmp_path / "part.safetensors").levels == (1,)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s: s.pop("features.2.bias"), "must hold VGG-16's first two convolutions"),
            (
                lambda s: s.update({"features.0.weight": torch.zeros(64, 4, 3, 3)}),
                r"conv1_1.weight must have shape \(64, 3, 3, 3\): got \(64, 4, 3, 3\)",
            ),
            (lambda s: s["features.5.weight"].fill_(torch.nan), "weights must be finite: got NaN"),
        ],
    )
    def test_unfit_content_is_refused(
        self, tmp_path: Path, change: Callable[[dict[str, Tensor]], object], message: str
    ) -> None:
        state = torchvision_state()
        change(state)
        save_file(state, tmp_path / "unfit.safetensors")
        with pytest.raises(WeightsError, match=message):
            read(tmp_path / "unfit.safetensors")

    def test_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match=r"a weights file must exist: got .*absent"):
            read(tmp_path / "absent.npz")

    @pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
    @pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x93NUMPY\x01\x00v\x00{"])
    def test_broken_file_is_one_line_of_error(
        self, tmp_path: Path, suffix: str, content: bytes
    ) -> None:
        path = tmp_path / f"broken{suffix}"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="must be readable: got broken") as caught:
            read(path)
        assert "\n" not in str(caught.value)

    def test_broken_metadata_is_an_error_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "odd.safetensors"
        metadata = {"metriccd": json.dumps({"preprocessing": {"order": "grb"}})}
        save_file(torchvision_state(), path, metadata=metadata)
        with pytest.raises(WeightsError, match=r"must be readable: got odd\.safetensors"):
            read(path)


class TestNothingIsUnpickled:
    """No way in executes what a pickle says; the mark is what it would have made."""

    def test_the_pickle_used_here_does_act_when_unpickled(self, tmp_path: Path) -> None:
        pickle.loads(pickle.dumps(Malicious(tmp_path / "mark")))
        assert (tmp_path / "mark").exists()

    @pytest.mark.parametrize("suffix", [".pth", ".pt", ".pkl", ".bin"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_checkpoint_is_refused_with_the_remedy(
        self, tmp_path: Path, cache: Path, suffix: str, zipped: bool
    ) -> None:
        path, mark = tmp_path / f"model{suffix}", tmp_path / "mark"
        state = torchvision_state(levels=1) | {"x": Malicious(mark)}
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(WeightsError, match=r"convert it with safetensors\.torch\.save_file"):
            import_file("vgg16", path)
        assert not mark.exists()
        assert not cache.exists()

    @pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_checkpoint_under_another_name_is_refused(
        self, tmp_path: Path, cache: Path, suffix: str, zipped: bool
    ) -> None:
        path, mark = tmp_path / f"model{suffix}", tmp_path / "mark"
        torch.save({"conv1_1.weight": Malicious(mark)}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(WeightsError):
            import_file("vgg16", path)
        assert not mark.exists()
        assert not cache.exists()

    def test_pickled_array_in_an_archive_is_refused(self, tmp_path: Path, cache: Path) -> None:
        path, mark = tmp_path / "model.npz", tmp_path / "mark"
        trap = np.empty(1, dtype=object)
        trap[0] = Malicious(mark)
        np.savez(path, **{"conv1_1.weight": trap})
        with pytest.raises(WeightsError, match=r"must be readable: got model\.npz"):
            import_file("vgg16", path)
        assert not mark.exists()
        assert not cache.exists()


class TestImport:
    def test_original_archive_survives_the_round_trip(self, weights: Path, cache: Path) -> None:
        path = import_file("vgg16", weights / ORIGINAL)
        assert path == installed("vgg16") == cache / "vgg16.safetensors"
        original, stored = read(weights / ORIGINAL), load("vgg16")
        assert stored.levels == original.levels
        assert stored.preprocessing == original.preprocessing
        assert stored.source_sha256 == original.source_sha256
        assert stored.tensors.keys() == original.tensors.keys()
        assert all(torch.equal(stored.tensors[n], x) for n, x in original.tensors.items())

    def test_metadata_says_where_it_came_from(self, torchvision_file: Path, cache: Path) -> None:
        with safe_open(import_file("vgg16", torchvision_file), framework="pt") as file:
            metadata = json.loads(file.metadata()["metriccd"])
        assert metadata["source_sha256"] == sha256(torchvision_file)
        assert metadata["levels"] == [1, 2]
        assert metadata["preprocessing"]["order"] == "rgb"
        assert [path.name for path in cache.iterdir()] == ["vgg16.safetensors"]

    def test_failed_import_keeps_the_earlier_weights(
        self, torchvision_file: Path, tmp_path: Path, cache: Path
    ) -> None:
        before = import_file("vgg16", torchvision_file).read_bytes()
        broken = tmp_path / "broken.safetensors"
        broken.write_bytes(b"broken")
        with pytest.raises(WeightsError):
            import_file("vgg16", broken)
        assert installed("vgg16").read_bytes() == before
        assert len(list(cache.iterdir())) == 1

    def test_folder_that_cannot_be_made_is_an_error_with_the_remedy(
        self, torchvision_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blocker = tmp_path / "file"
        blocker.touch()
        monkeypatch.setenv("METRICCD_WEIGHTS", str(blocker / "weights"))
        with pytest.raises(WeightsError, match=r"must be writable: got .*set METRICCD_WEIGHTS"):
            import_file("vgg16", torchvision_file)


@pytest.fixture
def server(torchvision_file: Path) -> Iterator[str]:
    """A local server: /model.safetensors whole, /short cut off, anything else 404."""
    body = torchvision_file.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path in ("/model.safetensors", "/short")
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(body) if known else 0))
            self.end_headers()
            if known:
                self.wfile.write(body if self.path != "/short" else body[:5000])

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join(timeout=5)


class TestFetch:
    @pytest.fixture
    def serve(
        self, server: str, torchvision_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., None]:
        """Point the table's row at a path of the local server."""

        def point(path: str, checksum: str | None = None) -> None:
            entry = replace(
                WEIGHTS["vgg16"], url=server + path, sha256=checksum or sha256(torchvision_file)
            )
            monkeypatch.setitem(WEIGHTS, "vgg16", entry)

        return point

    def test_stores_what_was_served_and_reports_progress(
        self, serve: Callable[..., None], torchvision_file: Path, cache: Path
    ) -> None:
        serve("/model.safetensors")
        seen: list[tuple[int, int]] = []
        path = fetch("vgg16", lambda done, total: seen.append((done, total)))
        assert path == cache / "vgg16.safetensors"
        assert list(cache.iterdir()) == [path]
        size = torchvision_file.stat().st_size
        assert seen[-1] == (size, size)
        assert seen == sorted(seen)
        stored = load("vgg16")
        assert stored.source_sha256 == sha256(torchvision_file)
        assert torch.equal(
            stored.tensors["conv1_2.weight"], torchvision_state()["features.2.weight"]
        )

    @pytest.mark.parametrize(
        ("path", "checksum", "message"),
        [
            ("/model.safetensors", "0" * 64, "must have SHA-256 0{64}: got"),
            ("/short", None, "must (be downloadable|have SHA-256)"),
            ("/gone", None, r"must be downloadable: got HTTP Error 404.*import vgg16 FILE"),
        ],
    )
    def test_failure_is_one_line_and_leaves_nothing(
        self,
        serve: Callable[..., None],
        cache: Path,
        path: str,
        checksum: str | None,
        message: str,
    ) -> None:
        serve(path, checksum)
        with pytest.raises(WeightsError, match=message) as caught:
            fetch("vgg16")
        assert "\n" not in str(caught.value)
        assert list(cache.iterdir()) == []

    def test_unreachable_server_is_an_error(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = replace(WEIGHTS["vgg16"], url="http://127.0.0.1:9/model.safetensors")
        monkeypatch.setitem(WEIGHTS, "vgg16", entry)
        with pytest.raises(WeightsError, match="must be downloadable"):
            fetch("vgg16")
        assert list(cache.iterdir()) == []

    def test_nothing_reads_a_file_before_its_checksum_is_verified(
        self, serve: Callable[..., None], cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        serve("/model.safetensors", "0" * 64)
        monkeypatch.setattr(module, "read", lambda path: pytest.fail(f"{path} was read"))
        with pytest.raises(WeightsError, match="SHA-256"):
            fetch("vgg16")
        assert list(cache.iterdir()) == []

    def test_interruption_leaves_nothing(self, serve: Callable[..., None], cache: Path) -> None:
        serve("/model.safetensors")

        def interrupt(*_: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fetch("vgg16", interrupt)
        assert list(cache.iterdir()) == []
