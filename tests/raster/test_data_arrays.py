"""DataArrays: every spelling of place, nodata, unit and names; rioxarray is the oracle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rioxarray  # the accessor .rio
import xarray
from affine import Affine

from metriccd.errors import DataError, GridError
from metriccd.raster import Window, as_raster
from raster_files import TRANSFORM, UTM, image, write

X, Y = TRANSFORM.c + 10 * (np.arange(50) + 0.5), TRANSFORM.f - 10 * (np.arange(40) + 0.5)
WKT = UTM.to_wkt()


def array(values=None, dims=("band", "y", "x"), **coords):
    values = image(0) if values is None else values
    return xarray.DataArray(values, dims=dims, coords=coords)


def pixels(raster):
    with raster.reader(raster.grid) as read:
        return read(Window.whole(raster.grid.shape))


@pytest.mark.parametrize(
    "mapping",
    [
        {"spatial_ref": ((), 0, {"crs_wkt": WKT})},
        {"spatial_ref": ((), 0, {"spatial_ref": WKT})},
        {"spatial_ref": ((), 32632, {})},
        {"crs": ((), 0, UTM.to_dict() and {"crs_wkt": WKT})},
        {"epsg": ((), 32632)},
        {"proj:epsg": ((), 32632)},
        {"proj:code": ((), "EPSG:32632")},
    ],
    ids=["rioxarray", "gdal", "odc", "crs", "stackstac", "proj:epsg", "proj:code"],
)
def test_a_crs_is_found_however_it_is_spelled(mapping) -> None:
    raster = as_raster(array(x=X, y=Y, **mapping), "t1")
    assert raster.grid.crs == UTM
    assert raster.grid.transform.almost_equals(TRANSFORM)


def test_a_crs_in_attributes_and_one_of_the_cf_conventions_are_found() -> None:
    plain = array(x=X, y=Y)
    assert as_raster(plain.assign_attrs(crs="+init=epsg:32632"), "t1").grid.crs == UTM
    assert as_raster(plain.assign_attrs(crs=32632), "t1").grid.crs == UTM
    import pyproj

    told = {key: value for key, value in pyproj.CRS(32632).to_cf().items() if "wkt" not in key}
    mapped = plain.assign_coords(utm=((), 0, told)).assign_attrs(grid_mapping="utm")
    crs = as_raster(mapped, "t1").grid.crs
    assert crs is not None
    assert "Transverse_Mercator" in crs.to_wkt()


@pytest.mark.parametrize(
    "dims",
    [
        ("band", "y", "x"),
        ("band", "x", "y"),
        ("y", "x", "band"),
        ("Y", "X", "band"),
        ("time", "band", "y", "x"),
        ("northing", "easting", "band"),
        ("band", "latitude", "longitude"),
    ],
)
def test_axes_are_known_by_name_in_any_order(dims: tuple[str, ...]) -> None:
    rows = next(each for each in dims if each.lower() in {"y", "northing", "latitude"})
    cols = next(each for each in dims if each.lower() in {"x", "easting", "longitude"})
    ordered = xarray.DataArray(image(0), dims=("band", rows, cols), coords={rows: Y, cols: X})
    if "time" in dims:
        ordered = ordered.expand_dims("time")
    raster = as_raster(ordered.transpose(*dims).rio.write_crs(UTM), "t1")
    np.testing.assert_array_equal(pixels(raster)[0], image(0))
    assert raster.grid.transform.almost_equals(TRANSFORM)


def test_axes_are_known_by_what_their_coordinates_say() -> None:
    found = array(dims=("band", "u", "v")).assign_coords(
        u=("u", Y, {"standard_name": "projection_y_coordinate"}), v=("v", X, {"axis": "X"})
    )
    transposed = found.transpose("band", "v", "u").rio.write_crs(UTM)
    assert as_raster(transposed, "t1").grid.transform.almost_equals(TRANSFORM)


@pytest.mark.parametrize("cut", [0, 7])
@pytest.mark.parametrize("corner", [0.0, 0.5], ids=["corners", "centers"])
def test_coordinates_of_corners_are_told_by_the_transform_beside_them(corner, cut) -> None:
    """stackstac's are of corners by default, and all others' of centers."""
    x, y = TRANSFORM.c + 10 * (np.arange(50) + corner), TRANSFORM.f - 10 * (np.arange(40) + corner)
    found = array(x=x, y=y, epsg=32632).assign_attrs(transform=tuple(TRANSFORM))
    raster = as_raster(found.isel(x=slice(cut, None)), "t1")
    assert raster.grid.transform.almost_equals(TRANSFORM @ Affine.translation(cut, 0))


@pytest.mark.parametrize(
    "name", ["_FillValue", "missing_value", "fill_value", "nodata", "nodatavals"]
)
@pytest.mark.parametrize("kind", [float, np.float32, np.int16, lambda value: (value,) * 3])
def test_nodata_is_found_however_it_is_spelled(name: str, kind) -> None:
    values = image(0).astype(np.int16)
    values[1, 3, 4] = -9999
    _, valid = pixels(as_raster(array(values).assign_attrs({name: kind(-9999)}), "t1"))
    assert not valid[3, 4]
    assert valid.sum() == valid.size - 1


def test_scale_and_offset_are_applied_unless_they_were(tmp_path: Path) -> None:
    import rasterio

    path = write(tmp_path / "a.tif", image(0))
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (1e-4,) * 3, (-0.1,) * 3
    expected = (image(0) * 1e-4 - 0.1).astype(np.float32)
    for opened in (
        path,
        rioxarray.open_rasterio(path),
        rioxarray.open_rasterio(path, mask_and_scale=True),
    ):
        np.testing.assert_allclose(pixels(as_raster(opened, "t1"))[0], expected, atol=1e-6)


def test_names_of_rioxarrays_arrays_are_the_files(tmp_path: Path) -> None:
    import rasterio

    path = write(tmp_path / "a.tif", image(0))
    with rasterio.open(path, "r+") as target:
        target.descriptions = ("swir1", "nir", "green")
    raster = as_raster(rioxarray.open_rasterio(path), "t1")
    assert [band.name for band in raster.bands] == ["swir1", "nir", "green"]


def test_variables_of_a_dataset_are_bands() -> None:
    dataset = array(band=["red", "green", "nir"], x=X, y=Y).rio.write_crs(UTM).to_dataset("band")
    raster = as_raster(dataset, "t1")
    assert [band.name for band in raster.bands] == ["red", "green", "nir"]
    assert raster.grid.crs == UTM
    np.testing.assert_array_equal(pixels(raster)[0], image(0))


def test_longitudes_and_latitudes_without_crs_are_wgs84_and_that_is_said() -> None:
    found = xarray.DataArray(
        image(0)[0],
        dims=("lat", "lon"),
        coords={"lat": 45 - 0.01 * np.arange(40), "lon": 0.01 * np.arange(50)},
    )
    raster = as_raster(found, "t1")
    assert raster.grid.crs is not None
    assert raster.grid.crs.to_epsg() == 4326
    assert "WGS 84" in raster.notes[0]


def test_what_nothing_places_is_refused_in_one_line() -> None:
    bare = array().assign_coords(spatial_ref=((), 0, {"crs_wkt": WKT}))
    with pytest.raises(GridError, match="has a CRS and neither coordinates nor a transform"):
        as_raster(bare, "t1")
    swath = array(dims=("band", "j", "i")).assign_coords(
        lat=(("j", "i"), np.ones((40, 50))), lon=(("j", "i"), np.ones((40, 50)))
    )
    with pytest.raises(GridError, match="geolocation arrays"):
        as_raster(swath, "t1")
    with pytest.raises(DataError, match=r"choose one date with \.isel"):
        as_raster(array(np.stack([image(0)] * 2), dims=("time", "band", "y", "x")), "t1")


def test_numpy_with_the_bands_last_is_refused_or_taken_by_its_axes() -> None:
    last = np.moveaxis(image(0), 0, -1)
    with pytest.raises(DataError, match=r'say axes="row,col,band"'):
        as_raster(last, "t1")
    taken = as_raster(last, "t1", axes="row,col,band")
    np.testing.assert_array_equal(pixels(taken)[0], image(0))
    assert replace(taken, label="t2").grid.shape == (40, 50)
    with pytest.raises(DataError, match="axes must be band, row and col"):
        as_raster(last, "t1", axes="x,y,z")


@pytest.mark.parametrize("dtype", [">i2", "float16", "bool", "int64", "longdouble"])
def test_every_type_of_numpy_is_taken(dtype: str) -> None:
    values = (image(0) % 2 + 1).astype(dtype)
    np.testing.assert_array_equal(pixels(as_raster(values, "t1"))[0], values.astype(np.float32))


@pytest.mark.parametrize("unit", ["km", "kilometre"])
def test_coordinates_in_kilometers_are_brought_to_the_meters_of_their_crs(unit: str) -> None:
    placed = array(
        x=("x", X / 1000, {"units": unit}),
        y=("y", Y / 1000, {"units": unit}),
        spatial_ref=((), 0, {"crs_wkt": WKT}),
    )
    assert as_raster(placed, "t1").grid.transform.almost_equals(TRANSFORM)


def test_scan_angles_of_a_geostationary_satellite_are_brought_to_meters() -> None:
    height = 35_786_023.0
    mapping = {
        "grid_mapping_name": "geostationary",
        "perspective_point_height": height,
        "semi_major_axis": 6_378_137.0,
        "semi_minor_axis": 6_356_752.31414,
        "longitude_of_projection_origin": -75.0,
        "sweep_angle_axis": "x",
    }
    angle = 5.6e-5
    seen = array(
        x=("x", 0.01 + angle * np.arange(50), {"units": "rad"}),
        y=("y", 0.09 - angle * np.arange(40), {"units": "rad"}),
        goes=((), 0, mapping),
    ).assign_attrs(grid_mapping="goes")
    grid = as_raster(seen, "t1").grid
    assert grid.transform.a == pytest.approx(angle * height)
    assert grid.transform.c == pytest.approx((0.01 - angle / 2) * height)
    # Two kilometers below the satellite, more towards the limb.
    area = grid.pixel_areas(Window.whole(grid.shape))
    assert 4e6 < area.min() < area.max() < 12e6


@pytest.mark.parametrize("given", [[[1, 2], [3, 4]], None, 5])
def test_what_is_no_image_is_refused_by_its_kind(given) -> None:
    with pytest.raises(DataError, match=f"t1 is {type(given).__name__}"):
        as_raster(given, "t1")
