"""Masks and windows: polygons, classes by name, growth, a box and an area."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.features import geometry_mask
from scipy.ndimage import binary_dilation
from shapely.geometry import Point, Polygon, box

from metriccd.errors import DataError, GridError
from metriccd.pair.pair import read_pair
from raster_files import TRANSFORM, UTM, image, write

# A polygon that bends, over rows 5–20 and columns 8–30 of the files.
BENT = Polygon([(600_080, 4_799_950), (600_300, 4_799_900), (600_200, 4_799_800)])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "t1.tif", image(0)), write(tmp_path / "t2.tif", image(1))


def inside(geometry) -> np.ndarray:
    """rasterio's own answer for the whole grid."""
    return geometry_mask([geometry], (40, 50), TRANSFORM, invert=True)


@pytest.mark.parametrize("driver", ["GPKG", "GeoJSON", "ESRI Shapefile", "FlatGeobuf"])
def test_polygons_leave_out_what_rasterio_burns(tmp_path: Path, files, driver: str) -> None:
    suffix = {"GPKG": "gpkg", "GeoJSON": "geojson", "ESRI Shapefile": "shp", "FlatGeobuf": "fgb"}
    path = tmp_path / f"clouds.{suffix[driver]}"
    frame = gpd.GeoDataFrame(geometry=[BENT], crs=UTM)
    # GeoJSON is in degrees by its own rule.
    (frame.to_crs(4326) if driver == "GeoJSON" else frame).to_file(path, driver=driver)
    pair = read_pair(*files, masks=[str(path)])
    valid = pair.load().valid
    assert (valid != ~inside(BENT)).sum() <= (3 if driver == "GeoJSON" else 0)
    for window, block in zip(pair.grid.windows(16), pair.blocks(size=16), strict=True):
        np.testing.assert_array_equal(block.valid, valid[window.slices])


def test_every_layer_counts_and_a_geodataframe_is_a_mask(tmp_path: Path, files) -> None:
    other = box(600_400, 4_799_700, 600_480, 4_799_780)
    for name, geometry in (("clouds", BENT), ("shadows", other)):
        frame = gpd.GeoDataFrame(geometry=[geometry], crs=UTM)
        frame.to_file(tmp_path / "both.gpkg", layer=name)
    valid = read_pair(*files, masks=tmp_path / "both.gpkg").load().valid
    np.testing.assert_array_equal(valid, ~(inside(BENT) | inside(other)))
    valid = read_pair(*files, masks=gpd.GeoDataFrame(geometry=[BENT], crs=UTM)).load().valid
    np.testing.assert_array_equal(valid, ~inside(BENT))


def test_masks_grow_by_a_disk_of_pixels_whatever_the_window(files) -> None:
    spots = np.zeros((40, 50), np.uint8)
    spots[[3, 15, 16], [4, 15, 31]] = 1
    disk = np.hypot(*np.mgrid[-4:5, -4:5]) <= 4
    pair = read_pair(*files, masks=[spots], mask_dilate=4)
    valid = pair.load().valid
    np.testing.assert_array_equal(valid, ~binary_dilation(spots, disk))
    for window, block in zip(pair.grid.windows(16), pair.blocks(size=16), strict=True):
        np.testing.assert_array_equal(block.valid, valid[window.slices])


SCL = (np.arange(2000).reshape(1, 40, 50) % 12).astype(np.uint8)


@pytest.mark.parametrize(
    ("classes", "left_out"),
    [
        ("SCL", {0, 1, 3, 8, 9, 10}),
        ("scl=3,8,9,10", {3, 8, 9, 10}),
        ("SCL=shadow,cloud,snow", {3, 9, 11}),
        ("VALUES=4-6,11", {4, 5, 6, 11}),
    ],
)
def test_classes_of_a_file_are_left_out_by_number_or_name(
    tmp_path: Path, files, classes: str, left_out: set[int]
) -> None:
    path = write(tmp_path / "classes.tif", SCL)
    valid = read_pair(*files, masks=f"{path}:{classes}").load().valid
    np.testing.assert_array_equal(valid, ~np.isin(SCL[0], list(left_out)))


@pytest.mark.parametrize(
    ("asked", "bits"),
    [("QA_PIXEL", 0b11111), ("QA_PIXEL=cloud,shadow", 0b11000), ("QA_PIXEL=5", 0b100000)],
)
def test_bits_of_qa_pixel_are_left_out(tmp_path: Path, files, asked: str, bits: int) -> None:
    # Landsat 8: clear land, clear water, cloud, shadow, snow, fill.
    known = np.array([21824, 21952, 22280, 23888, 30048, 1], np.uint16)
    qa = np.random.default_rng(0).choice(known, (1, 40, 50))
    path = write(tmp_path / "quality.tif", qa)
    valid = read_pair(*files, masks=f"{path}:{asked}").load().valid
    np.testing.assert_array_equal(valid, (qa[0] & bits) == 0)


def test_bands_of_udm2_are_left_out(tmp_path: Path, files) -> None:
    udm = np.zeros((8, 40, 50), np.uint8)
    udm[0] = 1
    for band, name in ((1, 1), (2, 2), (5, 5)):
        udm[band, band] = name
    path = write(tmp_path / "x_udm2.tif", udm)
    valid = read_pair(*files, masks=f"{path}:UDM2").load().valid
    np.testing.assert_array_equal(np.flatnonzero(~valid.all(axis=1)), [2, 5])
    with pytest.raises(DataError, match="UDM2 has at least"):
        read_pair(*files, masks=f"{files[0]}:UDM2")


def test_classes_without_a_file_are_each_dates_own(tmp_path: Path) -> None:
    folders = []
    for date in range(2):
        folder = tmp_path / f"T32TMK_2020010{date}"
        folder.mkdir()
        for band in ("B02", "B03", "B04", "B08"):
            write(folder / f"{folder.name}_{band}.tif", image(date, bands=1))
        scl = np.full((1, 20, 25), 4, np.uint8)
        scl[0, 3 + date] = 9
        grid = TRANSFORM @ rasterio.Affine.scale(2)
        write(folder / f"{folder.name}_SCL_20m.tif", scl, transform=grid)
        folders.append(folder)
    valid = read_pair(*folders, masks="SCL").load().valid
    np.testing.assert_array_equal(np.flatnonzero(~valid.all(axis=1)), [6, 7, 8, 9])
    with pytest.raises(DataError, match="--mask FILE:QA_PIXEL"):
        read_pair(*folders, masks="QA_PIXEL")


def test_a_band_of_classes_masks_and_is_not_compared(tmp_path: Path) -> None:
    paths = []
    for date in range(2):
        stack = np.concatenate([image(date), np.full((1, 40, 50), 4, np.uint16)])
        stack[3, 10 + date] = 8
        paths.append(write(tmp_path / f"{date}.tif", stack))
        with rasterio.open(paths[-1], "r+") as target:
            target.descriptions = ("red", "green", "blue", "SCL")
    pair = read_pair(*paths, masks="SCL=8")
    assert len(pair.t1.bands) == 3
    np.testing.assert_array_equal(np.flatnonzero(~pair.load().valid.all(axis=1)), [10, 11])


def test_a_plain_raster_of_classes_is_refused_and_the_way_out_is_named(
    tmp_path: Path, files
) -> None:
    plain = write(tmp_path / "m.tif", SCL)
    with pytest.raises(
        DataError, match=r"m\.tif looks like SCL classes, .*; write --mask .*m\.tif:SCL"
    ):
        read_pair(*files, masks=plain)
    quality = write(tmp_path / "q.tif", np.full((1, 40, 50), 21824, np.uint16))
    with pytest.raises(DataError, match=r"looks like QA_PIXEL classes"):
        read_pair(*files, masks=quality)
    named = write(tmp_path / "T32_SCL_20m.tif", np.full((1, 40, 50), 4, np.uint8))
    with pytest.raises(DataError, match=r"looks like SCL"):
        read_pair(*files, masks=named)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("x.tif:SCL=fog", "no class 'fog' of SCL"),
        ("x.tif:SCL=14", "no class '14' of SCL"),
        ("x.tif:VALUES", "must name its classes"),
        ("VALUES=1", "VALUES needs a file"),
        ("gone.gpkg", "must exist"),
        ("t1.geojson", "must be a vector file"),
    ],
)
def test_a_wrong_mask_is_one_line(tmp_path: Path, files, mask: str, message: str) -> None:
    (tmp_path / "t1.geojson").write_text("no json")
    mask = str(tmp_path / mask) if mask == "t1.geojson" else mask
    with pytest.raises(DataError, match=message) as caught:
        read_pair(*files, masks=mask)
    assert "\n" not in str(caught.value)


def test_points_are_no_mask(tmp_path: Path, files) -> None:
    path = tmp_path / "points.gpkg"
    gpd.GeoDataFrame(geometry=[Point(600_100, 4_799_900)], crs=UTM).to_file(path)
    with pytest.raises(DataError, match="must hold polygons"):
        read_pair(*files, masks=path)


def test_a_box_reads_its_pixels_only(files) -> None:
    pair = read_pair(*files, bbox="600100,4799700,600400,4799900")
    assert pair.grid.shape == (20, 30)
    np.testing.assert_array_equal(pair.load().t1, image(0)[:, 10:30, 10:40])


def test_a_box_in_degrees_holds_the_same_box_in_meters(files) -> None:
    west, south, east, north = (
        gpd.GeoSeries([box(600_100, 4_799_700, 600_400, 4_799_900)], crs=UTM)
        .to_crs(4326)
        .total_bounds
    )
    pair = read_pair(*files, bbox=[west, south, east, north], bbox_crs="EPSG:4326")
    assert 20 <= pair.grid.height <= 23
    assert 30 <= pair.grid.width <= 33
    wider = read_pair(*files, bbox=[-10, 40, 20, 50], bbox_crs="EPSG:4326")
    assert wider.grid.shape == (40, 50)


def test_a_box_on_degrees_may_be_wider_than_the_image(tmp_path: Path) -> None:
    degrees = rasterio.Affine(0.001, 0, 2, 0, -0.001, 48)
    paths = [
        write(tmp_path / f"{k}.tif", image(k), crs="EPSG:4326", transform=degrees) for k in (0, 1)
    ]
    assert read_pair(*paths, bbox="1.5,47.98,2.03,49").grid.shape == (20, 30)


def test_a_box_of_images_without_georeference_is_columns_and_rows() -> None:
    pair = read_pair(image(0), image(1), bbox=(10, 5, 40, 25))
    np.testing.assert_array_equal(pair.load().t2, image(1)[:, 5:25, 10:40])


def test_an_area_is_read_around_and_valid_within(tmp_path: Path, files) -> None:
    wide = Polygon([(600_080, 4_799_950), (600_380, 4_799_900), (600_200, 4_799_700)])
    path = tmp_path / "area.geojson"
    gpd.GeoDataFrame(geometry=[wide], crs=UTM).to_crs(4326).to_file(path)
    pair = read_pair(*files, aoi=path)
    row, col = pair.grid.offset_in(pair.t1.grid)
    valid = pair.load().valid
    expected = inside(wide)
    assert expected.sum() - valid.sum() < 4
    found = np.zeros_like(expected)
    found[row : row + pair.grid.height, col : col + pair.grid.width] = valid
    assert (found != expected).sum() < 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bbox": "0,0,1,1"}, GridError, "must lie on both images"),
        ({"bbox": "600000,4799900,600100,4800000"}, GridError, "at least 16×16"),
        ({"bbox": "1,2,3"}, ValueError, "four numbers"),
        ({"bbox": "3,0,1,1"}, ValueError, "W < E"),
        ({"bbox": "0,0,1,1", "bbox_crs": "EPSG:0"}, GridError, "a CRS is"),
    ],
)
def test_a_wrong_box_is_one_line(files, options, error, message: str) -> None:
    with pytest.raises(error, match=message):
        read_pair(*files, **options)


def test_polygons_with_a_crs_need_images_with_one(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    shape = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    path.write_text(json.dumps(shape))
    with pytest.raises(GridError, match="polygons with a CRS"):
        read_pair(image(0), image(1), masks=path).load()


def test_hong_kongs_area_is_read_across_crss(data: Path, tmp_path: Path) -> None:
    folder = data / "oscd/hongkong"
    whole = read_pair(folder / "imgs_1", folder / "imgs_2")
    row, col = 100, 150
    part = whole.grid.crop(rasterio_window(row, col, 80, 120))
    xs, ys = part.edge(2)
    area = gpd.GeoDataFrame(
        geometry=[box(min(xs), min(ys), max(xs), max(ys))], crs=part.crs
    ).to_crs(3857)
    area.to_file(tmp_path / "area.gpkg")
    pair = read_pair(folder / "imgs_1", folder / "imgs_2", aoi=tmp_path / "area.gpkg")
    assert abs(pair.grid.height - 80) <= 1
    assert abs(pair.grid.width - 120) <= 1
    np.testing.assert_array_equal(
        pair.load().t1[:, 5:75, 5:115], whole.load().t1[:, row + 5 : row + 75, col + 5 : col + 115]
    )


def rasterio_window(row: int, col: int, height: int, width: int):
    from metriccd.raster import Window

    return Window(row=row, col=col, height=height, width=width)


def test_names_that_are_given_tell_an_images_own_classes_which_are_not_compared() -> None:
    stacks = [image(k, bands=4) for k in (0, 1)]
    for stack in stacks:
        stack[3] = 4
    stacks[1][3, :9] = 9
    pair = read_pair(*stacks, band_names="red,green,blue,SCL", masks="SCL", nodata=9)
    assert [band.name for band in pair.t1.bands] == ["red", "green", "blue"]
    valid = pair.load().valid
    assert not valid[:9].any()
    assert valid[9:].mean() > 0.99
    every = read_pair(*stacks, band_names="red,green,blue,SCL", bands="red,SCL")
    assert [band.name for band in every.t1.bands] == ["red", "SCL"]


def test_polygons_without_a_crs_are_taken_to_be_in_that_of_t1_and_that_is_said(
    tmp_path: Path, files
) -> None:
    gpd.GeoDataFrame(geometry=[BENT], crs=UTM).to_file(tmp_path / "clouds.shp")
    (tmp_path / "clouds.prj").unlink()
    pair = read_pair(*files, masks=str(tmp_path / "clouds.shp"))
    np.testing.assert_array_equal(pair.load().valid, ~inside(BENT))
    assert "clouds.shp names no CRS" in pair.warnings[0]
