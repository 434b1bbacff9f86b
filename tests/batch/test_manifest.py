"""The manifest: what people write is understood, or refused with the number of its row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import box

from metriccd.batch.manifest import Grammar, Row, read_manifest
from metriccd.cli.options import READERS, arguments_of
from metriccd.errors import DataError

GRAMMAR = Grammar(readers=READERS, arguments=arguments_of, apart=("max_pixels",))


def rows_of(folder: Path, text: str | bytes, name: str = "pairs.csv", **options) -> list[Row]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    grammar = options.pop("grammar", GRAMMAR)
    return list(read_manifest(path, grammar, items=folder / "items", **options).rows)


def refusal(folder: Path, text: str | bytes, name: str = "pairs.csv", **options) -> str:
    with pytest.raises(DataError) as caught:
        rows_of(folder, text, name, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 600
    return line


def test_a_row_is_a_pair_and_its_options_and_what_is_the_users_own(tmp_path: Path) -> None:
    (row,) = rows_of(
        tmp_path, 'id,t1,t2,min_area,threshold,region\nx,a.tif,/b/b.tif,900,otsu,"here, there"\n'
    )
    assert (row.id, row.number) == ("x", 2)
    assert (row.t1, row.t2) == (str(tmp_path / "a.tif"), "/b/b.tif")
    assert (row.arguments["min_area"], row.arguments["threshold"]) == (900.0, "otsu")
    assert row.carried == {"region": "here, there"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pairs.csv", "\ufefft1,t2,min_pixels\r\na.tif,b.tif,3\r\n\r\n,,\r\n"),
        ("pairs.tsv", "t1\tt2\tmin_pixels\na.tif\tb.tif\t3\n"),
        ("pairs.csv", "t1;t2;min_pixels\na.tif;b.tif;3\n"),
        ("pairs.csv", "T1,T2,--min-pixels\na.tif,b.tif,3"),
        ("pairs.jsonl", '{"t1": "a.tif", "t2": "b.tif", "min_pixels": 3, "x": null}\n\n'),
    ],
)
def test_tables_of_every_kind_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    (row,) = rows_of(tmp_path, text, name)
    assert row.id == "a-b"
    assert row.arguments["min_pixels"] == 3
    assert row.t1 == str(tmp_path / "a.tif")
    assert not row.carried


def test_parquet_with_and_without_geometry_is_a_manifest(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "t1": ["a.tif", "c.tif"],
            "t2": ["b.tif", "d.tif"],
            "seed": [4.0, None],
            "stac": [False, True],
            "place": ["here", None],
        }
    )
    table.to_parquet(tmp_path / "pairs.parquet")
    where = gpd.GeoDataFrame(table, geometry=[box(0, 0, 1, 1)] * 2, crs=4326)
    where.to_parquet(tmp_path / "pairs.geoparquet")
    for name in ("pairs.parquet", "pairs.geoparquet"):
        one, other = read_manifest(tmp_path / name, GRAMMAR, items=tmp_path).rows
        assert (one.arguments["seed"], other.arguments["seed"]) == (4, 0)
        assert (one.arguments["assets"], other.arguments["assets"] is not None) == (None, True)
        assert (one.carried, other.carried) == ({"place": "here"}, {})


def test_options_of_the_command_hold_for_rows_that_do_not_say_otherwise(tmp_path: Path) -> None:
    grammar = Grammar(
        readers=READERS, arguments=arguments_of, defaults={"preset": "fast", "seed": 3}
    )
    text = "id,t1,t2,seed\nx,a.tif,b.tif,\ny,a.tif,b.tif,7\n"
    one, other = rows_of(tmp_path, text, grammar=grammar)
    assert (one.arguments["preset"], one.arguments["seed"]) == ("fast", 3)
    assert (other.arguments["preset"], other.arguments["seed"]) == ("fast", 7)


def test_files_are_relative_to_the_manifest_and_names_of_bands_are_not_files(
    tmp_path: Path,
) -> None:
    for name in ("scl.tif", "own.safetensors"):
        (tmp_path / name).touch()
    text = "t1,t2,mask,aoi,extractor\n"
    text += "a.tif,b.tif,scl.tif:SCL=3;SCL;scl.tif,aoi.gpkg,own.safetensors\n"
    (row,) = rows_of(tmp_path, text)
    here = str(tmp_path)
    assert row.arguments["masks"] == [f"{here}/scl.tif:SCL=3", "SCL", f"{here}/scl.tif"]
    assert row.arguments["aoi"] == f"{here}/aoi.gpkg"
    assert row.arguments["extractor"] == f"{here}/own.safetensors"
    (row,) = rows_of(tmp_path, "t1,t2,extractor\na.tif,b.tif,vgg16\n")
    assert row.arguments["extractor"] == "vgg16"


def test_a_row_names_its_method_and_its_checkpoint_or_lacks_one(tmp_path: Path) -> None:
    head = "id,t1,t2,method,checkpoint\n"
    text = head + "x,a.tif,b.tif,unet,u.safetensors\ny,a.tif,b.tif,irmad,\n"
    one, other = rows_of(tmp_path, text)
    assert one.arguments["checkpoint"] == f"{tmp_path}/u.safetensors"
    assert other.arguments["checkpoint"] is None
    line = refusal(tmp_path, text + "z,a.tif,b.tif,unet,\n")
    assert "row 4: method unet is supervised and needs a checkpoint: got none" in line
    assert "row 2: a checkpoint goes with" in refusal(tmp_path, head + "x,a,b,cva,u.safetensors\n")


@pytest.mark.parametrize("said", [{"method": "unet"}, {"checkpoint": "u.safetensors"}])
def test_the_command_says_one_of_method_and_checkpoint_and_rows_the_other(
    tmp_path: Path, said: dict[str, str]
) -> None:
    assert arguments_of(said, whole=False)["method"] == said.get("method")
    (column,) = {"method", "checkpoint"} - set(said)
    cell = {"method": "unet", "checkpoint": "u.safetensors"}[column]
    grammar = Grammar(readers=READERS, arguments=arguments_of, defaults=said)
    (row,) = rows_of(tmp_path, f"t1,t2,{column}\na.tif,b.tif,{cell}\n", grammar=grammar)
    assert row.arguments["method"] == "unet"
    assert Path(row.arguments["checkpoint"]).name == "u.safetensors"


def test_a_manifest_is_the_same_from_whichever_folder_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep/inner").mkdir(parents=True)
    (tmp_path / "pairs.csv").write_text("t1,t2,mask\na.tif,b.tif,m.tif\n")
    (tmp_path / "link").symlink_to(tmp_path / "deep/inner")
    (tmp_path / "deep/pairs.csv").write_text("t1,t2\nc.tif,d.tif\n")
    monkeypatch.chdir(tmp_path / "deep")
    (row,) = read_manifest(Path("../pairs.csv"), GRAMMAR, items=tmp_path).rows
    assert (row.t1, row.own["masks"]) == (f"{tmp_path}/a.tif", [f"{tmp_path}/m.tif"])
    # That of the folder in which the linked one lies.
    (row,) = read_manifest(tmp_path / "link/../pairs.csv", GRAMMAR, items=tmp_path).rows
    assert Path(row.t1).parent.resolve() == tmp_path / "deep"
    assert Path(row.t1).name == "c.tif"


def test_names_of_what_is_in_a_file_are_relative_to_the_manifest(tmp_path: Path) -> None:
    said = {
        "t1": "vrt://a.tif?bands=1",
        "t2": 'NETCDF:"b.nc":v',
        "mask": ["zip://m.zip!scl.tif:SCL=3", "/vsizip/m.zip/m.tif", "QA_PIXEL=cloud"],
        "aoi": "zip://a.zip!a.shp",
    }
    (row,) = rows_of(tmp_path, json.dumps(said) + "\n", "pairs.jsonl")
    assert row.t1 == f"vrt://{tmp_path}/a.tif?bands=1"
    assert row.t2 == f'NETCDF:"{tmp_path}/b.nc":v'
    masks = [f"zip://{tmp_path}/m.zip!scl.tif:SCL=3", f"/vsizip/{tmp_path}/m.zip/m.tif"]
    assert row.arguments["masks"] == [*masks, "QA_PIXEL=cloud"]
    assert row.arguments["aoi"] == f"zip://{tmp_path}/a.zip!a.shp"


def test_files_of_the_command_are_where_we_are_not_where_workers_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/own.safetensors").touch()
    monkeypatch.chdir(tmp_path / "here")
    said = {"mask": ["m.tif", "scl.tif:SCL", "SCL"], "aoi": "a.gpkg", "zones": "z.gpkg"}

    def told(**more: str) -> dict:
        grammar = Grammar(readers=READERS, arguments=arguments_of, defaults=said | more)
        (row,) = rows_of(tmp_path, "t1,t2\na.tif,b.tif\n", grammar=grammar)
        return row.arguments

    here = str(tmp_path / "here")
    found = told(extractor="own.safetensors")
    assert found["masks"] == [f"{here}/m.tif", f"{here}/scl.tif:SCL", "SCL"]
    assert (found["aoi"], found["zones"]) == (f"{here}/a.gpkg", f"{here}/z.gpkg")
    assert found["extractor"] == f"{here}/own.safetensors"
    assert told(extractor="vgg16")["extractor"] == "vgg16"
    # Whoever types an address means it.
    assert told(aoi="https://host/a.gpkg")["aoi"] == "https://host/a.gpkg"


def test_an_id_that_is_made_is_never_refused(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, f"t1,t2\n{'é' * 40}.tif,{'б' * 50}.tif\n")
    assert len(row.id.encode()) <= 120
    (row,) = rows_of(tmp_path, "t1,t2\nx/aux.tif,y/AUX.tif\n")
    assert row.id == "aux-AUX"
    (row,) = rows_of(tmp_path, "t1,t2\nx/con.tif,y/con.tif\n")
    assert row.id == "pair-con"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t1,t2,min_aera\na,b,1\n", ("row 2", "min_aera", "did you mean min_area")),
        ("t1,t2\na,b\nc,d\na.tif,b.png\n", ("row 4", "id", "a-b", "row 2")),
        ("id,t1,t2\nX,a,b\nx,c,d\n", ("row 3", "row 2")),
        ("id,t1,t2\n../x,a,b\n", ("row 2", "name of a folder")),
        ("id,t1,t2\nCON,a,b\n", ("row 2", "reserved")),
        ("id,t1,t2\n-x,a,b\n", ("row 2", "dash")),
        (f"id,t1,t2\n{'é' * 80},a,b\n", ("row 2", "160 bytes")),
        ("t1,t3\na,b\n", ("row 2", "has no t2, only t1, t3; fill in both images")),
        ("t1,t2\na,\n", ("row 2", "has no t2, only t1; fill in both images")),
        ("t1,t2\na,b,c\n", ("row 2", "3 cells", "2")),
        ('t1,t2\na,"b\n', ("row 2", "quotes")),
        ("t1,t2,seed\na,b,x\n", ("row 2", "seed", "whole number")),
        ("t1,t2,threshold\na,b,otzu\n", ("row 2", "did you mean otsu")),
        ("t1,t2,t1\na,b,c\n", ("row 1", "'t1'")),
        ("t1,t2,min-area,min_area\na,b,1,2\n", ("row 2", "two columns")),
        ("t1,t2\n", ("has none",)),
        ("", ("has none",)),
        (b"t1,t2\na,b\n\xff,c\n", ("row 3", "UTF-8")),
        (b"t1,t2\n" + b"a" * (2 << 20) + b",b\n", ("row 2", "field larger")),
        ("t1,t2\nhttps://host/a.tif?key=1,b\n", ("row 2", "another machine", "--allow-remote")),
        ("t1,t2\na,/vsicurl/http://host/b.tif\n", ("row 2", "another machine")),
        ("t1,t2,mask\na,b,s3://bucket/scl.tif:SCL\n", ("row 2", "another machine")),
        ("t1,t2,offset\na,b,z\n", ("row 2", "--offset must be auto or a finite number: got z")),
        ("t1,t2,max-pixels\na,b,9\n", ("row 2", "'max-pixels' is said on the command line only")),
        ("t1,t2,max_pixel\na,b,9\n", ("row 2", "'max_pixel' is said on the command line only")),
    ],
)
def test_what_is_wrong_is_told_with_its_row(tmp_path: Path, text, words) -> None:
    line = refusal(tmp_path, text)
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"t1": "a"\n', ("row 1", "no JSON")),
        ('{"t1": "a", "t2": "b"}\n[1]\n', ("row 2", "list")),
        ('{"t1": 1, "t2": "b"}\n', ("row 1", "t1 must be a path")),
        ("[" * 100_000, ("row 1", "no JSON")),
        ('{"t1": "a", "t2": "b", "seed": {"x": 1}}\n', ("row 1", "object")),
    ],
)
def test_what_is_wrong_in_json_lines_is_told_with_its_row(tmp_path: Path, text, words) -> None:
    line = refusal(tmp_path, text, "pairs.jsonl")
    for word in words:
        assert word in line


def test_a_manifest_that_is_not_there_or_no_parquet_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must exist"):
        read_manifest(tmp_path / "none.csv", GRAMMAR, items=tmp_path)
    with pytest.raises(DataError, match="No such file"):
        read_manifest(tmp_path / "none.json", GRAMMAR, items=tmp_path)
    assert "must be Parquet" in refusal(tmp_path, "t1,t2\n", "pairs.parquet")


def test_other_machines_are_asked_where_that_is_allowed(tmp_path: Path) -> None:
    text = "t1,t2\nhttps://host/a.tif,/vsizip/x.zip/b.tif\n"
    (row,) = rows_of(tmp_path, text, allow_remote=True)
    assert (row.t1, row.t2) == ("https://host/a.tif", f"/vsizip/{tmp_path}/x.zip/b.tif")


def test_a_column_that_only_resembles_an_option_a_little_is_the_users(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, "t1,t2,region,city,date_taken\na,b,x,y,z\n")
    assert set(row.carried) == {"region", "city", "date_taken"}


# Seconds of this process's own time for 100,000 rows, and bytes a row. Where every call's shapes
# are checked, as in tests, it would take ten times as long.
MEASURE = """
import sys, time, tracemalloc
from pathlib import Path
from metriccd.batch.manifest import Grammar, read_manifest
path, few = (Path(name) for name in sys.argv[1:])
grammar = Grammar(readers={"seed": int}, arguments=dict)
start = time.process_time()
rows = len(read_manifest(path, grammar, items=path.parent).rows)
seconds = time.process_time() - start
tracemalloc.start()
kept = read_manifest(few, grammar, items=path.parent)
size, peak = tracemalloc.get_traced_memory()
print(rows, seconds, size / len(kept.rows), peak / size)
"""


def test_a_hundred_thousand_rows_take_seconds_and_little_memory(tmp_path: Path) -> None:
    path, few = tmp_path / "pairs.csv", tmp_path / "few.csv"
    lines = [f"pair{n},t1/{n}.tif,t2/{n}.tif,{n % 7},r{n}\n" for n in range(100_000)]
    for file, count in ((path, 100_000), (few, 10_000)):
        file.write_text("id,t1,t2,seed,region\n" + "".join(lines[:count]))
    command = [sys.executable, "-c", MEASURE, str(path), str(few)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows, seconds, size, peak = (float(word) for word in told.split())
    assert rows == 100_000
    # It is less than two where nothing else runs.
    assert seconds < 5
    assert size < 1500
    assert peak < 1.5


def test_json_rows_may_hold_lists(tmp_path: Path) -> None:
    text = json.dumps({"t1": "a", "t2": "b", "bands": [3, 2, 1], "mask": ["SCL", "UDM2"]})
    (row,) = rows_of(tmp_path, text, "pairs.jsonl")
    assert row.arguments["bands"] == ["3", "2", "1"]
    assert row.arguments["masks"] == ["SCL", "UDM2"]


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.json"])
def test_a_pipe_is_no_manifest_and_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="named pipe"):
        read_manifest(tmp_path / name, GRAMMAR, items=tmp_path / "items", allow_remote=True)


def test_what_a_table_cannot_hold_is_carried_as_text(tmp_path: Path) -> None:
    text = '{"t1": "a.tif", "t2": "b.tif", "big": 99999999999999999999, "half": "\\ud800", "n": 3}'
    (row,) = rows_of(tmp_path, text, "pairs.jsonl")
    assert row.carried == {"big": "99999999999999999999", "half": "\\ud800", "n": 3}
    half = '{"id": "x", "t1": "a\\ud800.tif", "t2": "b.tif"}'
    assert "row 1: a name must be UTF-8" in refusal(tmp_path, half, "pairs.jsonl")
