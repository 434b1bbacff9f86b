"""What never ends is refused before it is read, or given up in time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from faults.cases import Case
from faults.damage_tables import ENDLESS
from faults.good import Good

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
CHECK = ("check", "in/t1.tif", "in/t2.tif", "-q")
PLAN = ("detect", "in/t1.tif", "in/t2.tif", "-o", "out", "-q", "--dry-run")
RUN = ("benchmark", "-o", "out", "-q")
# What is a pipe → the command that reads it, and the kind of the good files around it.
PIPES = {
    "in/t1.tif": (CHECK, "gpkg"),
    "in/t1.tif.aux.xml": (CHECK, "gpkg"),
    "in/t1.tif.msk": (CHECK, "gpkg"),
    "in/t1.tfw": (CHECK, "gpkg"),
    "in/t1.hdr": (("check", "in/t1.img", "in/t2.tif", "-q"), "envi"),
    "in/inner.vrt": (("check", "in/t1.vrt", "in/inner.vrt", "-q"), "vrt"),
    "in/mask.tif": ((*CHECK, "--mask", "in/mask.tif"), "gpkg"),
    "in/mask.gpkg": ((*CHECK, "--mask", "in/mask.gpkg"), "gpkg"),
    "in/aoi.geojson": ((*CHECK, "--aoi", "in/aoi.geojson"), "gpkg"),
    "in/zones.gpkg": ((*PLAN, "--zones", "in/zones.gpkg"), "gpkg"),
    "in/t1.json": (("check", "in/t1.json", "in/t2.json", "-q", "--stac"), "stac"),
    "in/w.npz": (("weights", "import", "vgg16", "in/w.npz"), "weights"),
    "in/w.safetensors": ((*PLAN, "--preset", "paper", "--extractor", "in/w.safetensors"), "gpkg"),
    "in/points.csv": (("evaluate", "out", "--reference", "in/points.csv", "-q"), "csv"),
    "in/truth.tif": (("evaluate", "out", "--reference", "in/truth.tif", "-q"), "result"),
    "out/run.json": (("threshold", "out", "0.4", "-q"), "result"),
    "out/score.tif": (("threshold", "out", "0.4", "-q"), "result"),
    "in/grid.toml": ((*RUN, "plain", "--root", "set", "--grid", "in/grid.toml"), "toml"),
    "sets.toml": ((*RUN, "sets.toml", "--methods", "cva"), "toml"),
    "set/t1/a.tif": ((*RUN, "plain", "--root", "set", "--methods", "cva"), "toml"),
}


def files_of(kind: str, good: list[Good]) -> dict[str, bytes]:
    return next(each for each in good if each.kind == kind).files


@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_is_no_file(name: str, runners, good) -> None:
    arguments, kind = PIPES[name]
    files = {each: content for each, content in files_of(kind, good).items() if each != name}
    case = Case(name=name, files=files, arguments=arguments, damage="a pipe", pipes=(name,))
    verdict = runners[0].run(case)
    assert verdict.code == 3, verdict
    assert not verdict.faults, verdict


@pytest.mark.parametrize("option", ["--aoi", "--mask", "--zones"])
@pytest.mark.parametrize(
    "view",
    [
        f"{ENDLESS} SELECT n AS fid, geom FROM c, spare",
        f"SELECT fid, geom FROM spare WHERE fid < ({ENDLESS} SELECT max(n) FROM c)",
    ],
)
def test_a_view_without_an_end_is_refused(
    option: str, view: str, runners, good, tmp_path: Path
) -> None:
    files = files_of("gpkg", good)
    path = tmp_path / "zones.gpkg"
    path.write_bytes(files["in/zones.gpkg"])
    with closing(sqlite3.connect(path)) as table:
        table.execute("CREATE TABLE spare AS SELECT fid, geom FROM zones")
        table.execute("PRAGMA writable_schema = ON")
        table.execute("DELETE FROM sqlite_master WHERE name = 'zones' OR tbl_name = 'zones'")
        table.execute(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) "
            "VALUES ('view', 'zones', 'zones', 0, ?)",
            (f"CREATE VIEW zones AS {view}",),
        )
        table.commit()
    command = PLAN if option == "--zones" else CHECK
    case = Case(
        name=f"view {option}",
        files=files | {"in/zones.gpkg": path.read_bytes()},
        arguments=(*command, option, "in/zones.gpkg"),
        damage=view,
    )
    verdict = runners[0].run(case)
    assert verdict.code == 3, verdict
    assert not verdict.faults, verdict
    assert "view" in verdict.said


@pytest.mark.parametrize("how", ["image", "source", "item"])
def test_a_server_that_never_answers_is_given_up(how: str, silent: str, runners, good) -> None:
    kind, arguments = {
        "image": ("gpkg", ("check", f"{silent}/a.tif", "in/t2.tif", "-q")),
        "source": ("vrt", ("check", "in/t1.vrt", "in/t2.tif", "-q", "--allow-remote")),
        "item": ("stac", ("check", f"{silent}/a.json", "in/t2.json", "-q", "--stac")),
    }[how]
    files = files_of(kind, good)
    if how == "source":
        text = files["in/t1.vrt"].replace(b">t1.tif<", f">/vsicurl/{silent}/a.tif<".encode())
        files = files | {"in/t1.vrt": text.replace(b'relativeToVRT="1"', b'relativeToVRT="0"')}
    case = Case(
        name=how,
        files=files,
        arguments=arguments,
        damage=silent,
        environment={
            **dict.fromkeys(("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"), ""),
            "GDAL_HTTP_LOW_SPEED_TIME": "2",
            "GDAL_HTTP_TIMEOUT": "4",
        },
    )
    verdict = runners[1].run(case)
    assert verdict.code == 3, verdict
    assert {word for word, _ in verdict.faults} <= {"network"}, verdict
