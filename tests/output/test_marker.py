"""The marker: what was written is known by its content; who only looks does not make it his."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import geopandas as gpd
import pytest
import rasterio
from rasterio.errors import RasterioDeprecationWarning
from shapely import box

from metriccd.output import marker as module
from metriccd.output.marker import MARKER, Marker, digest, told_beside
from metriccd.raster import write_categories
from raster_files import image, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "score.tif", image())
    gpd.GeoDataFrame({"a": [1]}, geometry=[box(0, 0, 1, 1)], crs=32632).to_file(
        tmp_path / "change.gpkg", layer="change"
    )
    write(tmp_path / "change.tif", image(bands=1))
    write_categories(tmp_path / "change.tif", ["no change", "change"])
    (tmp_path / "project.qgz").write_bytes(b"project")
    (tmp_path / "report.html").write_text("report")
    Marker.of(tmp_path).write(tmp_path)
    return tmp_path


def foreign(folder: Path) -> list[str]:
    found = Marker.read(folder)
    assert found is not None
    return found.foreign(folder)


def test_what_was_written_is_ours_also_as_a_copy_of_another_time(folder: Path) -> None:
    assert foreign(folder) == []
    shutil.copytree(folder, folder / "copy", copy_function=shutil.copyfile)
    assert foreign(folder / "copy") == []


def test_programs_that_only_look_make_nothing_foreign(folder: Path) -> None:
    with sqlite3.connect(folder / "change.gpkg") as base:
        # As QGIS opens it, and leaves it when it is killed.
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("SELECT * FROM change").fetchall()
        assert (folder / "change.gpkg-shm").exists()
        assert foreign(folder) == []
        base.execute("PRAGMA journal_mode = DELETE")
    base.close()
    assert foreign(folder) == []
    for name in ("score.tif", "change.tif"):
        with rasterio.open(folder / name) as dataset, pytest.warns(RasterioDeprecationWarning):
            dataset.statistics(1, approx=False, clear_cache=True)
        assert "STATISTICS_MEAN" in (folder / f"{name}.aux.xml").read_text()
    (folder / "project.qgz~").write_bytes(b"project")
    (folder / "Thumbs.db").write_bytes(b"thumbs")
    assert foreign(folder) == []


def test_statistics_beside_a_raster_are_not_the_users_but_all_else_is(folder: Path) -> None:
    statistics = (
        "<PAMDataset>\n <PAMRasterBand band='1'>\n <Histograms><HistItem><HistMin>1</HistMin>"
        '</HistItem></Histograms><Metadata>\n  <MDI key="STATISTICS_MEAN">2.5</MDI>\n'
        " </Metadata></PAMRasterBand></PAMDataset>"
    )
    (folder / "score.tif.aux.xml").write_text(statistics)
    assert foreign(folder) == []
    mine = statistics.replace("<Histograms>", "<Description>mine</Description><Histograms>")
    (folder / "score.tif.aux.xml").write_text(mine)
    assert foreign(folder) == ["score.tif.aux.xml"]


@pytest.mark.parametrize(
    "text", ["<Histograms>", "<" + "a" * 40, "<a>", "<a ", "<a> ", '<MDI key="STATISTICS_A">']
)
def test_a_file_beside_a_raster_is_read_in_no_time_whoever_wrote_it(text: str) -> None:
    # To search it again for each of its tags would take hours.
    assert told_beside(text.encode() * (2**21 // len(text)))


def test_what_was_edited_added_or_linked_is_foreign(folder: Path) -> None:
    with sqlite3.connect(folder / "change.gpkg") as base:
        base.execute("CREATE TABLE mine (a)")
    base.close()
    (folder / "report.html").write_text("repost")
    (folder / "project.qgz~").write_bytes(b"mine")
    (folder / "notes.txt").touch()
    (folder / "kept").mkdir()
    (folder / "preview.png").symlink_to("report.html")
    assert foreign(folder) == [
        "change.gpkg (changed since)",
        *("kept", "notes.txt", "preview.png", "project.qgz~", "report.html (changed since)"),
    ]


def test_pages_that_another_program_has_not_written_back_are_foreign(folder: Path) -> None:
    (folder / "change.gpkg-wal").write_bytes(b"pages")
    assert foreign(folder) == ["change.gpkg-wal"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", '{"metriccd": "unfinished"}', "[" * 100_000),
        *('{"metriccd": "result"}', '{"metriccd": "result", "files": [1]}', "\udce9"),
        json.dumps({"versions": {"metriccd": "1"}, "files": {}}),
    ],
)
def test_a_list_that_is_not_ours_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / MARKER).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert Marker.read(tmp_path) is None


def test_a_linked_list_is_none(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / MARKER).symlink_to(folder / MARKER)
    assert Marker.read(tmp_path / "other") is None


def test_both_ends_of_a_large_file_are_looked_at(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "END", 100)
    contents = [b"a" * 500, b"a" * 499 + b"b", b"b" + b"a" * 499, b"a" * 501, b"a" * 150]
    found = set()
    for content in contents:
        (tmp_path / "x").write_bytes(content)
        found.add(digest(tmp_path / "x"))
    assert len(found) == len(contents)


def test_a_folder_is_ours_where_it_is_listed_and_holds_what_its_own_list_does(folder: Path) -> None:
    inner = folder / "pairs"
    inner.mkdir()
    write(inner / "score.tif", image())
    Marker.of(inner).write(inner)
    # A result that a user puts into a result is the user's.
    assert foreign(folder) == ["pairs"]
    Marker.of(folder).write(folder)
    assert foreign(folder) == []
    (inner / "notes.txt").write_text("mine")
    assert foreign(folder) == ["pairs (changed since)"]
    (inner / "notes.txt").unlink()
    inner.rename(folder / "elsewhere")
    (folder / "pairs").symlink_to("elsewhere")
    assert "pairs (changed since)" in foreign(folder)


def test_what_is_cleared_is_what_is_ours(folder: Path) -> None:
    inner = folder / "pairs"
    inner.mkdir()
    write(inner / "score.tif", image())
    Marker.of(inner).write(inner)
    (folder / "notes.txt").write_text("mine")
    marker = Marker.of(folder, [path.name for path in folder.iterdir() if path.suffix != ".txt"])
    marker.clear(folder)
    assert {path.name for path in folder.iterdir()} == {MARKER, "notes.txt"}
    (folder / "notes.txt").unlink()
    marker.clear(folder)
    assert not folder.exists()
