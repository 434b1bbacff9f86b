"""Change objects: counted by hand, measured by scikit-image and pyproj."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.features import rasterize
from skimage.measure import label, regionprops

from metriccd.raster import Grid
from metriccd.result.layers import write_polygons
from metriccd.result.polygons import scene_polygons

UTM = Grid(
    height=60, width=80, transform=Affine(10, 0, 6e5, 0, -10, 48e5), crs=CRS.from_epsg(32632)
)
DEGREES = Grid(
    height=60, width=80, transform=Affine(1e-3, 0, 10, 0, -1e-3, 45), crs=CRS.from_epsg(4326)
)
NOWHERE = Grid(height=60, width=80, transform=Affine.identity(), crs=None)


def change_polygons(change: np.ndarray, score: np.ndarray, grid: Grid) -> gpd.GeoDataFrame:
    return scene_polygons(lambda window: (change[window.slices], score[window.slices]), grid)


@pytest.fixture
def change() -> np.ndarray:
    return np.random.default_rng(3).random((60, 80)) > 0.7


@pytest.fixture
def score(change: np.ndarray) -> np.ndarray:
    values = np.random.default_rng(4).random((60, 80)).astype(np.float32)
    values[0, 0] = np.nan
    change[0, 0] = False
    return values


def test_objects_agree_with_scikit_image(change, score) -> None:
    found = change_polygons(change, score, UTM)
    regions = regionprops(label(change, connectivity=1), intensity_image=np.nan_to_num(score))
    assert len(found) == len(regions)
    np.testing.assert_allclose(
        sorted(found.area_m2), sorted(100.0 * region.area for region in regions), rtol=1e-3
    )
    means = sorted(r.intensity_mean for r in regions)
    np.testing.assert_allclose(sorted(found.score_mean), means, rtol=1e-6)
    np.testing.assert_allclose(sorted(found.score_max), sorted(r.intensity_max for r in regions))


def test_polygons_burn_back_to_the_change_map(change, score) -> None:
    found = change_polygons(change, score, UTM)
    burnt = rasterize(found.geometry, out_shape=UTM.shape, transform=UTM.transform)
    np.testing.assert_array_equal(burnt > 0, change)
    np.testing.assert_allclose(found.geometry.area, found.area_m2, rtol=1e-3)


def test_the_largest_object_comes_first(change, score) -> None:
    found = change_polygons(change, score, UTM)
    assert (np.diff(found.area_m2) <= 1e-3 * found.area_m2[:-1]).all()
    assert found.id.tolist() == list(range(1, len(found) + 1))


def test_areas_are_ellipsoidal_in_degrees(change, score) -> None:
    found = change_polygons(change, score, DEGREES)
    geod = Geod(ellps="WGS84")
    expected = [abs(geod.geometry_area_perimeter(shape)[0]) for shape in found.geometry]
    np.testing.assert_allclose(found.area_m2, expected, rtol=1e-4)


def test_without_georeference_polygons_lie_on_the_image_as_programs_draw_it(change, score) -> None:
    found = change_polygons(change, score, NOWHERE)
    rows, cols = np.nonzero(change)
    west, south, east, north = found.total_bounds
    assert (west, east) == (cols.min(), cols.max() + 1)
    assert (south, north) == (-(rows.max() + 1), -rows.min())


def test_areas_without_crs_are_missing(change, score) -> None:
    found = change_polygons(change, score, NOWHERE)
    assert found.area_m2.isna().all()
    assert found.crs is None


@pytest.mark.parametrize("size", [1, 7, 16, 59])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_blocks_give_the_polygons_of_the_whole(score, size: int, share: float) -> None:
    change = np.random.default_rng(5).random((60, 80)) < share
    change[0, 0] = False
    whole = change_polygons(change, score, UTM)
    read = lambda window: (change[window.slices], score[window.slices])  # noqa: E731
    found = scene_polygons(read, UTM, size=size)
    for column in ("id", "score_max"):
        np.testing.assert_array_equal(found[column], whole[column])
    np.testing.assert_allclose(found.area_m2, whole.area_m2, rtol=1e-9)
    np.testing.assert_allclose(found.score_mean, whole.score_mean, rtol=1e-9)
    assert found.geometry.geom_equals(whole.geometry).all()
    assert set(found.geom_type) <= {"Polygon"}
    vertices = found.geometry.count_coordinates()
    # Nothing is left of the block edges.
    np.testing.assert_array_equal(vertices, whole.geometry.count_coordinates())


@pytest.mark.parametrize("grid", [UTM, NOWHERE])
@pytest.mark.parametrize("empty", [True, False])
def test_the_geopackage_reads_back(tmp_path: Path, change, score, grid, empty: bool) -> None:
    polygons = change_polygons(change & (not empty), score, grid)
    write_polygons(polygons, tmp_path / "change.gpkg")
    found = gpd.read_file(tmp_path / "change.gpkg", layer="change")
    assert list(found.columns) == [*polygons.columns]
    assert len(found) == len(polygons)
    assert (found.crs == grid.crs) if grid.crs else True
    assert found.geometry.geom_equals(polygons.geometry.reset_index(drop=True)).all()


@pytest.mark.parametrize(
    ("crs", "kept"),
    [
        ('LOCAL_CS["site",LOCAL_DATUM["x",0],UNIT["metre",1]]', True),
        ("+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=180", False),
    ],
    ids=["local", "rotated pole"],
)
@pytest.mark.filterwarnings("error")
def test_a_crs_that_geopackages_cannot_hold_is_no_fault(
    tmp_path: Path, change, score, crs: str, kept: bool
) -> None:
    grid = Grid(height=60, width=80, transform=DEGREES.transform, crs=CRS.from_user_input(crs))
    polygons = change_polygons(change, score, grid)
    write_polygons(polygons, tmp_path / "change.gpkg")
    found = gpd.read_file(tmp_path / "change.gpkg", layer="change")
    assert len(found) == len(polygons)
    assert (found.crs is not None) == kept
    assert polygons.crs is not None


def test_perimeters_are_those_of_shapely_and_of_the_globe(change, score) -> None:
    found = change_polygons(change, score, UTM)
    # UTM's scale beside its central meridian is not that of the globe.
    np.testing.assert_allclose(found.perimeter_m, found.geometry.length, rtol=1e-3)
    geod = Geod(ellps="WGS84")
    found = change_polygons(change, score, DEGREES)
    expected = [geod.geometry_area_perimeter(shape)[1] for shape in found.geometry]
    holes = np.array([len(shape.interiors) for shape in found.geometry])
    plain = holes == 0
    np.testing.assert_allclose(found.perimeter_m[plain], np.array(expected)[plain], rtol=1e-9)
    assert (found.perimeter_m[~plain] > 0).all()
    assert change_polygons(change, score, NOWHERE).perimeter_m.isna().all()


def test_feet_are_made_meters(change, score) -> None:
    place = Affine(10, 0, 985_000, 0, -10, 200_000)
    feet = Grid(height=60, width=80, transform=place, crs=CRS.from_epsg(2263))
    found = change_polygons(change, score, feet)
    np.testing.assert_allclose(found.perimeter_m, found.geometry.length * 1200 / 3937, rtol=2e-3)


def test_perimeters_on_a_plane_of_no_globe_are_those_of_the_plane(change, score) -> None:
    plane = CRS.from_wkt('LOCAL_CS["plan",UNIT["kilometre",1000],AXIS["x",EAST],AXIS["y",NORTH]]')
    found = change_polygons(change, score, replace(UTM, crs=plane))
    np.testing.assert_allclose(found.perimeter_m, found.geometry.length * 1000)


def test_strength_is_the_mean_logarithm_of_distance_over_threshold() -> None:
    change = np.zeros((60, 80), bool)
    change[5:9, 5:9] = change[30:40, 30:34] = True
    distance = np.where(change, 6.0, 0.1)
    distance[30:40, 30:34] = 40.0
    level, threshold = 2.0, 3.0  # of the score, and of another rule
    score = (distance / (distance + level)).astype(np.float32)
    found = scene_polygons(
        lambda window: (change[window.slices], score[window.slices]),
        UTM,
        threshold=threshold / (threshold + level),
    )
    np.testing.assert_allclose(found.strength, np.log([40 / 3, 6 / 3]), rtol=1e-5)
    assert found.pixels.tolist() == [40, 16]
    # 10 by 4 pixels, and a square.
    np.testing.assert_allclose(found.compactness, [4 * np.pi * 40 / 28**2, np.pi / 4])


def test_objects_of_eight_neighbors_are_one_row(change, score) -> None:
    read = lambda window: (change[window.slices], score[window.slices])  # noqa: E731
    found = scene_polygons(read, UTM, connectivity=8, size=17)
    regions = regionprops(label(change, connectivity=2))
    assert sorted(found.pixels) == sorted(region.area for region in regions)
    np.testing.assert_allclose(found.geometry.area, found.area_m2, rtol=1e-3)
