"""STAC items: assets by key or common name, from files or URLs, and only what is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from metriccd.cli import main
from metriccd.errors import DataError
from metriccd.pair.pair import read_pair
from metriccd.raster.items import open_item
from metriccd.raster.source import open_raster
from metriccd.trust import Trust
from raster_files import TRANSFORM, UTM, image

COLORS = {"B04": "red", "B03": "green", "B02": "blue", "B08": "nir"}
SIDE = 1024


def tiled(path: Path, pixels: np.ndarray, *, scale: int = 1) -> Path:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(pixels),
        height=pixels.shape[1],
        width=pixels.shape[2],
        dtype=pixels.dtype,
        crs=UTM,
        transform=TRANSFORM @ Affine.scale(scale),
        tiled=True,
        blockxsize=128,
        blockysize=128,
    ) as target:
        target.write(pixels)
    return path


def make_item(root: Path, date: int, *, style: str = "1.1", **properties) -> Path:
    """An item with an asset for each band, one of three bands, an SCL and a thumbnail."""
    root.mkdir(exist_ok=True)
    pixels = image(date, bands=4, height=SIDE, width=SIDE)
    item = pystac.Item(
        id=f"scene-{date}",
        geometry=None,
        bbox=None,
        datetime=datetime(2020 + date, 6, 15, 10, 20, 30, tzinfo=UTC),
        properties={"platform": "sentinel-2a", **properties},
    )
    for index, (key, color) in enumerate(COLORS.items()):
        tiled(root / f"{key}.tif", pixels[index : index + 1])
        bands = [{"name": key, ("eo:common_name" if style == "1.1" else "common_name"): color}]
        fields = {"bands" if style == "1.1" else "eo:bands": bands}
        asset = pystac.Asset(f"./{key}.tif", roles=["data"], extra_fields=fields)
        item.add_asset(key if style == "1.1" else f"asset-{index}", asset)
    stack = [{"name": f"v{k}", "common_name": color} for k, color in enumerate(COLORS.values())]
    item.add_asset(
        "visual",
        pystac.Asset("./gone.tif", roles=["visual"], extra_fields={"eo:bands": stack[:1]}),
    )
    classes = np.full((1, SIDE // 2, SIDE // 2), 4, np.uint8)
    classes[0, 60 + date] = 9
    tiled(root / "SCL.tif", classes, scale=2)
    item.add_asset("scl", pystac.Asset("./SCL.tif", roles=["data"]))
    path = root / "item.json"
    path.write_text(json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False)))
    return path


@pytest.fixture(params=["1.1", "1.0"])
def items(request, tmp_path: Path) -> tuple[Path, Path]:
    return tuple(make_item(tmp_path / f"d{k}", k, style=request.param) for k in (0, 1))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a server of the folder, and its list of ranges asked for."""
    log = tmp_path / "ranges.txt"
    command = [sys.executable, Path(__file__).with_name("range_server.py"), tmp_path, log]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}", log
        finally:
            process.kill()


def test_assets_are_found_by_common_name(items) -> None:
    pair = read_pair(*items, assets=["red", "green", "blue", "nir"])
    assert pair.rgb == (0, 1, 2)
    assert [date.time.year for date in pair.dates] == [2020, 2021]
    assert {date.source for date in pair.dates} == {"its STAC item"}
    block = pair.load()
    np.testing.assert_array_equal(block.t1, image(0, bands=4, height=SIDE, width=SIDE))
    np.testing.assert_array_equal(block.t2, image(1, bands=4, height=SIDE, width=SIDE))


def test_assets_are_found_by_key_before_common_name(tmp_path: Path) -> None:
    raster = open_item(make_item(tmp_path, 0), ["B08", "b03"])
    assert [Path(band.path).name for band in raster.bands] == ["B08.tif", "B03.tif"]
    assert raster.origin.id == "scene-0"
    assert raster.origin.when.year == 2020


def test_an_items_own_classes_are_a_mask(items) -> None:
    if "scl" in json.loads(items[0].read_text())["assets"]:
        pair = read_pair(*items, assets="red,green,blue", masks="SCL")
        invalid = np.flatnonzero(~pair.load().valid.all(axis=1))
        np.testing.assert_array_equal(invalid, [120, 121, 122, 123])


@pytest.mark.parametrize(
    ("said", "offset"),
    [
        ({"s2:processing_baseline": "05.09"}, -1000),
        ({"s2:processing_baseline": "02.08"}, 0),
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, 0),
        ({}, 0),
    ],
)
def test_the_offset_is_what_the_item_says(tmp_path: Path, said, offset: float) -> None:
    one, other = make_item(tmp_path / "a", 0, **said), make_item(tmp_path / "b", 1)
    assert read_pair(one, other, assets="red").offsets[0].value == offset


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "must exist"), ("{", "must be JSON of one item"), ('{"type": "Catalog"}', "one item")],
)
def test_what_is_no_item_is_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "item.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        open_item(path, ["red"])
    assert "\n" not in str(caught.value)


def test_an_unknown_asset_names_the_others(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no asset 'swir' in .*: choose from B04, B03, B02, B08"):
        open_item(make_item(tmp_path, 0), ["swir"])


def test_from_a_url_only_the_windows_of_the_box_are_read(tmp_path: Path, server) -> None:
    root, log = server
    for k in (0, 1):
        make_item(tmp_path / f"d{k}", k)
    urls = [f"{root}/d{k}/item.json" for k in (0, 1)]
    left, top = TRANSFORM @ (512, 512)
    box = (left, top - 1280, left + 1280, top)
    with pytest.raises(DataError, match=r"item\.json names .*B04\.tif.*--allow-remote"):
        read_pair(*urls, assets=["red"])
    with Trust(allow_remote=True).applied():
        pair = read_pair(*urls, assets=["red", "green", "blue", "nir"], bbox=box)
    pixels = pair.load().t2
    np.testing.assert_array_equal(
        pixels, image(1, bands=4, height=SIDE, width=SIDE)[:, 512:640, 512:640]
    )
    ranges = [line.split("bytes=")[1].split("-") for line in log.read_text().splitlines()]
    read = sum(int(last) - int(first) + 1 for first, last in ranges)
    whole = 2 * 4 * SIDE * SIDE * 2
    assert read < whole / 8


def test_a_result_says_what_items_it_is_made_from(tmp_path: Path, monkeypatch) -> None:
    items = [make_item(tmp_path / f"d{k}", k) for k in (0, 1)]
    monkeypatch.chdir(tmp_path)
    left, top = TRANSFORM @ (100, 100)
    box = f"{left},{top - 1280},{left + 1280},{top}"
    command = ["detect", "--stac", *map(str, items), "--bbox", box, "--preset", "fast", "-q"]
    assert main([*command, "-o", "out"]) == 0
    item = pystac.Item.from_file("out/item.json")
    # By the schemas of core 1.1 that pystac ships; those of extensions are not at hand.
    JsonSchemaSTACValidator().validate_core(
        json.loads(Path("out/item.json").read_text()), pystac.STACObjectType.ITEM, "1.1.0"
    )
    derived = [link.target for link in item.links if link.rel == "derived_from"]
    assert derived == [path.as_posix() for path in items]
    assert item.common_metadata.start_datetime == datetime(2020, 6, 15, 10, 20, 30, tzinfo=UTC)
    assert item.common_metadata.end_datetime == datetime(2021, 6, 15, 10, 20, 30, tzinfo=UTC)
    assert item.properties["processing:software"]["metriccd"]
    names = {"projection", "raster", "classification", "processing"}
    assert {each.split("/")[3] for each in item.stac_extensions} == names
    record = json.loads(Path("out/run.json").read_text())
    assert record["inputs"]["t1"]["stac"]["id"] == "scene-0"
    assert record["settings"]["bands"] == ["red", "green", "blue", "nir"]


def test_an_item_that_cannot_be_read_is_named_without_its_secrets() -> None:
    with pytest.raises(DataError) as refused:
        open_item("http://me:secret@127.0.0.1:9/item.json?token=secret", ["red"])
    assert "127.0.0.1" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_json_that_never_ends_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="must be a raster"):
        open_raster(tmp_path / "deep.json")
