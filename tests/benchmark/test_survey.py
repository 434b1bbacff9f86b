"""A survey of sets: figures worked out by hand from the maps that decide them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from skimage.morphology import remove_small_objects
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from metriccd.benchmark import benchmark_sets, choose_entries, read_sets
from metriccd.decision.cleaning import beyond_chance
from metriccd.demo.synthetic import land_scene
from metriccd.errors import DataError, OutputError
from metriccd.methods import METHODS
from raster_files import write

SETS = "".join(
    f'[[sets]]\nname = "{name}"\ndataset = "plain"\nroot = "{name}"\n' for name in ("one", "two")
)


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    """Two sets; the first has a pair whose reference holds no change."""
    root = tmp_path_factory.mktemp("sets")
    for seed, (name, pair) in enumerate((("one", "a"), ("one", "still"), ("two", "b"))):
        scene = land_scene(96, 96, seed=seed)
        for folder, pixels in (
            ("t1", scene.t1),
            ("t2", scene.t2),
            ("reference", scene.reference[None] * np.uint8(pair != "still")),
        ):
            (root / name / folder).mkdir(parents=True, exist_ok=True)
            write(root / name / folder / f"{pair}.tif", pixels.astype(np.uint16))
    (root / "sets.toml").write_text(SETS)
    return root / "sets.toml"


def sieved(change: np.ndarray) -> np.ndarray:
    least = beyond_chance(change.size, int(change.sum()))
    return remove_small_objects(change, max_size=least - 1)


def test_figures_are_those_of_the_maps(sets: Path, tmp_path: Path) -> None:
    survey = benchmark_sets(read_sets(sets), choose_entries(["cva"]), tmp_path / "out")
    rows = {row["set"]: row for row in survey.rows()}
    scene, still = land_scene(96, 96, seed=0), land_scene(96, 96, seed=1)
    image = METHODS["cva"](scene.t1, scene.t2).image
    level = json.loads((tmp_path / "out/one/table.json").read_text())["rows"][0]["threshold"]
    said, true = sieved(image > level), scene.reference
    row = rows["one"]
    assert row["pairs"] == 2
    assert row["auc"] == pytest.approx(roc_auc_score(true.ravel(), image.ravel()), abs=1e-4)
    assert row["ap"] == pytest.approx(
        average_precision_score(true.ravel(), image.ravel()), abs=1e-3
    )
    assert row["f1"] == pytest.approx(f1_score(true.ravel(), said.ravel()))
    assert row["f1_ratio"] == pytest.approx(row["f1"] / row["best_f1"])
    assert row["share_true"] == pytest.approx(true.mean())
    assert row["share_said"] == pytest.approx(said.mean())
    factor = said.mean() / true.mean()
    assert row["share_error"] == pytest.approx(max(factor, 1 / factor))
    still_level = json.loads((tmp_path / "out/one/table.json").read_text())["rows"][1]["threshold"]
    alarms = sieved(METHODS["cva"](still.t1, still.t2).image > still_level)
    assert row["false_alarms"] == pytest.approx(alarms.mean())
    pooled = 2 * (said & true).sum() / (said.sum() + true.sum() + alarms.sum())
    assert row["pooled_f1"] == pytest.approx(pooled)
    assert rows["two"]["false_alarms"] is None


def test_the_last_rows_are_means_over_sets_and_the_worst_of_each_figure(
    sets: Path, tmp_path: Path
) -> None:
    survey = benchmark_sets(read_sets(sets), choose_entries(["cva", "irmad"]), tmp_path / "out")
    rows = list(survey.rows())
    assert [row["set"] for row in rows[4:]] == ["mean of sets", "worst set"] * 2
    one, two = (row for row in rows[:4] if row["method"] == "irmad")
    mean, worst = rows[6:]
    assert mean["f1"] == pytest.approx((one["f1"] + two["f1"]) / 2)
    assert worst["f1"] == min(one["f1"], two["f1"])
    assert worst["share_error"] == max(one["share_error"], two["share_error"])
    with (tmp_path / "out/sets.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == len(rows)
    assert math.isclose(float(table[0]["auc (threshold-free)"]), rows[0]["auc"])
    assert "best F1" in (tmp_path / "out/sets.md").read_text()


def test_methods_that_know_directions_run_in_each(sets: Path, tmp_path: Path) -> None:
    text = sets.read_text().replace('root = "two"', 'root = "two"\ndirections = ["appeared"]')
    (sets.parent / "directed.toml").write_text(text)
    found = read_sets(sets.parent / "directed.toml")[1:]
    survey = benchmark_sets(found, choose_entries(["cva", "fast"]), tmp_path / "out")
    assert [row["method"] for row in survey.rows()] == ["cva", "fast, appeared"]


def test_a_survey_goes_on_where_it_was(sets: Path, tmp_path: Path, monkeypatch) -> None:
    benchmark_sets(read_sets(sets), choose_entries(["cva"]), tmp_path / "out")
    before = (tmp_path / "out/sets.csv").read_bytes()
    monkeypatch.setitem(METHODS, "cva", None)
    benchmark_sets(read_sets(sets), choose_entries(["cva"]), tmp_path / "out")
    assert (tmp_path / "out/sets.csv").read_bytes() == before


def test_one_benchmark_at_a_time_writes_a_folder(sets: Path, tmp_path: Path) -> None:
    entries, refused = choose_entries(["cva"]), []

    def rival(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("runs", 1):
            # Of other sets, too.
            with pytest.raises(OutputError, match="one benchmark at a time") as caught:
                benchmark_sets(read_sets(sets)[:1], entries, tmp_path / "out")
            refused.append(caught)

    benchmark_sets(read_sets(sets), entries, tmp_path / "out", progress=rival)
    assert refused


def test_a_folder_of_something_else_is_left_alone(sets: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="is neither"):
        benchmark_sets(read_sets(sets), choose_entries(["cva"]), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_a_reference_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = tmp_path / "one"
    for folder in ("t1", "t2", "reference"):
        (root / folder).mkdir(parents=True)
    scene = land_scene(64, 64, seed=0)
    write(root / "t1/a.tif", scene.t1)
    write(root / "t2/a.tif", scene.t2)
    write(root / "reference/a.tif", np.full((1, 64, 64), 7, np.uint8))
    (tmp_path / "sets.toml").write_text(SETS[: len(SETS) // 2])
    with pytest.raises(DataError, match=r"reference.a\.tif.*got 7"):
        benchmark_sets(read_sets(tmp_path / "sets.toml"), choose_entries(["cva"]), tmp_path / "out")
