"""Reading: what is missing and in which unit, band by band, under every path; rasterio checks."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from metriccd.errors import DataError, GridError
from metriccd.pair import read_pair
from metriccd.raster import Grid, Window, open_raster
from raster_files import TRANSFORM, UTM, image, write

OFF = Grid(height=39, width=49, transform=TRANSFORM @ Affine.translation(0.4, 0.4), crs=UTM)


def read_all(raster, grid=None, **options):
    lattice = grid or raster.grid
    with raster.reader(lattice, **options) as read:
        return read(Window.whole(lattice.shape))


def test_each_band_has_its_own_nodata_on_and_off_the_lattice(tmp_path: Path) -> None:
    pixels = image(0, bands=2).astype(np.float32)
    pixels[0, 5:12, 5:12], pixels[1, 20:30, 20:30] = -9999, -1
    for index, value in ((0, -9999), (1, -1)):
        write(tmp_path / f"{index}.tif", pixels[index : index + 1], nodata=value)
    bands = "".join(
        f'<VRTRasterBand dataType="Float32" band="{n + 1}"><NoDataValue>{value}</NoDataValue>'
        f'<SimpleSource><SourceFilename relativeToVRT="1">{n}.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        for n, value in ((0, -9999), (1, -1))
    )
    (tmp_path / "both.vrt").write_text(
        f'<VRTDataset rasterXSize="50" rasterYSize="40"><SRS>EPSG:32632</SRS><GeoTransform>'
        f"{','.join(map(str, TRANSFORM.to_gdal()))}</GeoTransform>{bands}</VRTDataset>"
    )
    raster = open_raster(tmp_path / "both.vrt")
    expected = (pixels[0] != -9999) & (pixels[1] != -1)
    np.testing.assert_array_equal(read_all(raster)[1], expected)
    values, valid = read_all(raster, OFF)
    assert not valid[6:11, 6:11].any()
    assert not valid[21:29, 21:29].any()
    assert (values[:, valid] >= 0).all()


@pytest.mark.parametrize("scheme", ["zip://{}!a.tif", "/vsizip/{}/a.tif", "zip+file://{}!/a.tif"])
def test_a_mask_counts_under_every_path(tmp_path: Path, scheme: str) -> None:
    path = write(tmp_path / "a.tif", image(0))
    mask = np.full((40, 50), 255, np.uint8)
    mask[10:20, 10:20] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as target:
        target.write_mask(mask)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.write(path, "a.tif")
    raster = open_raster(scheme.format(tmp_path / "a.zip"))
    np.testing.assert_array_equal(read_all(raster)[1], mask > 0)
    assert not read_all(raster, OFF)[1][11:18, 11:18].any()


def test_zeros_are_values_where_another_nodata_is_declared(tmp_path: Path) -> None:
    pixels = image(0).astype(np.int16)
    pixels[:, 3, 4] = 0
    assert read_all(open_raster(write(tmp_path / "a.tif", pixels, nodata=-9999)))[1].all()


def test_zeros_that_are_guessed_to_be_fill_are_said_and_kept_on_request(tmp_path: Path) -> None:
    pixels = image(0)
    pixels[:, :5] = 0
    paths = [write(tmp_path / "a.tif", pixels), write(tmp_path / "b.tif", image(1))]
    pair = read_pair(*paths)
    assert not pair.load().valid[:5].any()
    (said,) = pair.warnings
    assert "a.tif" in said
    assert "--nodata none" in said
    kept = read_pair(*paths, nodata="none")
    assert kept.load().valid.all()
    assert not kept.warnings


def test_values_too_large_for_float32_keep_their_differences(tmp_path: Path) -> None:
    base = 1e9 + np.random.default_rng(0).integers(0, 9, (1, 40, 50)).astype(np.float64)
    later = base.copy()
    later[0, 5:9, 5:9] += 3
    paths = [write(tmp_path / "a.tif", base), write(tmp_path / "b.tif", later)]
    pair = read_pair(*paths)
    block = pair.load()
    np.testing.assert_array_equal(block.t2 - block.t1, later - base)
    assert "too large for float32" in pair.warnings[0]


def test_values_beyond_float32_are_missing_and_nothing_else_is_said(tmp_path: Path) -> None:
    values = np.arange(2000.0).reshape(1, 40, 50)
    values[0, :9] = 1e300
    paths = [write(tmp_path / "a.tif", values), write(tmp_path / "b.tif", values[..., ::-1])]
    valid = read_pair(*paths).load().valid
    assert valid[9:].all()
    assert not valid[:9].any()


def test_pages_are_bands_and_that_is_said(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", image(0, bands=6))
    raster = open_raster(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_all(raster)[0], image(0, bands=6))
    assert "6 pages" in raster.notes[0]


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"crs": UTM}, "has a CRS and no transform"),
        ({"crs": UTM, "transform": Affine(0, 0, 5, 0, 0, 7)}, "pixels must have an area"),
    ],
)
def test_what_nothing_places_is_refused(tmp_path: Path, profile, message: str) -> None:
    path = tmp_path / "a.tif"
    shape = {"count": 1, "height": 40, "width": 50, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as target:
        target.write(image(0, bands=1))
    with pytest.raises(GridError, match=message) as caught:
        open_raster(path)
    assert "gdalwarp" in str(caught.value)


def test_what_is_no_image_is_refused_with_what_to_give(tmp_path: Path) -> None:
    item = tmp_path / "item.json"
    item.write_text(
        '{"stac_version": "1.0.0", "type": "Feature", "assets": {"b": {"href": "b.tif"}}}'
    )
    with pytest.raises(DataError, match=r"is a STAC Feature; give one of its assets.*b\.tif"):
        open_raster(item)
    (tmp_path / "clouds.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(DataError, match="vector features; burn them: gdal_rasterize"):
        open_raster(tmp_path / "clouds.geojson")


def test_a_mask_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{seed}.tif", image(seed)) for seed in (0, 1)]
    classes = np.full((1, 40, 50), 4, np.uint8)
    classes[0, :9] = 9
    with pytest.raises(
        DataError, match=r"all of .*map\.tif is something else \(4, 9\).*map\.tif:SCL"
    ):
        read_pair(*paths, masks=write(tmp_path / "map.tif", classes))


def test_a_crs_that_only_a_prj_file_states_counts_and_belongs_to_the_input(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", image(0), crs=None)
    (tmp_path / "a.prj").write_text(UTM.to_wkt("WKT1_ESRI"))
    raster = open_raster(path)
    assert raster.grid.crs == UTM
    assert tmp_path / "a.prj" in raster.files


def test_false_is_a_value_of_boolean_arrays() -> None:
    one, other = (image(seed) > 2500 for seed in (0, 1))
    assert read_pair(one, other).load().valid.all()


def test_an_archive_as_image_is_refused_with_the_names_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.write(write(tmp_path / "b.tif", image(0)), "in/b.tif")
    with pytest.raises(DataError, match=r"zip://.*a\.zip!in/b\.tif"):
        open_raster(tmp_path / "a.zip")


def test_images_without_a_valid_pixel_name_the_guess_that_left_none(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.tif", image(0) * 0), write(tmp_path / "b.tif", image(1))]
    with pytest.raises(DataError, match="--nodata none keeps them"):
        read_pair(*paths).load()


def test_images_apart_are_refused_with_where_they_lie(tmp_path: Path) -> None:
    away = write(tmp_path / "b.tif", image(1), transform=Affine(10, 0, 7e5, 0, -10, 1e6))
    with pytest.raises(GridError, match="700000 to 700500, 999600 to 1000000 in EPSG:32632"):
        read_pair(write(tmp_path / "a.tif", image(0)), away)


def test_times_of_a_cube_are_bands_and_that_is_said(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    days = np.array(["2020-01-01", "2021-01-01"], "datetime64[ns]")
    cube = xarray.DataArray(
        image(0, bands=2).astype(np.int16),
        dims=("time", "y", "x"),
        coords={"time": days, "y": 4.8e6 - 10 * np.arange(40), "x": 6e5 + 10 * np.arange(50)},
        name="reflectance",
    )
    cube.to_netcdf(tmp_path / "a.nc", engine="scipy")
    raster = open_raster(tmp_path / "a.nc")
    assert len(raster.bands) == 2
    assert "of 2 times" in raster.notes[0]
    assert not read_pair(tmp_path / "a.nc", tmp_path / "a.nc", bands="1").notes


def test_a_scale_or_offset_that_is_no_number_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", image(0))
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (0.0,) * 3, (float("nan"),) * 3
    np.testing.assert_array_equal(read_all(open_raster(path))[0], image(0))


def test_a_photograph_stored_turned_is_said(tmp_path: Path) -> None:
    pictures = pytest.importorskip("PIL.Image")
    picture = pictures.fromarray(np.full((40, 50, 3), 90, np.uint8))
    exif = picture.getexif()
    exif[274] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    picture.save(tmp_path / "b.jpg")
    assert "EXIF orientation 6" in open_raster(tmp_path / "a.jpg").notes[0]
    assert not open_raster(tmp_path / "b.jpg").notes
