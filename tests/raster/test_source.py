"""Reading: every format, every lattice, one valid mask; rasterio is the oracle."""

from __future__ import annotations

import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.warp import reproject
from scipy.ndimage import map_coordinates, maximum_filter, minimum_filter

from metriccd.errors import DataError, GridError
from metriccd.raster import Grid, Window, open_raster
from metriccd.raster.arrays import from_array
from raster_files import TRANSFORM, UTM, write


def read_all(raster, grid=None, **options):
    lattice = grid or raster.grid
    with raster.reader(lattice, **options) as read:
        return read(Window(row=0, col=0, height=lattice.height, width=lattice.width))


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 5000, (3, 40, 50), dtype=np.uint16)


@pytest.mark.parametrize(
    "name",
    [
        "oscd/beirut/pair/img1.png",
        "sztaki/Szada/1/im1.bmp",
        "landsat/taizhou/2000TM",
        "landsat/LS20010525.tif",
    ],
)
def test_a_real_file_reads_as_rasterio_reads_it(data: Path, name: str) -> None:
    raster = open_raster(data / name)
    pixels, valid = read_all(raster)
    with rasterio.open(data / name) as dataset:
        np.testing.assert_array_equal(pixels, dataset.read())
        assert raster.grid.crs == dataset.crs
        assert raster.grid.transform == dataset.transform
        np.testing.assert_array_equal(valid, (dataset.read() != 0).any(axis=0))


def test_windows_tile_the_whole(data: Path) -> None:
    raster = open_raster(data / "landsat/LS20010525.tif")
    whole, _ = read_all(raster)
    pieced = np.empty_like(whole)
    with raster.reader(raster.grid) as read:
        for window in raster.grid.windows(300):
            pieced[:, *window.slices] = read(window)[0]
    np.testing.assert_array_equal(pieced, whole)


def test_a_sentinel2_folder_reads_its_bands_by_name_and_number(data: Path) -> None:
    folder = open_raster(data / "oscd/pisa/imgs_2")
    assert [band.name for band in folder.bands][7:10] == ["B08", "B8A", "B09"]
    for tokens in (["4", "3", "2"], ["B04", "B03", "B02"], ["b04", "b03", "b02"]):
        assert [band.name for band in folder.select(tokens).bands] == ["B04", "B03", "B02"]
    # 9 is the band called B09, not the ninth file, which is B8A.
    assert folder.select(["9"]).bands[0].name == "B09"
    assert folder.select(["b8a"]).bands[0].name == "B8A"


def test_coarse_bands_come_on_the_finest_grid(data: Path) -> None:
    folder = open_raster(data / "oscd/pisa/imgs_1").select(["B04", "B05", "B01"])
    pixels, valid = read_all(folder)
    assert pixels.shape == (3, 776, 718)
    assert valid.all()
    (path,) = (data / "oscd/pisa/imgs_1").glob("*_B05.tif")
    expected = np.empty((776, 718), np.float32)
    with rasterio.open(path) as dataset:
        reproject(
            dataset.read(1).astype(np.float32),
            expected,
            src_transform=dataset.transform,
            src_crs=dataset.crs,
            dst_transform=folder.grid.transform,
            dst_crs=folder.grid.crs,
            resampling=Resampling.bilinear,
        )
    np.testing.assert_allclose(pixels[1], np.rint(expected), atol=1)


def test_the_finest_file_of_a_band_wins(tmp_path: Path, noise: np.ndarray) -> None:
    (tmp_path / "R10m").mkdir()
    (tmp_path / "R60m").mkdir()
    write(
        tmp_path / "R60m/T32_B02_60m.tif", noise[:1, :5, :5], transform=TRANSFORM @ Affine.scale(6)
    )
    write(tmp_path / "R10m/T32_B02_10m.tif", noise[:1])
    assert open_raster(tmp_path).grid.shape == (40, 50)


def test_bands_are_found_by_description(tmp_path: Path, noise: np.ndarray) -> None:
    path = write(tmp_path / "a.tif", noise)
    with rasterio.open(path, "r+") as target:
        target.descriptions = ("red", "green", "nir")
    assert [band.index for band in open_raster(path).select(["NIR", "1"]).bands] == [3, 1]


def test_a_missing_band_is_named_with_the_bands_there_are(tmp_path: Path, noise) -> None:
    with pytest.raises(DataError, match=r"no band '7' in .*a\.tif: choose from 1, 2, 3"):
        open_raster(write(tmp_path / "a.tif", noise)).select(["7"])


@pytest.mark.parametrize("declared", [True, False])
def test_nodata_is_invalid_declared_or_given(tmp_path: Path, noise, declared: bool) -> None:
    noise[1, 3, 4] = 9999
    raster = open_raster(write(tmp_path / "a.tif", noise, nodata=9999 if declared else None))
    if not declared:
        raster = type(raster)(label=raster.label, bands=raster.bands, nodata=9999)
    _, valid = read_all(raster)
    assert not valid[3, 4]
    assert valid.sum() == valid.size - 1


def test_alpha_masks_and_is_no_band(tmp_path: Path, noise: np.ndarray) -> None:
    alpha = np.full_like(noise[:1], 65535)
    alpha[0, :4] = 0
    raster = open_raster(write(tmp_path / "a.tif", np.concatenate([noise, alpha]), alpha=True))
    pixels, valid = read_all(raster)
    assert pixels.shape[0] == 3
    np.testing.assert_array_equal(valid, alpha[0] > 0)


def test_a_mask_band_masks_also_after_resampling(tmp_path: Path, noise: np.ndarray) -> None:
    path = write(tmp_path / "a.tif", noise)
    mask = np.full(noise.shape[1:], 255, np.uint8)
    mask[:10] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as target:
        target.write_mask(mask)
    raster = open_raster(path)
    np.testing.assert_array_equal(read_all(raster)[1], mask > 0)
    half = Grid(height=20, width=25, transform=TRANSFORM @ Affine.scale(2), crs=UTM)
    np.testing.assert_array_equal(read_all(raster, half)[1][:, 3], np.arange(20) >= 5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_invalid(tmp_path: Path, noise, value: float) -> None:
    image = noise.astype(np.float32)
    image[2, 5, 6] = value
    _, valid = read_all(open_raster(write(tmp_path / "a.tif", image)))
    assert not valid[5, 6]
    assert valid.sum() == valid.size - 1


def test_zero_in_all_bands_is_fill_and_zero_in_one_is_a_value(tmp_path: Path, noise) -> None:
    noise[:, 0, 0] = 0
    noise[0, 1, 1] = 0
    raster = open_raster(write(tmp_path / "a.tif", noise))
    _, valid = read_all(raster)
    assert not valid[0, 0]
    assert valid[1, 1]
    assert read_all(raster, categorical=True)[1].all()


def test_outside_the_file_nothing_is_valid(tmp_path: Path, noise: np.ndarray) -> None:
    raster = open_raster(write(tmp_path / "a.tif", noise))
    shifted = Grid(height=40, width=50, transform=TRANSFORM @ Affine.translation(-5, 0), crs=UTM)
    pixels, valid = read_all(raster, shifted)
    assert not valid[:, :5].any()
    assert valid[:, 6:].all()
    np.testing.assert_array_equal(pixels[:, :, 5:], noise[:, :, :-5])


def test_another_crs_agrees_with_interpolation_at_projected_pixel_centers(data: Path) -> None:
    path = data / "landsat/LS20010525.tif"
    grid = Grid(
        height=300,
        width=400,
        transform=Affine(0.0004, 0, 6.25, 0, -0.00026, 50.95),
        crs=CRS.from_epsg(4326),
    )
    pixels, valid = read_all(open_raster(path), grid)
    cols, rows = np.meshgrid(np.arange(400) + 0.5, np.arange(300) + 0.5)
    to_utm = Transformer.from_crs(4326, 32631, always_xy=True)
    x, y = to_utm.transform(6.25 + 0.0004 * cols, 50.95 - 0.00026 * rows)
    with rasterio.open(path) as dataset:
        inverse, image = ~dataset.transform, dataset.read(2).astype(np.float64)
    places = [inverse.e * y + inverse.f - 0.5, inverse.a * x + inverse.c - 0.5]
    expected = map_coordinates(image, places, order=1)
    assert valid.mean() > 0.9
    error = np.abs(pixels[1] - expected)[valid]
    assert np.median(error) < 0.5
    # GDAL averages a little along columns, where a step of the grid spans 1.01 source pixels.
    assert np.quantile(error, 0.99) < 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "no.tif", "must exist"),
        (lambda path: _text(path / "notes.tif"), "must be a raster"),
        (lambda path: _folder(path / "empty"), "single-band files named like"),
    ],
)
def test_what_is_no_raster_is_refused_in_one_line(tmp_path: Path, make, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        open_raster(make(tmp_path))
    assert "\n" not in str(caught.value)


def _text(path: Path) -> Path:
    path.write_text("not a raster")
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_truncated_file_is_refused_when_read(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(1, 60000, (3, 400, 400), dtype=np.uint16)
    path = write(tmp_path / "a.tif", image)
    path.write_bytes(path.read_bytes()[:300_000])
    with pytest.raises(DataError, match="pixels must be readable"):
        read_all(open_raster(path))


def test_a_truncated_picture_is_refused_when_read(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(1, 256, (3, 100, 100), dtype=np.uint8)
    path = tmp_path / "a.png"
    with rasterio.open(path, "w", "PNG", 100, 100, 3, dtype="uint8") as target:
        target.write(image)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(DataError, match="pixels must be readable"):
        read_all(open_raster(path))


def test_complex_pixels_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.ones((1, 20, 20), np.complex64))
    with pytest.raises(DataError, match="real numbers"):
        open_raster(path)


def test_ground_control_points_alone_are_refused(tmp_path: Path, noise: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    points = [
        rasterio.control.GroundControlPoint(row, col, 8 + col / 100, 45 - row / 100)
        for row in (0, 40)
        for col in (0, 50)
    ]
    profile = {"driver": "GTiff", "count": 3, "height": 40, "width": 50, "dtype": "uint16"}
    with rasterio.open(path, "w", **profile, gcps=points, crs=CRS.from_epsg(4326)) as target:
        target.write(noise)
    with pytest.raises(GridError, match="ground control points"):
        open_raster(path)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", "bool"]
)
def test_an_array_reads_back_as_it_was(dtype: str) -> None:
    array = (np.arange(600).reshape(2, 20, 15) % 2 + 1).astype(dtype)
    pixels, valid = read_all(from_array(array, label="t1"))
    np.testing.assert_array_equal(pixels, array.astype(np.float32))
    assert valid.all()


def test_an_array_carries_georeference_and_names() -> None:
    raster = from_array(
        np.ones((2, 20, 30), np.float32),
        label="t1",
        crs=UTM,
        transform=TRANSFORM,
        names=["red", "nir"],
    )
    assert raster.grid == Grid(height=20, width=30, transform=TRANSFORM, crs=UTM)
    assert [band.name for band in raster.bands] == ["red", "nir"]
    assert raster.files == ()


def test_a_url_reads_as_the_file_behind_it(tmp_path: Path, noise: np.ndarray) -> None:
    write(tmp_path / "a.tif", noise)
    # A process of its own: GDAL waits for the answer without letting other threads run.
    command = [sys.executable, Path(__file__).with_name("range_server.py"), tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            root = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            raster = open_raster(f"{root}/a.tif")
            pixels, _ = read_all(raster)
            with pytest.raises(DataError, match="404"):
                open_raster(f"{root}/no.tif")
        finally:
            server.kill()
    np.testing.assert_array_equal(pixels, noise)
    assert raster.grid.crs == UTM
    assert raster.files == ()


def _named(path: Path, array: np.ndarray, *names: str) -> Path:
    write(path, array)
    with rasterio.open(path, "r+") as target:
        target.descriptions = names
    return path


def test_a_folder_of_two_dates_is_refused(tmp_path: Path, noise: np.ndarray) -> None:
    write(tmp_path / "T32_20180101_B02.tif", noise[:1])
    write(tmp_path / "T32_20200101_B03.tif", noise[:1])
    with pytest.raises(
        DataError, match=r"one image: .*20180101_B02.* and .*20200101_B03"
    ) as caught:
        open_raster(tmp_path)
    assert "\n" not in str(caught.value)
    write(tmp_path / "T32_20200101_B02.tif", noise[:1])
    with pytest.raises(DataError, match=r"one image: B02 is in .* and .*; give the folder of one"):
        open_raster(tmp_path)


@pytest.mark.parametrize("date", ["imgs_1", "imgs_2"])
def test_every_real_folder_is_one_image(data: Path, date: str) -> None:
    folders = list(data.glob(f"oscd/*/{date}"))
    assert folders
    for folder in folders:
        assert len(open_raster(folder).bands) == 13


def test_a_landsat_folder_keeps_landsat_names(tmp_path: Path, noise: np.ndarray) -> None:
    for band in ("SR_B4", "SR_B2", "SR_B3", "B8", "ST_B10"):
        write(tmp_path / f"LC08_L2SP_196022_20200101_02_T1_{band}.TIF", noise[:1])
    raster = open_raster(tmp_path)
    assert [band.name for band in raster.bands] == ["B2", "B3", "B4", "B8", "B10"]
    chosen = raster.select(["4", "b04", "B10"]).bands
    assert [band.name for band in chosen] == ["B4", "B4", "B10"]


def test_short_names_are_spelled_as_sentinel2_spells_them(tmp_path: Path, noise) -> None:
    raster = open_raster(_named(tmp_path / "a.tif", noise, "B4", "b8a", "B11"))
    assert [band.name for band in raster.bands] == ["B04", "B8A", "B11"]
    chosen = raster.select(["8A", "4", "B4", "b8a"]).bands
    assert [band.index for band in chosen] == [2, 1, 1, 2]


def test_a_landsat_file_keeps_its_names(tmp_path: Path, noise: np.ndarray) -> None:
    raster = open_raster(_named(tmp_path / "LC08_196022.tif", noise, "B4", "B3", "B2"))
    assert [band.name for band in raster.bands] == ["B4", "B3", "B2"]


@pytest.mark.parametrize("token", ["²", "", "٤"])
def test_what_is_no_plain_number_is_no_band(tmp_path: Path, noise, token: str) -> None:
    with pytest.raises(DataError, match="choose from 1, 2, 3"):
        open_raster(write(tmp_path / "a.tif", noise)).select([token])


def test_bands_are_found_by_the_color_the_file_states(tmp_path: Path, noise) -> None:
    path = write(tmp_path / "a.tif", noise)
    with rasterio.open(path, "r+") as target:
        target.colorinterp = [ColorInterp.blue, ColorInterp.green, ColorInterp.red]
    assert [band.index for band in open_raster(path).select(["red", "Blue"]).bands] == [3, 1]


def test_names_with_commas_are_told_apart(tmp_path: Path, noise: np.ndarray) -> None:
    path = _named(tmp_path / "a.tif", noise, "red, 0.66", "green", "nir")
    with pytest.raises(DataError, match=r"choose from red, 0\.66; green; nir$"):
        open_raster(path).select(["blue"])


def test_palette_indexes_are_classes_and_no_colors(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.arange(600, dtype=np.uint8).reshape(1, 20, 30) % 4)
    with rasterio.open(path, "r+") as target:
        target.write_colormap(1, {value: (value * 60, 0, 0, 255) for value in range(4)})
    raster = open_raster(path)
    with pytest.raises(DataError, match=r"not palette indexes: .*a\.tif; expand it with gdal_t"):
        read_all(raster)
    pixels, valid = read_all(raster, categorical=True)
    assert set(np.unique(pixels)) == {0, 1, 2, 3}
    assert valid.all()


def test_a_real_palette_reference_reads_as_classes(data: Path) -> None:
    path = data / "landsat/taizhou/change.bmp"
    with rasterio.open(path) as dataset:
        expected = dataset.read()
    np.testing.assert_array_equal(read_all(open_raster(path), categorical=True)[0], expected)


def _alike_beside_holes(path: Path, nodata: float | None, expected: np.ndarray) -> None:
    """The mask is as expected on the lattice, and half a pixel off it but for the rims."""
    raster = replace(open_raster(path), nodata=nodata)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_all(raster)[1], expected)
        half = TRANSFORM @ Affine.translation(0.5, 0.5)
        height, width = expected.shape
        shifted = Grid(height=height, width=width, transform=half, crs=UTM)
        pixels, valid = read_all(raster, shifted)
    inside = minimum_filter(expected, 3) == maximum_filter(expected, 3)
    inside[-1], inside[:, -1] = False, False
    assert (inside & ~expected).any()
    np.testing.assert_array_equal(valid[inside], expected[inside])
    with rasterio.open(path) as dataset:
        image = dataset.read(1).astype(np.float64)
    means = (image[:-1, :-1] + image[1:, :-1] + image[:-1, 1:] + image[1:, 1:]) / 4
    clear = (inside & expected)[:-1, :-1]
    np.testing.assert_allclose(pixels[0, :-1, :-1][clear], means[clear], atol=0.51)
    # What is masked does not bleed into the pixels beside it either.
    assert (np.abs(pixels[:, valid]) <= 5000).all()


@pytest.mark.parametrize("mask", ["none", "alpha", "band"])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32"])
def test_a_given_nodata_replaces_the_declared_one_and_no_mask(
    tmp_path: Path, noise, dtype: str, mask: str
) -> None:
    noise[:, 5:12, 5:12] = 7
    noise[:, 20:27, 20:27] = 9999
    noise[1, 30:38, 30:38] = 9999
    masked = np.zeros(noise.shape[1:], np.bool_)
    masked[30:38, 2:9] = mask != "none"
    alpha = (~masked[None]).astype(np.uint8)
    bands = np.concatenate([noise, alpha]) if mask == "alpha" else noise
    path = write(tmp_path / "a.tif", bands.astype(dtype), nodata=7, alpha=mask == "alpha")
    if mask == "band":
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as target:
            target.write_mask(alpha[0] * 255)
    _alike_beside_holes(path, 9999, ~masked & (noise != 9999).all(axis=0))
    noise[noise == 9999] = 100
    with rasterio.open(path, "r+") as target:
        target.write(noise.astype(dtype), [1, 2, 3])
    _alike_beside_holes(path, None, ~masked & (noise != 7).all(axis=0))


def test_a_nodata_that_the_type_cannot_hold_leaves_every_pixel_valid(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(1, 255, (1, 40, 50), dtype=np.uint8)
    image[:, 5:12, 5:12] = 255
    raster = replace(open_raster(write(tmp_path / "a.tif", image, nodata=255)), nodata=-9999)
    assert read_all(raster)[1].all()
    half = Grid(height=39, width=49, transform=TRANSFORM @ Affine.translation(0.5, 0.5), crs=UTM)
    assert read_all(raster, half)[1].all()


@pytest.mark.filterwarnings("error")
def test_a_nodata_beyond_float32_is_no_pixel_of_it(tmp_path: Path, noise: np.ndarray) -> None:
    raster = open_raster(write(tmp_path / "a.tif", noise.astype(np.float32)))
    assert read_all(replace(raster, nodata=float(np.finfo(np.float64).min)))[1].all()


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
def test_alpha_above_zero_is_valid_in_every_type(tmp_path: Path, dtype: str, top: int) -> None:
    image = np.random.default_rng(0).integers(1, 200, (4, 40, 50)).astype(dtype)
    image[3] = top
    image[3, 8:16, 8:16] = 0
    _alike_beside_holes(write(tmp_path / "a.tif", image, alpha=True), None, image[3] > 0)


def test_undeclared_fill_of_esri_is_invalid(tmp_path: Path, noise: np.ndarray) -> None:
    image = noise.astype(np.float32)
    image[1, 8:16, 8:16] = np.finfo(np.float32).min
    path = write(tmp_path / "a.tif", image)
    _alike_beside_holes(path, None, image[1] > 0)


def test_names_of_parts_of_files_open_wherever_they_are(
    tmp_path: Path, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.tif", noise)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "a.tif")
        archive.write(path, "in/b.tif")
    monkeypatch.chdir(tmp_path)
    # What a refusal of the archive itself proposes is among them.
    with pytest.raises(DataError, match=r"zip://a\.zip!a\.tif, zip://a\.zip!in/b\.tif"):
        open_raster("a.zip")
    for place in ("", f"{tmp_path}/"):
        for name in (
            *(
                f"GTIFF_DIR:1:{place}a.tif",
                f"vrt://{place}a.tif?bands=1,2,3",
                f"file://{place}a.tif",
            ),
            *(f"zip://{place}a.zip!a.tif", f"zip://{place}a.zip!in/b.tif"),
            *(f"zip+file://{place}a.zip!a.tif", f"/vsizip/{place}a.zip/in/b.tif"),
        ):
            raster = open_raster(name)
            pixels, _ = read_all(raster)
            np.testing.assert_array_equal(pixels, noise[: len(pixels)], err_msg=name)
            assert len(raster.files) == 1, name
    # A VRT of what is in an archive cannot be looked at.
    with pytest.raises(DataError, match="--allow-remote takes it as it is"):
        open_raster("vrt:///vsizip/a.zip/a.tif?bands=1")
