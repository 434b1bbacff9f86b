"""The command line: exit codes, one line, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from rio_cogeo import cog_validate

from metriccd.cli import main
from metriccd.cli.program import SPINS
from metriccd.cli.progress import show_progress
from metriccd.demo.synthetic import land_scene
from metriccd.kinds import KINDS
from raster_files import FILES, TRANSFORM, image, write

# Where the preset is not the point.
FAST = ("--preset", "fast")


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    """An empty working folder with a pair of images in a folder of their own."""
    scene = land_scene(128, 128, seed=2)
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/t1.tif", scene.t1)
    write(tmp_path / "in/t2.tif", scene.t2)
    write(tmp_path / "in/truth.tif", scene.reference[None].astype(np.uint8))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def run(*arguments: object, capsys) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.usefixtures("here")
def test_detect_writes_a_result_and_says_where_to_look(capsys) -> None:
    code, out, err = run("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", capsys=capsys)
    assert code == 0
    assert {path.name for path in Path("out").iterdir()} == FILES
    assert "% changed" in out
    assert "label-free" in out
    assert "may be as good" in out
    assert "out/report.html" in out
    assert "predicting each date from the other" in err
    assert "measuring change" in err


@pytest.mark.usefixtures("here")
def test_json_is_one_object_on_stdout(capsys) -> None:
    code, out, _ = run(
        *("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", "--json"), *FAST, capsys=capsys
    )
    content = json.loads(out)
    assert code == 0
    assert content["out"] == "out"
    assert content["rule"] == "consensus"
    assert 0 < content["changed_share"] < 1
    assert content["area_m2"] == pytest.approx(100 * content["changed_pixels"], rel=1e-3)


@pytest.mark.usefixtures("here")
def test_quiet_prints_nothing(capsys) -> None:
    result = run("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", "-q", *FAST, capsys=capsys)
    assert result == (0, "", "")


@pytest.mark.usefixtures("here")
def test_evaluate_adds_figures_to_the_result(capsys) -> None:
    run("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", "-q", *FAST, capsys=capsys)
    code, out, _ = run("evaluate", "out", "--reference", "../in/truth.tif", "--json", capsys=capsys)
    content = json.loads(out)
    assert code == 0
    assert content["scores"]["auc"] > 0.7
    assert content["basis"]["best_f1"] == "oracle"
    assert content["basis"]["f1"] == "label-free"
    assert content["intervals"]["f1"][0] <= content["scores"]["f1"] <= content["intervals"]["f1"][1]
    assert {each["iou"] for each in content["objects"]} == {0.1, 0.5}
    assert content["warnings"] == []
    _, words, _ = run("evaluate", "out", "--reference", "../in/truth.tif", capsys=capsys)
    (touched, _) = content["objects"]
    assert f"{touched['found']} of {touched['reference']} found" in words
    report = Path("out/report.html").read_text()
    assert "Against the reference" in report
    assert "object F1, IoU above 0.1" in report
    added = {path.name for path in Path("out").iterdir()} - FILES
    assert added == {"evaluation.json", "errors.png", "curves.png"}


@pytest.mark.parametrize(("value", "words"), [(1, "change only"), (0, "no change")])
def test_a_reference_of_one_class_is_said_to_be_one(here: Path, value: int, words, capsys) -> None:
    run("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", "-q", *FAST, capsys=capsys)
    write(here / "in/one.tif", np.full((1, 128, 128), value, np.uint8))
    asked = ("evaluate", "out", "--reference", "../in/one.tif")
    _, out, _ = run(*asked, "--json", capsys=capsys)
    (warning,) = json.loads(out)["warnings"]
    assert words in warning
    assert json.loads(Path("out/evaluation.json").read_text())["warnings"] == [warning]
    _, out, err = run(*asked, capsys=capsys)
    assert f"warning: {warning}" in err
    assert "nan" not in out


COMPARE = ("compare", "../in/t1.tif", "../in/t2.tif", "--reference", "../in/truth.tif")


@pytest.mark.usefixtures("here")
def test_compare_writes_and_prints_a_row_for_each_method_and_rule(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    chosen = ("--methods", "irmad_toolbox,cva", "--thresholds", "otsu,kmeans", "-o", "out")
    code, out, err = run(*COMPARE, *chosen, capsys=capsys)
    assert code == 0
    names = {
        ".metriccd",
        "table.csv",
        "table.json",
        "table.md",
        "curves.png",
        "panel.png",
        "run.json",
    }
    assert {path.name for path in Path("out").iterdir()} == names
    words = ("irmad_toolbox", "cva", "otsu", "kmeans")
    assert [out.count(word) for word in words] == [2, 2, 2, 2]
    assert "…" not in out
    assert "best F1: oracle" in " ".join(out.split())
    assert "out/panel.png" in out
    assert "irmad" in err


@pytest.mark.usefixtures("here")
def test_compare_in_json_is_the_table(capsys) -> None:
    chosen = ("--methods", "cva", "--thresholds", "rosin", "-o", "out", "--json")
    code, out, _ = run(*COMPARE, *chosen, capsys=capsys)
    content = json.loads(out)
    assert code == 0
    assert content["rows"] == json.loads(Path("out/table.json").read_text())["rows"]
    assert [(row["method"], row["rule"]) for row in content["rows"]] == [("cva", "rosin")]
    assert content["basis"]["best_f1"] == "oracle"


@pytest.mark.parametrize(
    "wrong",
    [
        ["--methods", "magic"],
        ["--thresholds", "guess"],
        ["--palette", "rainbow"],
        ["--reference", "../in/t1.tif", "--reference", "../in/t2.tif"],
    ],
)
def test_compare_with_wrong_usage_is_code_2_and_nothing_left(here: Path, wrong, capsys) -> None:
    code, _, err = run(*COMPARE, *wrong, "-o", "out", capsys=capsys)
    assert code == 2
    assert "Traceback" not in err
    assert list((here / "work").iterdir()) == []


def test_compare_with_an_ambiguous_reference_is_code_3_and_nothing_left(here, capsys) -> None:
    pair = ("compare", "../in/t1.tif", "../in/t2.tif", "--reference", "../in/t1.tif")
    code, _, err = run(*pair, "--methods", "cva", "-o", "out", "-q", capsys=capsys)
    assert (code, err.count("\n")) == (3, 1)
    assert list((here / "work").iterdir()) == []


@pytest.fixture
def dataset(here: Path) -> Path:
    """A plain data set of two pairs."""
    for seed, name in enumerate(("one", "two")):
        scene = land_scene(64, 64, seed=seed)
        reference = scene.reference[None].astype(np.uint8)
        for part, pixels in (("t1", scene.t1), ("t2", scene.t2), ("reference", reference)):
            (here / "set" / part).mkdir(parents=True, exist_ok=True)
            write(here / "set" / part / f"{name}.tif", pixels)
    return here / "set"


BENCHMARK = ("benchmark", "plain", "--root", "../set")


@pytest.mark.usefixtures("dataset")
def test_benchmark_writes_tables_and_prints_the_means(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    chosen = ("--methods", "irmad_toolbox,default,deep_cva", "-o", "out")
    code, out, err = run(*BENCHMARK, *chosen, capsys=capsys)
    assert code == 0
    names = {
        ".metriccd",
        ".lock",
        "table.csv",
        "table.json",
        "table.md",
        "curves.png",
        "run.json",
        "journal",
    }
    assert {path.name for path in Path("out").iterdir()} == names
    assert [out.count(word) for word in ("irmad_toolbox", "default", "Means over 2 pairs")] == [
        1
    ] * 3
    assert "…" not in out
    assert "best F1: oracle" in " ".join(out.split())
    assert "out/table.md" in out
    assert "running methods" in err


@pytest.mark.usefixtures("dataset")
def test_benchmark_in_json_is_the_table_and_quiet_is_quiet(capsys) -> None:
    chosen = ("--methods", "cva", "--thresholds", "rosin,otsu", "-o", "out")
    code, out, _ = run(*BENCHMARK, *chosen, "--json", capsys=capsys)
    content = json.loads(out)
    assert code == 0
    assert content["rows"] == json.loads(Path("out/table.json").read_text())["rows"]
    assert {(row["method"], row["rule"]) for row in content["rows"]} == {
        ("cva", "rosin"),
        ("cva", "otsu"),
    }
    assert content["basis"]["best_f1"] == "oracle"
    assert run(*BENCHMARK, *chosen, "--quiet", capsys=capsys) == (0, "", "")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--methods", "magic"],
        ["--thresholds", "guess"],
        ["--split", "test"],
        ["--device", "mps"],
        ["--seed", "-1"],
    ],
)
@pytest.mark.usefixtures("dataset")
def test_benchmark_with_wrong_usage_is_code_2_and_nothing_left(here, wrong, capsys) -> None:
    code, _, err = run(*BENCHMARK, *wrong, "-o", "out", capsys=capsys)
    assert code == 2
    assert "Traceback" not in err
    assert list((here / "work").iterdir()) == []


def test_an_unknown_data_set_is_code_2(here: Path, capsys) -> None:
    assert run("benchmark", "levir", "--root", here, "-o", "out", capsys=capsys)[0] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ["--root", "../in"],
        ["--grid", "table9"],
        ["--grid", "../in/t1.tif"],
        ["--methods", "closed_form", "--extractor", "no.npz"],
        ["--bands", "9", "--methods", "cva"],
    ],
)
@pytest.mark.usefixtures("dataset")
def test_benchmark_with_wrong_files_is_code_3_one_line_and_nothing_left(
    here, wrong, capsys
) -> None:
    code, out, err = run(*BENCHMARK, *wrong, "-o", "out", "-q", capsys=capsys)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert err.startswith("error: ")
    assert list((here / "work").iterdir()) == []


@pytest.mark.usefixtures("dataset")
def test_an_interrupted_benchmark_is_code_130_and_the_same_command_goes_on(capsys) -> None:
    Path("grid.toml").write_text('[[rows]]\nname = "long"\nmethod = "metric"\nsteps = 100000\n')
    chosen = [*BENCHMARK, "--methods", "cva,irmad", "-o", "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "metriccd", *chosen, "--grid", "grid.toml"],
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        for _ in range(600):
            if len(list(Path().glob("out/journal/*/*.json"))) == 2:
                break
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "2 runs are kept in out; the same command goes on" in err
    assert "Traceback" not in err
    assert {path.name for path in Path("out").iterdir()} == {"journal", ".lock"}
    kept = {path: path.read_bytes() for path in Path().glob("out/journal/*/*.json")}
    assert run(*chosen, "-q", capsys=capsys)[0] == 0
    assert len(list(Path().glob("out/journal/*/*.json"))) == 4
    assert all(path.read_bytes() == content for path, content in kept.items())


@pytest.mark.usefixtures("here")
def test_a_result_is_replaced_only_when_asked(capsys) -> None:
    pair = ("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", "-q", *FAST)
    assert run(*pair, capsys=capsys)[0] == 0
    before = Path("out/run.json").read_bytes()
    code, _, err = run(*pair, capsys=capsys)
    assert (code, err.count("\n")) == (3, 1)
    assert "--overwrite" in err
    assert Path("out/run.json").read_bytes() == before
    assert run(*pair, "--overwrite", capsys=capsys)[0] == 0
    assert Path("out/run.json").read_bytes() != before


BAD_INPUT = {
    "missing file": "no.tif",
    "not a raster": "text.tif",
    "truncated": "cut.tif",
    "no overlap": "far.tif",
    "band count mismatch": "two.tif",
    "t1 = t2": "t1.tif",
    "one valid pixel": "one.tif",
    "all nodata": "zero.tif",
    "constant image": "flat.tif",
    "NaN only": "nan.tif",
    "infinite only": "inf.tif",
    "no CRS on one side": "bare.tif",
}


@pytest.fixture
def bad(here: Path) -> Path:
    folder, blank = here / "in", np.zeros((4, 128, 128), np.uint16)
    single = blank.copy()
    single[:, 5, 5] = 9
    write(folder / "far.tif", blank + 5, transform=TRANSFORM @ Affine.translation(5000, 0))
    write(folder / "two.tif", image(1, 2, 128, 128))
    write(folder / "one.tif", single)
    write(folder / "zero.tif", blank)
    write(folder / "flat.tif", blank + 7)
    write(folder / "nan.tif", np.full(blank.shape, np.nan, np.float32))
    write(folder / "inf.tif", np.full(blank.shape, np.inf, np.float32))
    write(folder / "bare.tif", image(1, 4, 128, 128), crs=None, transform=Affine.identity())
    (folder / "text.tif").write_text("not a raster")
    whole = (folder / "t2.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_code_3_one_line_and_nothing_left(here: Path, bad: Path, case, capsys) -> None:
    code, out, err = run(
        "detect", bad / "t1.tif", bad / BAD_INPUT[case], "-o", "deep/out", "-q", capsys=capsys
    )
    assert code == 3
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert list((here / "work").rglob("*")) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_some_values_that_are_no_numbers_are_only_left_out(bad, value, capsys) -> None:
    with rasterio.open(bad / "t2.tif") as dataset:
        pixels = dataset.read().astype(np.float32)
    pixels[1, 10:20, 30:40] = value
    write(bad / "some.tif", pixels)
    some = ("detect", bad / "t1.tif", bad / "some.tif")
    assert run(*some, "-o", "out", "-q", *FAST, capsys=capsys)[0] == 0
    with rasterio.open("out/score.tif") as dataset:
        assert np.isnan(dataset.read(1)).sum() == 100


@pytest.mark.parametrize("out", ["/proc/metriccd/out", "../in/t1.tif", "../in/t1.tif/out"])
@pytest.mark.usefixtures("here")
def test_an_unwritable_out_is_code_3(out: str, capsys) -> None:
    code, _, err = run("detect", "../in/t1.tif", "../in/t2.tif", "-o", out, "-q", capsys=capsys)
    assert (code, err.count("\n")) == (3, 1)
    assert rasterio.open("../in/t1.tif").shape == (128, 128)


@pytest.mark.parametrize("group", [[], ["weights"]])
def test_no_command_is_code_2_and_one_line_under_the_help(group: list[str], capsys) -> None:
    assert main(group) == 2
    assert capsys.readouterr().err.startswith("error: a command must be named; see ")


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--preset", "best"],
        ["--method", "magic"],
        ["--threshold", "guess"],
        ["--threshold", "7"],
        ["--threshold", "chi2"],
        ["--min-area", "-1"],
        ["--device", "abacus"],
        ["--device", "mps"],
        ["--seed", "-1"],
        ["--no-such-option"],
        ["--preset", "paper", "--method", "irmad"],
        ["--connectivity", "6"],
        ["--vector", "shp"],
        ["--simplify", "far"],
    ],
)
def test_wrong_usage_is_code_2_and_nothing_left(here: Path, wrong: list[str], capsys) -> None:
    out = ["-o", "out"] if wrong else []
    code, _, err = run("detect", "../in/t1.tif", "../in/t2.tif", *out, *wrong, capsys=capsys)
    assert code == 2
    assert err
    assert "Traceback" not in err
    assert list((here / "work").iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        "detect",
        "threshold",
        "evaluate",
        "compare",
        "benchmark",
        "demo",
        "methods",
        "weights list",
        "weights fetch",
        "weights import",
        "batch",
        "series",
    ],
)
def test_help_has_an_example_and_shows_no_value_of_flags(command: str, capsys) -> None:
    code, out, _ = run(*command.split(), "--help", capsys=capsys)
    assert code == 0
    assert "<bool>" not in out
    assert f"Example: metriccd {command.split(maxsplit=1)[0]}" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_is_code_130_and_nothing_left(here: Path, number) -> None:
    # Large enough that it is not done before the signal comes.
    scene = land_scene(448, 448, seed=2)
    write(here / "in/t1.tif", scene.t1)
    write(here / "in/t2.tif", scene.t2)
    command = [sys.executable, "-m", "metriccd", "detect", "../in/t1.tif", "../in/t2.tif"]
    slow = ["--method", "metric", "--extractor", "embedded", "-o", "out"]
    # A shell in the background starts its jobs with SIGINT ignored; a terminal does not.
    process = subprocess.Popen(
        [*command, *slow],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509  # one thread
    )
    with process:
        for _ in range(600):
            if any(Path().glob(".out-*")):
                break
            time.sleep(0.1)
        time.sleep(3)
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert list((here / "work").iterdir()) == []


def test_paper_without_its_weights_says_how_to_get_them(here: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("METRICCD_WEIGHTS", str(here))
    code, _, err = run(
        "detect",
        "../in/t1.tif",
        "../in/t2.tif",
        "--preset",
        "paper",
        "-o",
        "out",
        "-q",
        capsys=capsys,
    )
    assert code == 3
    assert "metriccd weights" in err
    assert list((here / "work").iterdir()) == []


@pytest.mark.usefixtures("here")
def test_demo_runs_the_main_job_and_evaluates_it(capsys) -> None:
    code, out, _ = run("demo", "--size", "160", capsys=capsys)
    assert code == 0
    expected = {"before.tif", "after.tif", "reference.tif"}
    expected |= FILES | {"evaluation.json", "errors.png", "curves.png"}
    assert {path.name for path in Path("demo").iterdir()} == expected
    assert out.strip().splitlines()[-1].startswith("Open demo/report.html")
    assert json.loads(Path("demo/evaluation.json").read_text())["scores"]["auc"] > 0.8
    assert "oracle" in Path("demo/report.html").read_text()
    inputs = json.loads(Path("demo/run.json").read_text())["inputs"]
    assert all(Path(inputs[date]["files"][0]["path"]).is_file() for date in ("t1", "t2"))
    assert Path(json.loads(Path("demo/evaluation.json").read_text())["reference"][0]).is_file()


REAL = {
    "Sentinel-2 red, green, blue": ("oscd/pisa/imgs_1", "oscd/pisa/imgs_2", "4,3,2"),
    "Sentinel-2 with near infrared": ("oscd/pisa/imgs_1", "oscd/pisa/imgs_2", "4,3,2,8"),
    "ENVI": ("landsat/taizhou/2000TM", "landsat/taizhou/2003TM", None),
    "Landsat GeoTIFF": ("landsat/LS20010525.tif", "landsat/LS20010626.tif", None),
    "PNG": ("oscd/beirut/pair/img1.png", "oscd/beirut/pair/img2.png", None),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", REAL)
def test_real_pairs_give_valid_products_on_t1s_grid(data, tmp_path, monkeypatch, case, capsys):
    monkeypatch.chdir(tmp_path)
    one, other, bands = REAL[case]
    chosen = [] if bands is None else ["--bands", bands]
    code, _, _ = run("detect", data / one, data / other, *chosen, "-o", "out", capsys=capsys)
    assert code == 0
    source = next((data / one).glob("*_B04.tif")) if bands else data / one
    with rasterio.open(source) as expected:
        for name in ("score.tif", "change.tif"):
            assert cog_validate(f"out/{name}", strict=True)[0]
            with rasterio.open(f"out/{name}") as found:
                assert found.crs == expected.crs
                assert found.transform == expected.transform
                assert found.shape == expected.shape
    polygons = gpd.read_file("out/change.gpkg", layer="change")
    assert len(polygons) > 0
    assert Path("out/report.html").stat().st_size < 5_000_000


@pytest.mark.parametrize(("set_by_user", "expected"), [(None, SPINS), ("7", "7")])
def test_threads_wait_asleep_unless_the_user_wants_otherwise(
    set_by_user: str | None, expected: str, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", set_by_user or "")
    if set_by_user is None:
        monkeypatch.delenv("GOMP_SPINCOUNT")
    assert main(["weights", "list"]) == 0
    assert "embedded" in capsys.readouterr().out
    assert os.environ["GOMP_SPINCOUNT"] == expected


@pytest.mark.usefixtures("here")
def test_threshold_decides_again_in_place(capsys) -> None:
    run("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", "-q", *FAST, capsys=capsys)
    score = Path("out/score.tif").read_bytes()
    code, out, err = run("threshold", "out", "0.3", "--fill-holes", "20", "--json", capsys=capsys)
    content = json.loads(out)
    assert (code, content["threshold"], content["rule"]) == (0, 0.3, "fixed")
    assert err.splitlines()[0] == "deciding again"
    assert Path("out/score.tif").read_bytes() == score
    settings = json.loads(Path("out/run.json").read_text())["settings"]
    assert settings["fill_holes"] == 20
    # What is not asked for stays.
    assert run("threshold", "out", "otsu", "-q", capsys=capsys) == (0, "", "")
    record = json.loads(Path("out/run.json").read_text())
    assert record["settings"]["fill_holes"] == 20
    assert record["threshold"]["rule"] == "otsu"
    for asked, kept in (("9", 9), ("auto", None)):
        assert run("threshold", "out", "otsu", "-q", "--min-pixels", asked, capsys=capsys)[0] == 0
        assert json.loads(Path("out/run.json").read_text())["cleaning"]["min_pixels"] == kept


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        (["out", "ostu"], 2, "did you mean otsu?"),
        (["out", "7"], 2, "must lie in"),
        (["out", "auto", "--min-pixels", "few"], 2, "whole number from 0, or auto: got few"),
        (["out", "adaptive"], 3, "detect again with --threshold adaptive"),
        (["../in", "0.3"], 3, "must hold run.json"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_threshold_that_cannot_be_is_said_and_changes_nothing(wrong, code, words, capsys) -> None:
    run("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", "-q", *FAST, capsys=capsys)
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    found, _, err = run("threshold", *wrong, "-q", capsys=capsys)
    assert found == code
    assert words in " ".join(err.replace("│", " ").split())
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before


def test_the_version_is_that_of_the_package(capsys) -> None:
    from importlib.metadata import version

    assert run("--version", capsys=capsys) == (0, f"metriccd {version('metriccd')}\n", "")
    assert run("-h", capsys=capsys)[0] == 0


def test_methods_lists_every_method_preset_and_rule(monkeypatch, capsys) -> None:
    import metriccd as mcd

    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run("methods", capsys=capsys)
    assert code == 0
    for name in (*mcd.METHODS, *mcd.PRESETS, "otsu", "chi2", "adaptive"):
        assert name in out
    code, out, _ = run("methods", "--json", capsys=capsys)
    content = json.loads(out)
    assert [row["method"] for row in content["methods"]] == list(mcd.METHODS)
    assert [row["preset"] for row in content["presets"]] == list(mcd.PRESETS)


@pytest.mark.parametrize(
    ("option", "value", "meant"),
    [
        ("--method", "irmaad", "irmad"),
        ("--preset", "fats", "fast"),
        ("--threshold", "ostu", "otsu"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_name_that_is_nearly_right_is_guessed(option, value, meant, capsys) -> None:
    pair = ("../in/t1.tif", "../in/t2.tif", "-o", "out")
    _, _, err = run("detect", *pair, option, value, capsys=capsys)
    assert f"did you mean {meant}?" in " ".join(err.replace("│", " ").split())


@pytest.mark.usefixtures("here")
def test_a_dry_run_checks_everything_and_writes_nothing(capsys) -> None:
    pair = ("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", "--dry-run")
    code, out, _ = run(*pair, "--method", "irmad", capsys=capsys)
    assert code == 0
    assert "128 rows × 128 columns" in out
    assert "auto (otsu)" in out
    assert "cost: not known of this method" in out
    assert "Nothing was written" in out
    assert re.search(r"cost: about \d+ s here, \d\.\d GiB \(fits\)", run(*pair, capsys=capsys)[1])
    assert list(Path().iterdir()) == []
    code, _, err = run(*pair, "--zones", "none.gpkg", capsys=capsys)
    assert (code, err.count("\n")) == (3, 1)


@pytest.mark.usefixtures("here")
def test_a_log_file_has_a_dated_line_for_each_stage(capsys) -> None:
    pair = ("detect", "../in/t1.tif", "../in/t2.tif", "-o", "out", *FAST)
    assert run(*pair, "--log-file", "log.txt", "-q", capsys=capsys) == (0, "", "")
    lines = Path("log.txt").read_text().splitlines()
    assert len(lines) > 10
    assert lines[0].endswith("looking at parts of both dates")
    assert all(line[:2] == "20" for line in lines)
    code, _, err = run(*pair, "--overwrite", "-v", capsys=capsys)
    assert code == 0
    assert any("measuring change: done in" in line for line in err.splitlines())
    code, _, err = run(*pair, "--overwrite", "--log-file", "no/log.txt", capsys=capsys)
    assert (code, err.count("\n")) == (3, 1)


def test_a_long_fit_is_announced_in_words(capsys) -> None:
    with show_progress(False) as progress:
        progress("expect", 1260, 10_240)
    assert capsys.readouterr().err == "this takes about 21 min here and 10.0 GiB of memory\n"


@pytest.mark.usefixtures("here")
def test_resuming_is_said_in_words(capsys) -> None:
    from metriccd.detection import detect_into

    def stop(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("kinds", 0):
            raise KeyboardInterrupt

    pair = ("../in/t1.tif", "../in/t2.tif")
    with pytest.raises(KeyboardInterrupt):
        detect_into("out", *pair, preset="fast", device="cpu", progress=stop)
    code, _, err = run("detect", *pair, "-o", "out", *FAST, capsys=capsys)
    assert code == 0
    assert "resuming: the fit and 1 of 1 tiles of the interrupted run are kept" in err
    assert "predicting each date from the other" not in err


@pytest.mark.usefixtures("here")
def test_kinds_that_were_left_out_are_no_change(capsys) -> None:
    pair = ("../in/t1.tif", "../in/t2.tif", "-q", "--min-pixels", "1", *FAST)
    assert run("detect", *pair, "-o", "all", capsys=capsys)[0] == 0
    assert run("detect", *pair, "-o", "some", "--kinds", "!built", capsys=capsys)[0] == 0
    layers = {}
    for out in ("all", "some"):
        for name in ("change", "kind", "score"):
            with rasterio.open(Path(out) / f"{name}.tif") as dataset:
                layers[out, name] = dataset.read(1)
    built = layers["all", "kind"] == KINDS["built"].value
    np.testing.assert_array_equal(
        layers["some", "change"], np.where(built, 0, layers["all", "change"])
    )
    np.testing.assert_array_equal(layers["some", "score"], layers["all", "score"])
    assert run("detect", *pair, "-o", "no", "--kinds", "town", capsys=capsys)[0] == 2
    record = json.loads(Path("some/run.json").read_text())
    assert record["settings"]["kinds"] == ["!built"]


def test_check_and_dry_run_say_what_detect_would_refuse(here: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("METRICCD_WEIGHTS", str(here))
    same = ("../in/t1.tif", "../in/t1.tif")
    code, out, _ = run("check", *same, capsys=capsys)
    assert code == 0
    assert "warning: detect refuses this pair: t1 and t2 must differ" in out
    code, _, err = run("detect", *same, "-o", "out", "--dry-run", capsys=capsys)
    assert (code, "must differ" in err) == (3, True)
    pair = ("../in/t1.tif", "../in/t2.tif")
    paper = ("-o", "out", "--preset", "paper", "--dry-run")
    code, _, err = run("detect", *pair, *paper, capsys=capsys)
    assert (code, "weights fetch" in err) == (3, True)
