"""Tiles: the pixels that rasterio reads, at every zoom, in colors and numbers that are as told."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from metriccd.raster import CogLayer, Grid, cog_writer, open_raster
from metriccd.view.encoding import NODATA, SHIFT, TOP, encode_classes, encode_score
from metriccd.view.originals import Originals
from metriccd.view.pyramid import TILE
from metriccd.view.scene import Scene
from metriccd.view.tiles import Tiles
from viewed import copied


@pytest.fixture(scope="module", params=["utm", "no crs"])
def scene(request, tmp_path_factory) -> Scene:
    scene = Scene.opened(copied(tmp_path_factory.mktemp("made"), crs=request.param == "utm"))
    scene.study()
    return scene


def decoded(content: bytes) -> np.ndarray:
    """What a browser makes of a tile: red, green, blue (and opacity) of each pixel."""
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (TILE, TILE)
    return np.array(picture.convert("RGB") if picture.mode == "P" else picture)


def numbers(content: bytes) -> np.ndarray:
    """The two bytes that the page reads as a height, without what is added."""
    rgb = decoded(content).astype(int)
    assert not rgb[..., 2].any()
    return rgb[..., 0] * 256 + rgb[..., 1]


def stitched(scene: Scene, layer: str, z: int) -> np.ndarray:
    """All tiles of a zoom as one picture of the scene."""
    tiles, first = Tiles(scene), 1 << (z - 2)
    step = 2 ** (scene.pyramid.finest - z)
    rows, cols = (-(-side // step) for side in scene.grid.shape)
    lines = [
        np.hstack(
            [
                decoded(tiles.picture(layer, z, first + x, first + y))
                for x in range(-(-cols // TILE))
            ]
        )
        for y in range(-(-rows // TILE))
    ]
    return np.vstack(lines)[:rows, :cols]


def test_at_full_size_score_and_classes_are_those_of_the_files(scene: Scene) -> None:
    z = scene.pyramid.finest
    with rasterio.open(scene.folder / "score.tif") as dataset:
        score = dataset.read(1).astype(float)
    rgb = stitched(scene, "score", z).astype(int)
    number = rgb[..., 0] * 256 + rgb[..., 1]
    valid = ~np.isnan(score)
    assert (number > 0).tolist() == valid.tolist()
    assert np.abs((number - 1) / TOP - score)[valid].max() < 1 / TOP
    for layer in ("change", "kind"):
        with rasterio.open(scene.folder / f"{layer}.tif") as dataset:
            classes = dataset.read(1)
        rgb = stitched(scene, layer, z).astype(int)
        assert (rgb[..., 0] * 256 + rgb[..., 1] - SHIFT == classes).all()


def test_coarser_ones_are_the_overviews_of_the_files(scene: Scene) -> None:
    z = scene.pyramid.finest - 1
    with rasterio.open(scene.folder / "change.tif", overview_level=0) as dataset:
        classes = dataset.read(1)
    rgb = stitched(scene, "change", z).astype(int)
    assert (rgb[..., 0] * 256 + rgb[..., 1] - SHIFT == classes).all()
    with rasterio.open(scene.folder / "score.tif", overview_level=0) as dataset:
        score = dataset.read(1)
    rgb = stitched(scene, "score", z).astype(int)
    number = rgb[..., 0] * 256 + rgb[..., 1]
    assert np.abs((number - 1) / TOP - score)[~np.isnan(score)].max() < 1 / TOP


def test_the_dates_are_the_images_on_one_stretch(scene: Scene) -> None:
    assert isinstance(scene.originals, Originals)
    bands = [int(name) for name in scene.record["settings"]["rgb"]]
    full = []
    for date in ("t1", "t2"):
        with rasterio.open(scene.record["inputs"][date]["path"]) as dataset:
            full.append(dataset.read(bands).astype(float))
    # From the lower of both dates' ends to the higher, as in the report.
    ends = np.array([np.percentile(each.reshape(3, -1), (2, 98), axis=1) for each in full])
    low, high = ends[:, 0].min(axis=0)[:, None, None], ends[:, 1].max(axis=0)[:, None, None]
    for date, image in zip(("t1", "t2"), full, strict=True):
        expected = np.clip((image - low) / (high - low), 0, 1) * 255
        tile = stitched(scene, date, scene.pyramid.finest)
        assert (tile[..., 3] == 255).all()
        assert np.abs(np.moveaxis(tile[..., :3], -1, 0) - expected).max() <= 1


def test_where_the_scene_is_not_there_is_nothing(scene: Scene) -> None:
    tiles, z = Tiles(scene), scene.pyramid.finest
    first = 1 << (z - 2)
    corner = decoded(tiles.picture("t2", z, first + 2, first + 1))
    assert not corner[300 - 256 :, :, 3].any()
    assert not corner[:, 560 - 512 :, 3].any()
    assert corner[: 300 - 256, : 560 - 512, 3].all()
    for layer, empty in (("score", 0), ("change", SHIFT + NODATA), ("kind", SHIFT + NODATA)):
        assert (numbers(tiles.picture(layer, z, 0, 0)) == empty).all()
        assert (numbers(tiles.picture(layer, z, first + 2, first + 1))[100:] == empty).all()
    assert not decoded(tiles.picture("t1", z, 0, 0))[..., 3].any()


def test_a_number_is_above_that_of_a_threshold_exactly_where_the_score_is() -> None:
    score = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    score[0, :3] = 0.0, 0.5, 1.0
    number = numbers(encode_score(score, np.ones(score.shape, bool)))[:64, :64]
    for part in range(0, TOP + 1, 997):
        assert ((number > 1 + part) == (score.astype(float) > part / TOP)).all()


def test_classes_are_a_byte_each_and_what_is_missing_is_no_data() -> None:
    values = np.arange(200, dtype=np.uint8).reshape(10, 20)
    content = encode_classes(values)
    assert Image.open(io.BytesIO(content)).mode == "P"
    found = numbers(content) - SHIFT
    assert (found[:10, :20] == values).all()
    assert (found[10:] == NODATA).all()


@pytest.mark.parametrize("step", [2, 4, 8])
def test_a_zoomed_reader_takes_the_copies_that_a_file_holds(tmp_path: Path, step: int) -> None:
    image = np.random.default_rng(1).integers(0, 4000, (2, 1100, 1300)).astype(np.uint16)
    grid = Grid(height=1100, width=1300, transform=Affine(10, 0, 5e5, 0, -10, 5e6), crs=None)
    layer = CogLayer(dtype="uint16", nodata=0, bands=("a", "b"), overviews="average")
    with cog_writer(tmp_path / "cog.tif", grid, layer) as write:
        for window in grid.windows(512):
            write(window, image[:, *window.slices])
    raster = open_raster(tmp_path / "cog.tif")
    # There are copies of half and of a quarter of its size; an eighth is made of the latter.
    with rasterio.open(tmp_path / "cog.tif", overview_level=0 if step == 2 else 1) as dataset:
        expected = dataset.read().astype(float)
    if step == 8:
        expected = expected[:, :274, :324].reshape(2, 137, 2, 162, 2).mean(axis=(2, 4))
    coarse = raster.grid.coarser(step)
    with raster.zoomed(raster.grid) as read:
        for window in coarse.windows(100):
            pixels, valid = read(window, step)
            assert pixels.shape == (2, window.height, window.width)
            assert valid.all()
            if window.row + 100 < coarse.height and window.col + 100 < coarse.width:
                assert np.abs(pixels - expected[:, *window.slices]).max() <= 1


def test_a_zoomed_reader_leaves_the_lattice_as_a_plain_one_does(tmp_path: Path) -> None:
    # Half a pixel off: it is warped, and where the step is 1 both are the same.
    image = np.random.default_rng(2).integers(1, 4000, (1, 300, 300)).astype(np.uint16)
    from raster_files import write

    raster = open_raster(write(tmp_path / "a.tif", image))
    moved = raster.grid.moved(0.5, 0.5)
    window = next(iter(moved.windows(200)))
    with raster.zoomed(moved) as zoomed, raster.reader(moved) as plain:
        one, other = zoomed(window, 1), plain(window)
        assert (one[0] == other[0]).all()
        assert (one[1] == other[1]).all()
        coarse = next(iter(moved.coarser(4).windows(60)))
        pixels, valid = zoomed(coarse, 4)
    block = other[0][0, :200, :200].reshape(50, 4, 50, 4).mean(axis=(1, 3))
    assert valid.all()
    assert np.corrcoef(pixels[0, :50, :50].ravel(), block.ravel())[0, 1] > 0.9
