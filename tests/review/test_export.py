"""Exports: the accepted objects, all of them and no others, with the kinds they were given."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest

from metriccd.raster import open_raster
from metriccd.review import Answers, export, read_objects
from viewed import copied


@pytest.mark.parametrize("crs", [True, False])
@pytest.mark.parametrize("kind", ["gpkg", "geojson"])
def test_it_has_what_was_accepted_or_relabeled(tmp_path: Path, crs: bool, kind: str) -> None:
    out = copied(tmp_path / "made", crs=crs)
    objects = read_objects(out, open_raster(out / "score.tif").grid)
    answers = Answers(out, objects, pixel=10.0 if crs else 1.0)
    answers.give(4, "accepted", kind=None, how="first")
    answers.give(1, "relabeled", kind="water-gained", how="object")
    answers.give(2, "rejected", kind=None, how="chosen")
    path = tmp_path / f"accepted.{kind}"
    path.write_bytes(export(out, objects, answers.given, kind))
    found = gpd.read_file(path)
    assert found["id"].tolist() == [2, 5]
    assert found["kind"].tolist() == ["water-gained", objects.kind(4)]
    assert found["answer"].tolist() == ["relabeled", "accepted"]
    source = gpd.read_file(out / "change.gpkg", layer="change").iloc[[1, 4]]
    if crs:
        assert found.crs == (source.crs if kind == "gpkg" else "EPSG:4326")
        source = source.to_crs(found.crs)
    near = found.geometry.geom_equals_exact(source.geometry.reset_index(drop=True), 1e-6)
    assert near.all()


def test_without_answers_it_is_empty(tmp_path: Path) -> None:
    out = copied(tmp_path / "made")
    objects = read_objects(out, open_raster(out / "score.tif").grid)
    path = tmp_path / "accepted.gpkg"
    path.write_bytes(export(out, objects, {}, "gpkg"))
    assert len(gpd.read_file(path)) == 0
