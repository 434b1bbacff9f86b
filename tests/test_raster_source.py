"""Reading: every format, every lattice, one valid mask; rasterio is the oracle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.warp import reproject
from scipy.ndimage import map_coordinates

from metriccd.errors import DataError, GridError
from metriccd.raster import Grid, Window, from_array, open_raster

UTM = CRS.from_epsg(32632)
TRANSFORM = Affine(10, 0, 600_000, 0, -10, 4_800_000)


def write(
    path: Path, array: np.ndarray, *, crs=UTM, transform=TRANSFORM, nodata=None, alpha=False
) -> Path:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=array.shape[0],
        height=array.shape[1],
        width=array.shape[2],
        dtype=array.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
    ) as target:
        if alpha:
            others = [ColorInterp.gray] + [ColorInterp.undefined] * (array.shape[0] - 2)
            target.colorinterp = [*others, ColorInterp.alpha]
        target.write(array)
    return path


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
