"""Archives: what was written opens again, and another threshold is what detect gives with it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine

import metriccd as mcd
from metriccd.decision import Cleaning
from metriccd.errors import DataError
from metriccd.output import PAIRS, RECORD, add_together
from metriccd.result.archive import Archive, decide_again
from raster_files import write

MAPS = ("score.tif", "change.tif", "before-view.tif", "after-view.tif")


def images(shape: tuple[int, int] = (90, 120)) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    one = rng.normal(1000, 60, (3, *shape))
    other = one + rng.normal(0, 40, one.shape)
    other[:, 10:40, 20:60] += 300
    other[:, 50:60, 80:110] += 900
    return [one.astype(np.uint16), other.astype(np.uint16)]


@pytest.fixture(scope="module", params=["utm", "no crs"])
def pair(request, tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pair")
    place = {} if request.param == "utm" else {"crs": None, "transform": Affine.identity()}
    names = ("S2_20200401T101021.tif", "S2_20200901T101021.tif")
    holes = images()
    holes[1][:, :5, :7] = 0
    return [
        write(folder / name, image, nodata=0, **place)
        for name, image in zip(names, holes, strict=True)
    ]


def same_result(one: Path, other: Path) -> None:
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
    for name in MAPS:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    tables = [gpd.read_file(out / "change.gpkg", layer="change") for out in (one, other)]
    assert tables[0].drop(columns="geometry").equals(tables[1].drop(columns="geometry"))
    assert tables[0].geometry.geom_equals(tables[1].geometry).all()
    records = [json.loads((out / RECORD).read_text()) for out in (one, other)]
    for record in records:
        del record["created"], record["stages"]
    assert records[0] == records[1]


@pytest.mark.parametrize("method", ["irmad", "cva"])
@pytest.mark.parametrize(
    ("threshold", "more"),
    [
        (0.3, {}),
        ("rosin", {}),
        ("kapur", {"min_pixels": 9, "fill_holes": 20, "connectivity": 8}),
        ("auto", {"min_pixels": 1}),
    ],
)
def test_another_threshold_is_what_detect_gives_with_it(
    pair, tmp_path: Path, method: str, threshold: str | float, more
) -> None:
    mcd.detect_into(tmp_path / "x" / "out", *pair, method=method)
    summary = mcd.detect_into(
        tmp_path / "y" / "out", *pair, method=method, threshold=threshold, **more
    )
    again = decide_again(tmp_path / "x" / "out", threshold, cleaning=Cleaning(**more))
    assert again == summary
    same_result(tmp_path / "x" / "out", tmp_path / "y" / "out")


def test_chi2_is_found_again(pair, tmp_path: Path) -> None:
    mcd.detect_into(tmp_path / "x" / "out", *pair, method="irmad")
    mcd.detect_into(tmp_path / "y" / "out", *pair, method="irmad", threshold="chi2")
    decide_again(tmp_path / "x" / "out", "chi2")
    same_result(tmp_path / "x" / "out", tmp_path / "y" / "out")


def test_deciding_twice_leaves_no_trace_of_the_first_time(pair, tmp_path: Path) -> None:
    for folder in ("x", "y"):
        mcd.detect_into(tmp_path / folder / "out", *pair, method="irmad")
    decide_again(tmp_path / "x" / "out", "chi2", cleaning=Cleaning(fill_holes=50))
    decide_again(tmp_path / "x" / "out", "auto", cleaning=Cleaning())
    record = json.loads((tmp_path / "x" / "out" / RECORD).read_text())
    assert record["settings"]["asked threshold"] == "auto"
    same_result(tmp_path / "x" / "out", tmp_path / "y" / "out")


def test_a_result_opens_as_it_was(pair, tmp_path: Path) -> None:
    change = mcd.detect(*pair, method="irmad")
    change.save(tmp_path / "out")
    found = mcd.open(tmp_path / "out")
    for name in ("score", "map", "valid"):
        np.testing.assert_array_equal(getattr(found, name), getattr(change, name))
    assert {part.name for part in fields(found)} == {part.name for part in fields(change)}
    assert (found.threshold, found.rule) == (change.threshold, change.rule)
    assert found.grid == change.grid
    for name in ("t1_rgb", "t2_rgb"):
        np.testing.assert_allclose(getattr(found, name), getattr(change, name), atol=0.5 / 255)
    assert found.summary() == change.summary() == Archive.of(tmp_path / "out").summary()
    assert found.objects().equals(change.objects())
    np.testing.assert_array_equal(found.decided(0.3).map, change.decided(0.3).map)


def test_files_of_others_stay_and_figures_of_the_old_map_go(pair, tmp_path: Path) -> None:
    out = tmp_path / "out"
    mcd.detect_into(out, *pair, method="cva")
    (out / "notes.txt").write_text("mine")
    (out / "more").mkdir()
    (out / "more/a.txt").write_text("mine too")
    add_together(out, {"evaluation.json": b"{}"})
    decide_again(out, 0.3)
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "more/a.txt").read_text() == "mine too"
    assert not (out / "evaluation.json").exists()


@pytest.mark.parametrize(
    ("threshold", "error", "message"),
    [
        ("adaptive", mcd.DataError, "detect again with --threshold adaptive"),
        ("kmeans", mcd.DataError, "detect again with --threshold kmeans"),
        ("ostu", ValueError, "no threshold rule 'ostu'"),
        (1.5, ValueError, r"must lie in \[0, 1\]: got 1\.5"),
    ],
)
def test_a_fault_leaves_the_result_as_it_was(pair, tmp_path, threshold, error, message) -> None:
    out = tmp_path / "out"
    mcd.detect_into(out, *pair, method="irmad")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(error, match=message):
        decide_again(out, threshold)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(mcd.DataError, match=r"must hold run\.json"):
        Archive.of(tmp_path)
    (tmp_path / RECORD).write_text("{}")
    with pytest.raises(mcd.DataError, match=r"must tell the threshold: .*; detect again"):
        Archive.of(tmp_path)
    (tmp_path / PAIRS).mkdir()
    with pytest.raises(mcd.DataError, match=r"must be of one pair: .*; choose one of those in"):
        Archive.of(tmp_path)
    (tmp_path / PAIRS).rmdir()
    (tmp_path / RECORD).write_text('{"threshold": {"value": 0.5, "rule": "otsu"}}')
    with pytest.raises(mcd.DataError, match=r"lacks score\.tif; detect again"):
        Archive.of(tmp_path)


def test_rasters_say_what_they_are(pair, tmp_path: Path) -> None:
    out = tmp_path / "out"
    mcd.detect_into(out, *pair, method="cva", threshold=0.4)
    record = json.loads((out / RECORD).read_text())
    with rasterio.open(out / "score.tif") as score, rasterio.open(out / "change.tif") as change:
        for raster in (score, change):
            tags = raster.tags()
            assert tags["METHOD"] == "cva"
            assert tags["TIFFTAG_SOFTWARE"].startswith("metriccd ")
            assert tags["DATE_BEFORE"] == "2020-04-01T10:10:21Z"
            assert tags["DATE_AFTER"] == "2020-09-01T10:10:21Z"
            values = raster.read(1, masked=True).astype(np.float64).compressed()
            values = values[np.isfinite(values)]
            told = {name: float(value) for name, value in raster.tags(1).items()}
            assert told["STATISTICS_MINIMUM"] == pytest.approx(values.min())
            assert told["STATISTICS_MAXIMUM"] == pytest.approx(values.max())
            assert told["STATISTICS_MEAN"] == pytest.approx(values.mean())
            assert told["STATISTICS_STDDEV"] == pytest.approx(values.std(), rel=1e-5)
        assert float(score.tags()["LEVEL"]) == record["score"]["level"]
        assert change.tags()["THRESHOLD"] == "0.4"
        assert change.tags()["RULE"] == "fixed"
    assert (out / "preview.png").stat().st_size < 300_000


def test_what_is_not_given_again_stays_as_it_was(pair, tmp_path: Path) -> None:
    asked = {"min_pixels": 30, "connectivity": 8, "fill_holes": 50}
    change = mcd.detect(*pair, method="cva", **asked)
    change.save(tmp_path / "one", vector=["geojson"], simplify="1px")
    again = mcd.open(tmp_path / "one").decided("auto")
    again.save(tmp_path / "two")
    np.testing.assert_array_equal(again.map, change.map)
    one, two = (json.loads((tmp_path / name / RECORD).read_text()) for name in ("one", "two"))
    assert two["cleaning"] == one["cleaning"]
    assert two["products"] == one["products"]
    assert (tmp_path / "two/polygons.geojson").is_file()
    assert mcd.open(tmp_path / "one").decided("auto", min_pixels=1).record["cleaning"] == one[
        "cleaning"
    ] | {"min_pixels": 1, "least_pixels": 1}


def test_what_was_asked_of_objects_can_be_taken_back(pair, tmp_path: Path) -> None:
    change = mcd.detect(*pair, method="cva")
    change.save(tmp_path / "one")
    asked = mcd.open(tmp_path / "one").decided("auto", min_pixels=10**4, fill_holes=50)
    assert change.map.any()
    assert not asked.map.any()
    back = asked.decided("auto", min_pixels="auto", fill_holes=0)
    np.testing.assert_array_equal(back.map, change.map)
    assert back.record["cleaning"] == change.record["cleaning"]


@pytest.mark.parametrize(
    ("damage", "lack"),
    [
        (lambda record: record.pop("inputs"), "inputs in run.json"),
        (lambda record: record.update(score={"kind": "foo", "level": 1}), "its score and objects"),
        (lambda record: record["products"].update(stray=1), "its score and objects"),
    ],
)
def test_a_record_of_another_version_is_told_in_one_line(pair, tmp_path, damage, lack) -> None:
    mcd.detect(*pair, method="cva").save(tmp_path / "out")
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    damage(record)
    (tmp_path / "out" / RECORD).write_text(json.dumps(record))
    with pytest.raises(DataError, match=f"lacks .*{lack}.*detect again"):
        Archive.of(tmp_path / "out")
    (tmp_path / "out" / RECORD).write_text("{")
    with pytest.raises(DataError, match="must be JSON"):
        Archive.of(tmp_path / "out")


def test_without_its_potential_a_result_cannot_be_decided_again(pair, tmp_path: Path) -> None:
    mcd.detect(*pair, method="cva").save(tmp_path / "out")
    (tmp_path / "out/potential.tif").unlink()
    with pytest.raises(DataError, match=r"lacks potential\.tif"):
        Archive.of(tmp_path / "out")


def test_kinds_are_chosen_again_as_detect_chooses_them(pair, tmp_path: Path) -> None:
    change = mcd.detect(*pair, method="cva")
    change.save(tmp_path / "one")
    expected = mcd.detect(*pair, method="cva", kinds="!darkened")
    found = mcd.open(tmp_path / "one").decided("auto", kinds="!darkened")
    np.testing.assert_array_equal(found.map, expected.map)
    assert found.record["settings"]["kinds"] == expected.record["settings"]["kinds"]
    np.testing.assert_array_equal(found.decided("auto").map, expected.map)
    np.testing.assert_array_equal(found.decided("auto", kinds=()).map, change.map)
    with pytest.raises(DataError, match="detect again with --kinds"):
        found.decided("auto", kinds="built")
