"""Pairs: one grid, one valid mask, and every bad input refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rioxarray
import xarray
from affine import Affine
from rasterio.crs import CRS

from metriccd import difference
from metriccd.errors import DataError, GridError
from metriccd.pair.pair import read_pair
from metriccd.raster import SENTINEL2_BANDS
from raster_files import TRANSFORM, UTM, image, write


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "t1.tif", image(0)), write(tmp_path / "t2.tif", image(1))


def test_files_on_one_grid_are_read_as_they_are(files) -> None:
    block = read_pair(*files).load()
    np.testing.assert_array_equal(block.t1, image(0))
    np.testing.assert_array_equal(block.t2, image(1))
    assert block.valid.all()


def test_blocks_are_the_pair_at_every_pass(files) -> None:
    pair = read_pair(*files)
    whole, blocks = pair.load(), pair.blocks(size=16)
    for _ in range(2):
        parts = dict(zip(pair.grid.windows(16), blocks, strict=True))
        for window, block in parts.items():
            np.testing.assert_array_equal(block.t2, whole.t2[:, *window.slices])
            np.testing.assert_array_equal(block.valid, whole.valid[window.slices])


def test_statistics_streamed_from_files_equal_those_of_the_whole(files) -> None:
    pair = read_pair(*files)
    whole = pair.load()
    streamed, once = difference.irmad(pair.blocks(size=16)), difference.irmad([whole])
    np.testing.assert_allclose(
        streamed.apply(whole.t1, whole.t2), once.apply(whole.t1, whole.t2), rtol=1e-4, atol=1e-5
    )


def test_a_shifted_image_is_cropped_to_the_intersection(tmp_path: Path) -> None:
    whole = image(0, height=60, width=60)
    one = write(tmp_path / "a.tif", whole[:, :40, :50])
    moved = TRANSFORM @ Affine.translation(10, 5)
    other = write(tmp_path / "b.tif", whole[:, 5:45, 10:60] + 1, transform=moved)
    pair = read_pair(one, other)
    assert pair.grid.transform == moved
    assert pair.grid.shape == (35, 40)
    block = pair.load()
    np.testing.assert_array_equal(block.t1 + 1, block.t2)


def test_two_images_are_compared_on_the_grid_of_a_third(tmp_path: Path) -> None:
    third = write(tmp_path / "c.tif", image(2, height=30, width=30))
    moved = TRANSFORM @ Affine.translation(-4.5, 3.5)
    one = write(tmp_path / "a.tif", image(0, height=60, width=60), transform=moved)
    other = write(tmp_path / "b.tif", image(1, height=20, width=60))
    pair = read_pair(one, other, grid=third)
    # The row that the first image covers by half is the first one.
    assert pair.grid.transform == TRANSFORM @ Affine.translation(0, 3)
    assert pair.grid.shape == (17, 30)
    found = pair.load().t2[:, 1:]
    np.testing.assert_array_equal(found, image(1, height=20, width=60)[:, 4:20, :30])
    away = write(tmp_path / "d.tif", image(2), transform=Affine.translation(9e4, 0) @ TRANSFORM)
    with pytest.raises(GridError, match="must overlap"):
        read_pair(one, other, grid=away)


def test_hong_kongs_second_date_lands_on_the_first_ones_grid(data: Path) -> None:
    folder = data / "oscd/hongkong"
    pair = read_pair(folder / "imgs_1", folder / "imgs_2", bands=["4", "3", "2"])
    block = pair.load()
    assert pair.grid.transform == pair.t1.grid.transform
    assert block.t1.shape == block.t2.shape == (3, *pair.grid.shape)
    assert block.valid.mean() > 0.99
    correlation = np.corrcoef(block.t1[2][block.valid], block.t2[2][block.valid])[0, 1]
    assert correlation > 0.5


def test_a_sentinel2_folder_gives_the_10_m_bands(data: Path) -> None:
    pair = read_pair(data / "oscd/pisa/imgs_1", data / "oscd/pisa/imgs_2")
    assert tuple(band.name for band in pair.t1.bands) == SENTINEL2_BANDS
    assert pair.rgb == (0, 1, 2)


@pytest.mark.parametrize(
    ("names", "rgb", "expected"),
    [
        (["blue", "green", "red", "nir"], None, (2, 1, 0)),
        (["B02", "B03", "B04", "B05"], None, (2, 1, 0)),
        # The four 10 m bands are taken in the order B04, B03, B02, B08.
        (["B02", "B03", "B04", "B05", "B08"], None, (0, 1, 2)),
        (["a", "b", "c", "d"], None, (0, 1, 2)),
        (["a", "b", "c", "d"], ["d", "c", "b"], (3, 2, 1)),
        (
            ["TM1 (0.48 Micrometers)", "TM2 (0.56 um)", "TM3 (660 nm)", "TM4 (0.83 µm)"],
            None,
            (2, 1, 0),
        ),
        (["gray"], None, (0, 0, 0)),
        (["vv", "vh"], None, (0, 1, 1)),
    ],
)
def test_red_green_and_blue_are_found(tmp_path: Path, names, rgb, expected) -> None:
    import rasterio

    paths = [write(tmp_path / f"{k}.tif", image(k, bands=len(names))) for k in (0, 1)]
    for path in paths:
        with rasterio.open(path, "r+") as target:
            target.descriptions = names
    assert read_pair(*paths, rgb=rgb).rgb == expected


def test_envis_wavelengths_tell_red_green_and_blue(data: Path) -> None:
    pair = read_pair(data / "landsat/taizhou/2000TM", data / "landsat/taizhou/2003TM")
    assert pair.rgb == (2, 1, 0)


def test_the_valid_mask_joins_both_dates_and_the_users_masks(tmp_path: Path) -> None:
    one, other, clouds = image(0), image(1), np.zeros((1, 40, 50), np.uint8)
    one[:, 0] = 0
    other[:, 1] = 0
    clouds[0, 2] = 1
    paths = [write(tmp_path / f"{k}.tif", array) for k, array in enumerate((one, other, clouds))]
    block = read_pair(paths[0], paths[1], masks=[paths[2]]).load()
    np.testing.assert_array_equal(block.valid.all(axis=1), np.arange(40) > 2)
    assert (block.t1[:, :3] == 0).all()


def test_a_mask_without_georeference_lies_on_t1s_pixels(tmp_path: Path, files) -> None:
    clouds = np.zeros((1, 40, 50), np.uint8)
    clouds[0, 7] = 255
    path = write(tmp_path / "mask.png.tif", clouds, crs=None, transform=Affine.identity())
    for mask in (path, clouds[0]):
        block = read_pair(*files, masks=[mask]).load()
        assert not block.valid[7].any()
        assert block.valid[8].all()
    with pytest.raises(GridError, match="a mask must lie on the images' grid"):
        read_pair(*files, masks=[clouds[0, :30]])


def test_a_masks_own_nodata_excludes_nothing(tmp_path: Path, files) -> None:
    clouds = np.full((1, 40, 50), 255, np.uint8)
    clouds[0, 4] = 1
    path = write(tmp_path / "mask.tif", clouds, nodata=255)
    assert read_pair(*files, masks=[path]).load().valid.sum() == 39 * 50


def test_arrays_and_data_arrays_give_what_files_give(files) -> None:
    expected = read_pair(*files).load()
    arrays = read_pair(image(0), image(1)).load()
    dates = [rioxarray.open_rasterio(path) for path in files]
    pair = read_pair(*dates)
    for found in (arrays, pair.load()):
        for part, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(part, wanted)
    assert pair.grid.crs == UTM
    assert pair.grid.transform.almost_equals(TRANSFORM)


def test_a_data_array_needs_no_georeference() -> None:
    dates = [xarray.DataArray(image(k), dims=("band", "y", "x")) for k in (0, 1)]
    assert read_pair(*dates).grid.crs is None


def test_a_two_dimensional_array_is_one_band() -> None:
    assert read_pair(image(0)[0], image(1)[0]).load().t1.shape == (1, 40, 50)


def test_a_masked_array_keeps_its_mask() -> None:
    hidden = np.zeros((3, 40, 50), bool)
    hidden[:, 5] = True
    block = read_pair(np.ma.MaskedArray(image(0), hidden), image(1)).load()
    np.testing.assert_array_equal(block.valid.all(axis=1), np.arange(40) != 5)


def test_a_rotated_data_array_keeps_its_transform(tmp_path: Path) -> None:
    turned = TRANSFORM @ Affine.rotation(20)
    paths = [write(tmp_path / f"{k}.tif", image(k), transform=turned) for k in (0, 1)]
    pair = read_pair(*(rioxarray.open_rasterio(path) for path in paths))
    assert pair.grid.transform.almost_equals(turned)


def test_a_cut_data_array_lies_where_it_was_cut(files) -> None:
    dates = [rioxarray.open_rasterio(path)[:, 5:, 7:] for path in files]
    assert read_pair(*dates).grid.transform.almost_equals(TRANSFORM @ Affine.translation(7, 5))


def test_a_data_array_may_have_its_bands_last(files) -> None:
    dates = [rioxarray.open_rasterio(path).transpose("y", "x", "band") for path in files]
    pair = read_pair(*dates)
    np.testing.assert_array_equal(pair.load().t1, image(0))
    assert pair.grid.transform.almost_equals(TRANSFORM)


def test_uneven_coordinates_are_refused(files) -> None:
    date = rioxarray.open_rasterio(files[0]).isel(x=[*range(20), *range(30, 50)])
    with pytest.raises(GridError, match="evenly spaced"):
        read_pair(date, date)


def test_bands_with_the_same_names_are_compared_by_name(tmp_path: Path) -> None:
    import rasterio

    one = write(tmp_path / "a.tif", image(0))
    other = write(tmp_path / "b.tif", image(0)[::-1] + 1)
    for path, names in ((one, ("red", "green", "blue")), (other, ("blue", "green", "red"))):
        with rasterio.open(path, "r+") as target:
            target.descriptions = names
    block = read_pair(one, other).load()
    np.testing.assert_array_equal(block.t1 + 1, block.t2)


def test_bands_and_masks_are_taken_as_people_write_them(tmp_path: Path, files) -> None:
    expected = read_pair(*files, bands=["3", "1"]).load().t1
    for bands in ("3,1", [3, 1], ("3", "1")):
        np.testing.assert_array_equal(read_pair(*files, bands=bands).load().t1, expected)
    mask = write(tmp_path / "mask.tif", np.eye(40, 50, dtype=np.uint8)[None])
    for masks in (mask, str(mask), [mask]):
        assert read_pair(*files, masks=masks).load().valid.sum() == 40 * 50 - 40


BAD: dict[str, tuple] = {
    "missing file": (lambda d: (d / "no.tif", d / "t2.tif"), DataError, "must exist"),
    "not a raster": (lambda d: (d / "text.tif", d / "t2.tif"), DataError, "must be a raster"),
    "no overlap": (lambda d: (d / "t1.tif", d / "far.tif"), GridError, "must overlap"),
    "sliver": (lambda d: (d / "t1.tif", d / "sliver.tif"), GridError, "at least 16×16"),
    "bands": (lambda d: (d / "t1.tif", d / "two.tif"), DataError, "got 3 and 2"),
    "identical": (lambda d: (d / "t1.tif", d / "t1.tif"), DataError, "must differ"),
    "one pixel": (lambda d: (d / "t1.tif", d / "one.tif"), DataError, "got 1 of 2000"),
    "all nodata": (lambda d: (d / "t1.tif", d / "zero.tif"), DataError, "got 0 of 2000"),
    "constant": (lambda d: (d / "t1.tif", d / "flat.tif"), DataError, "must have contrast"),
    "not numbers": (lambda d: (d / "t1.tif", d / "nan.tif"), DataError, "got 0 of 2000"),
    "no CRS": (lambda d: (d / "t1.tif", d / "bare.tif"), GridError, r"bare\.tif has none"),
    "sizes": (lambda _: (image(0), image(1)[:, :30]), GridError, "40×50 and 30×50"),
    "axes": (lambda _: (image(0)[None], image(1)), DataError, r"\(1, 3, 40, 50\)"),
    "text": (lambda _: (image(0).astype(str), image(1)), DataError, "real numbers"),
}


@pytest.fixture
def folder(tmp_path: Path, files) -> Path:  # noqa: ARG001  # writes t1.tif and t2.tif
    single = np.zeros_like(image(2))
    single[:, 5, 5] = 9
    bare = {"crs": None, "transform": Affine.identity()}
    write(tmp_path / "far.tif", image(2), transform=TRANSFORM @ Affine.translation(5000, 0))
    write(tmp_path / "sliver.tif", image(2), transform=TRANSFORM @ Affine.translation(45, 0))
    write(tmp_path / "two.tif", image(2, bands=2))
    write(tmp_path / "one.tif", single)
    write(tmp_path / "zero.tif", np.zeros_like(single))
    write(tmp_path / "flat.tif", np.full_like(single, 7))
    write(tmp_path / "nan.tif", np.full(single.shape, np.nan, np.float32))
    write(tmp_path / "bare.tif", image(2), **bare)
    (tmp_path / "text.tif").write_text("not a raster")
    return tmp_path


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line(folder: Path, case: str) -> None:
    make, error, message = BAD[case]
    with pytest.raises(error, match=message) as caught:
        read_pair(*make(folder)).load()
    assert "\n" not in str(caught.value)


def test_images_without_crs_but_with_coordinates_are_aligned(tmp_path: Path) -> None:
    whole = image(0, height=60, width=60)
    one = write(tmp_path / "a.tif", whole[:, :40, :50], crs=None)
    moved = TRANSFORM @ Affine.translation(10, 5)
    other = write(tmp_path / "b.tif", whole[:, 5:45, 10:60] + 1, crs=None, transform=moved)
    pair = read_pair(one, other)
    assert pair.grid.shape == (35, 40)
    assert pair.grid.crs is None


def test_a_different_crs_is_resampled(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(40), np.arange(50))[None].astype(np.float32) + 1
    one = write(tmp_path / "a.tif", smooth)
    degrees = Affine(1.2e-4, 0, 10.231, 0, -9e-5, 43.3482)
    other = write(
        tmp_path / "b.tif", image(1, 1, 60, 60), crs=CRS.from_epsg(4326), transform=degrees
    )
    block = read_pair(one, other).load()
    assert block.valid.any()
    assert (block.t2[:, ~block.valid] == 0).all()
