"""Benchmark: figures agree with outside oracles, and the journal loses and repeats nothing."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    cohen_kappa_score,
    f1_score,
    recall_score,
    roc_auc_score,
)

from metriccd import METHODS, PRESETS, detect, evaluate
from metriccd.accuracy.metrics import Scores
from metriccd.benchmark.ablation import preset_of
from metriccd.benchmark.datasets import find_pairs
from metriccd.benchmark.journal import kept
from metriccd.benchmark.leaderboard import Leaderboard
from metriccd.benchmark.run import benchmark, choose_entries
from metriccd.benchmark.tables import BASIS, COLUMNS
from metriccd.benchmark.trial import Entry, Judge
from metriccd.demo.synthetic import Scene, land_scene
from metriccd.errors import DataError, OutputError, WeightsError
from metriccd.methods import SUPERVISED
from metriccd.methods.preset import OWN_THRESHOLDS
from metriccd.pair.pair import read_pair
from metriccd.stages import Stages, peak_mib, reset_peak
from raster_files import write

# Over many runs, and of the last one.
KEPT = {"journal", ".lock"}
FILES = {".metriccd", "table.csv", "table.json", "table.md", "curves.png", "run.json"} | KEPT
SIZES = {"a": (96, 96), "b": (96, 128), "c": (64, 80)}
TIMES = ("seconds", "total_seconds", "peak_mib")


@pytest.fixture(scope="session")
def scenes() -> dict[str, Scene]:
    return {name: land_scene(*size, seed=seed) for seed, (name, size) in enumerate(SIZES.items())}


@pytest.fixture(scope="session")
def root(scenes, tmp_path_factory) -> Path:
    """A plain data set of three pairs of different sizes."""
    folder = tmp_path_factory.mktemp("plain")
    for part in ("t1", "t2", "reference"):
        (folder / part).mkdir()
    for name, scene in scenes.items():
        write(folder / f"t1/{name}.tif", scene.t1)
        write(folder / f"t2/{name}.tif", scene.t2)
        write(folder / f"reference/{name}.tif", scene.reference[None].astype(np.uint8))
    return folder


def run(root: Path, out: Path, entries: list[Entry], **options) -> Leaderboard:
    return benchmark(find_pairs("plain", root), entries, out, dataset="plain", **options)


@pytest.fixture(scope="session")
def leaderboard(root: Path, tmp_path_factory) -> Leaderboard:
    entries = choose_entries(["cva", "irmad", "default"], ["otsu", "kmeans"])
    return run(root, tmp_path_factory.mktemp("out"), entries)


def areas(rankings, *, title: str) -> bytes:
    """Stands for the picture of curves: what it would show."""
    shown = {name: (each.roc_auc(), each.average_precision()) for name, each in rankings.items()}
    return f"{title} {shown}".encode()


@pytest.fixture
def counted(monkeypatch) -> Counter:
    """Counts runs by entry; `stop_after` of it raises an interrupt in the run after so many."""
    calls: Counter = Counter()
    measure = Judge.measure

    def counting(self, entry, *others):
        if sum(calls.values()) == counting.stop_after:
            raise KeyboardInterrupt
        calls[entry.name] += 1
        return measure(self, entry, *others)

    counting.stop_after = None
    calls.limit = lambda number: setattr(counting, "stop_after", number)
    monkeypatch.setattr(Judge, "measure", counting)
    monkeypatch.setattr(
        "metriccd.benchmark.leaderboard.draw_curves", areas
    )  # drawing takes half a second
    return calls


def test_a_row_for_each_pair_entry_and_rule_then_means_then_pooled(leaderboard) -> None:
    rules = [("cva", "otsu"), ("cva", "kmeans"), ("irmad", "otsu"), ("irmad", "kmeans")]
    rules.append(("default", str(PRESETS["default"].threshold)))
    expected = [("pair", pair, *each) for pair in SIZES for each in rules]
    expected += [(scope, None, *each) for scope in ("mean", "pooled") for each in rules]
    heads = [(r["scope"], r["pair"], r["method"], r["rule"]) for r in leaderboard.rows()]
    assert heads == expected


def test_means_are_those_of_the_pairs(leaderboard) -> None:
    rows = list(leaderboard.rows())
    for mean in (row for row in rows if row["scope"] == "mean"):
        pairs = [
            row
            for row in rows
            if row["scope"] == "pair"
            and (row["method"], row["rule"]) == (mean["method"], mean["rule"])
        ]
        assert len(pairs) == len(SIZES)
        for name in COLUMNS:
            assert mean[name] == pytest.approx(sum(row[name] for row in pairs) / len(pairs))
        assert mean["total_seconds"] >= mean["seconds"]
        assert mean["peak_mib"] == max(row["peak_mib"] for row in pairs)
        assert mean["best_threshold"] is None


def test_pooled_figures_are_scikit_learns_on_all_pixels_together(leaderboard, scenes) -> None:
    found = {(row["method"], row["rule"]): row for row in leaderboard.pooled()}
    truth = np.concatenate([scene.reference.ravel() for scene in scenes.values()])
    for name in ("cva", "irmad"):
        images = np.concatenate(
            [METHODS[name](scene.t1, scene.t2).image.ravel() for scene in scenes.values()]
        )
        for rule in ("otsu", "kmeans"):
            row = found[name, rule]
            maps = np.concatenate(
                [
                    detect(scene.t1, scene.t2, method=name, threshold=rule).map.ravel()
                    for scene in scenes.values()
                ]
            )
            assert row["auc"] == pytest.approx(roc_auc_score(truth, images), abs=1e-4)
            assert row["ap"] == pytest.approx(average_precision_score(truth, images), abs=1e-3)
            assert row["f1"] == pytest.approx(f1_score(truth, maps))
            assert row["recall"] == pytest.approx(recall_score(truth, maps))
            assert row["kappa"] == pytest.approx(cohen_kappa_score(truth, maps))
            assert row["n_changed"] == truth.sum()


@pytest.mark.parametrize(
    "name", ["default", "fast", "tiny", pytest.param("hard", marks=pytest.mark.slow)]
)
def test_a_preset_runs_as_detect_runs_it(name: str, root, scenes, tmp_path, monkeypatch) -> None:
    tiny = {"preset": "released", "extractor": "embedded", "steps": 2, "generator": "resnet4"}
    monkeypatch.setitem(PRESETS, "tiny", preset_of(tiny))
    monkeypatch.setitem(PRESETS, "hard", preset_of({"method": "irmad", "threshold": 0.7}))
    (entry,) = choose_entries([name])
    found = run(root, tmp_path / "out", [entry], seed=3)
    for pair, scene in scenes.items():
        # Of the files, which tell how large a pixel is.
        files = (root / date / f"{pair}.tif" for date in ("t1", "t2"))
        change = detect(*files, preset=name, seed=3)
        (outcome,) = found.runs[pair][name].rules.values()
        expected = evaluate(change, scene.reference).as_dict()
        expected.pop("best_threshold")  # on the score there, on the difference image here
        for figure, value in expected.items():
            # A score in float32 may tie what the difference image tells apart.
            limit = 1e-5 if figure in {"auc", "ap", "best_f1"} else 0
            assert outcome.scores.as_dict()[figure] == pytest.approx(value, abs=limit)


def test_the_map_that_is_judged_is_the_map_that_detect_writes(root: Path, scenes) -> None:
    from metriccd.methods.preset import options_of

    pair = read_pair(root / "t1/a.tif", root / "t2/a.tif")
    block, reference = pair.load(), scenes["a"].reference
    judge = Judge(changed=reference, judged=block.valid, grid=pair.grid)
    for entry in choose_entries(["default", "pca_kmeans", "deep_cva", "irmad"]):
        measured = judge.measure(entry, block, options_of(entry.preset, pair), Stages())
        (decided,) = measured.rules.values()
        named = {"preset": entry.name} if entry.name in PRESETS else {"method": entry.name}
        expected = detect(root / "t1/a.tif", root / "t2/a.tif", **named).map
        np.testing.assert_array_equal(decided.change, expected)


def test_a_method_decides_by_its_own_rule_unless_rules_are_named() -> None:
    own = {entry.name: entry.rules for entry in choose_entries(["all"])}
    assert set(own) == set(METHODS) - {"metric"} - SUPERVISED
    for name, rule in OWN_THRESHOLDS.items():
        assert name not in own or own[name] == (rule,)
    assert own["cva"] == ("otsu",)
    rules = {
        entry.name: entry.rules for entry in choose_entries(["cva", "paper"], ["rosin", "otsu"])
    }
    assert rules == {"cva": ("rosin", "otsu"), "paper": (0.5,)}


@pytest.mark.parametrize(
    ("methods", "rules", "message"),
    [
        (["magic"], [], "no method 'magic'.*presets are default"),
        (["cva"], ["guess"], "no threshold rule 'guess'"),
        ([], [], "needs a method, a preset or a grid"),
    ],
)
def test_wrong_names_are_value_errors(methods, rules, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_entries(methods, rules)


def test_a_grid_stands_beside_methods_and_may_not_take_their_names(tmp_path: Path) -> None:
    names = [entry.name for entry in choose_entries(["cva"], grid="table3")]
    assert names == ["cva", "img", "feat", "feat + ctx", "img + feat", "img + feat + ctx"]
    (tmp_path / "grid.toml").write_text('[[rows]]\nname = "cva"\nsteps = 2\n')
    with pytest.raises(DataError, match="'cva' is a method"):
        choose_entries(["cva"], grid=str(tmp_path / "grid.toml"))


def test_the_folder_holds_the_same_figures_in_every_format(leaderboard, tmp_path: Path) -> None:
    leaderboard.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES - KEPT
    rows = list(leaderboard.rows())
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["rows"] == rows
    with (tmp_path / "table.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [float(row["f1 (label-free)"]) for row in table] == [row["f1"] for row in rows]
    text = (tmp_path / "table.md").read_text()
    assert f"| {next(leaderboard.mean())['f1']:.3f} |" in text
    assert "paper: AUC" not in text


def test_every_figure_says_what_the_reference_chose(leaderboard, tmp_path: Path) -> None:
    leaderboard.write(tmp_path)
    columns = (tmp_path / "table.csv").read_text().splitlines()[0].split(",")
    assert {f"{name} ({basis})" for name, basis in BASIS.items()} <= set(columns)
    assert json.loads((tmp_path / "table.json").read_text())["basis"]["best_f1"] == "oracle"
    lines = (tmp_path / "table.md").read_text().splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith("| method")]
    assert len(heads) == 2
    for head in heads:
        titles, bases = ([c.strip() for c in lines[i].split("|")] for i in (head, head + 2))
        marked = dict(zip(titles, bases, strict=True))
        for column in COLUMNS.values():
            assert marked[column.title] == f"*{column.basis}*"


def test_the_papers_rows_stand_beside_ours_with_what_they_leave_open(leaderboard) -> None:
    oscd = Leaderboard(dataset="oscd", split="train", grid="table2", runs=leaderboard.runs)
    line = next(line for line in oscd.markdown().splitlines() if line.startswith("| cva | otsu"))
    assert line.endswith("| 0.830 | 0.164 | 0.457 | 0.192 | 0.751 |")
    assert "10 test cities" in oscd.markdown()
    assert "not stated" in oscd.markdown()


def without_times(out: Path) -> list[bytes]:
    """Tables as they are but for times, and the curves."""
    rows = json.loads((out / "table.json").read_text())["rows"]
    texts = [json.dumps([{k: v for k, v in row.items() if k not in TIMES} for row in rows])]
    with (out / "table.csv").open(newline="") as stream:
        texts += [
            repr([value for name, value in row.items() if name not in TIMES])
            for row in csv.DictReader(stream)
        ]
    for line in (out / "table.md").read_text().splitlines():
        cells = line.split("|")
        texts.append("|".join(cells[:12] if len(cells) > 12 else cells))
    return [text.encode() for text in texts] + [(out / "curves.png").read_bytes()]


def test_an_interrupted_run_goes_on_and_gives_the_same_tables(root, tmp_path, counted) -> None:
    entries = choose_entries(["cva", "mad", "image_diff"])
    run(root, tmp_path / "whole", entries)
    counted.clear()
    counted.limit(4)
    with pytest.raises(KeyboardInterrupt):
        run(root, tmp_path / "out", entries)
    assert {path.name for path in (tmp_path / "out").iterdir()} == KEPT
    assert kept(tmp_path / "out") == 4
    counted.limit(None)
    counted.clear()
    run(root, tmp_path / "out", entries)
    assert sum(counted.values()) == 3 * 3 - 4
    assert without_times(tmp_path / "out") == without_times(tmp_path / "whole")


def test_a_second_run_runs_nothing_and_gives_the_same_bytes(root, tmp_path, counted) -> None:
    entries = choose_entries(["cva", "irmad"])
    run(root, tmp_path / "out", entries)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in FILES - KEPT}
    counted.clear()
    run(root, tmp_path / "out", entries)
    assert not counted
    for name in FILES - KEPT - {"run.json", ".metriccd"}:
        assert (tmp_path / "out" / name).read_bytes() == before[name]


def test_only_what_differs_is_run_and_nothing_is_lost(root, tmp_path, counted, monkeypatch) -> None:
    out, entries = tmp_path / "out", choose_entries(["cva"])

    def runs(*args, **options) -> int:
        counted.clear()
        run(*args, **options)
        return sum(counted.values())

    assert runs(root, out, entries) == 3
    assert runs(root, out, choose_entries(["cva", "irmad"])) == 3
    assert runs(root, out, entries, seed=1) == 3
    assert runs(root, out, choose_entries(["cva"], ["rosin"])) == 3
    for room in ("result.record", "benchmark.run"):
        monkeypatch.setattr(f"metriccd.{room}.versions", lambda: {"metriccd": "9"})
    assert runs(root, out, entries) == 3
    monkeypatch.undo()
    assert kept(out) == 15


def test_a_changed_image_is_run_again_and_a_moved_one_is_not(root, tmp_path, counted) -> None:
    moved, entries = tmp_path / "moved", choose_entries(["cva"])
    run(root, tmp_path / "out", entries)
    shutil.copytree(root, moved)
    counted.clear()
    run(moved, tmp_path / "out", entries)
    assert not counted
    scene = land_scene(*SIZES["b"], seed=9)
    write(moved / "t2/b.tif", scene.t2)
    run(moved, tmp_path / "out", entries)
    assert counted == {"cva": 1}


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_what_cannot_be_read_of_the_journal_is_run_again(root, tmp_path, counted, suffix) -> None:
    entries = choose_entries(["cva"])
    run(root, tmp_path / "out", entries)
    before = without_times(tmp_path / "out")
    (file,) = (tmp_path / "out/journal/b").glob(f"*.{suffix}")
    file.write_bytes(file.read_bytes()[:40])
    counted.clear()
    run(root, tmp_path / "out", entries)
    assert counted == {"cva": 1}
    assert without_times(tmp_path / "out") == before


def test_a_grid_of_fits_runs_with_its_own_steps(root, tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(
        'preset = "paper"\nextractor = "embedded"\nsteps = 2\ngenerator = "resnet4"\n'
        '[[rows]]\nname = "image only"\nterms = ["image", "balance"]\n'
        '[[rows]]\nname = "level 1"\nlevels = [1]\n'
    )
    found = run(root, tmp_path / "out", choose_entries([], grid=str(tmp_path / "grid.toml")))
    names = [row["method"] for row in found.mean()]
    assert names == ["image only", "level 1"]
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["entries"]["level 1"]["fit"]["levels"] == [1]
    assert record["entries"]["image only"]["fit"]["steps"] == 2
    assert all(row["rule"] == "0.5" for row in found.mean())


def test_a_reference_that_is_inverted_is_read_so(root, tmp_path, scenes) -> None:
    folder = tmp_path / "quickbird"
    folder.mkdir()
    scene = scenes["a"]
    write(folder / "t1.tif", scene.t1)
    write(folder / "t2.tif", scene.t2)
    labels = np.where(scene.reference, 0, 255).astype(np.uint8)
    write(folder / "gt.tif", labels[None])
    pairs = find_pairs("quickbird", folder)
    found = benchmark(pairs, choose_entries(["cva"]), tmp_path / "out", dataset="quickbird")
    plain = run(root, tmp_path / "plain", choose_entries(["cva"]))
    (outcome,) = found.runs["quickbird"]["cva"].rules.values()
    assert outcome.scores == plain.runs["a"]["cva"].rules["otsu"].scores


def test_a_pair_that_cannot_be_compared_stops_before_the_first_run(root, tmp_path, counted) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(root, broken)
    write(broken / "reference/c.tif", np.arange(64 * 80, dtype=np.uint16).reshape(1, 64, 80))
    with pytest.raises(DataError, match="a reference holds 0/1"):
        run(broken, tmp_path / "out", choose_entries(["cva"]))
    assert not counted
    assert not (tmp_path / "out").exists()


def test_missing_weights_are_said_before_any_run(root, tmp_path, counted, monkeypatch) -> None:
    monkeypatch.setenv("METRICCD_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="metriccd weights fetch vgg16"):
        run(root, tmp_path / "out", choose_entries(["cva", "paper"]))
    assert not counted
    assert not (tmp_path / "out").exists()
    run(
        root, tmp_path / "out", choose_entries(["cva"]), extractor="vgg16"
    )  # which looks at no features


def test_one_benchmark_at_a_time_writes_a_folder(root, tmp_path) -> None:
    out, entries, refused = tmp_path / "out", choose_entries(["cva"]), []

    def rival(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("runs", 1):
            with pytest.raises(OutputError, match="one benchmark at a time") as caught:
                run(root, out, choose_entries(["mad"]))
            refused.append(caught)

    run(root, out, entries, progress=rival)
    assert refused
    assert kept(out) == 3
    assert len(list(run(root, out, entries).runs)) == 3


def test_a_folder_that_a_kill_left_as_it_was_made_is_new(root, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.lock").touch()
    run(root, tmp_path / "out", choose_entries(["cva"]))
    assert kept(tmp_path / "out") == 3


@pytest.mark.parametrize("name", ["run.json", "holiday.jpg"])
def test_a_folder_of_something_else_is_left_alone(root, tmp_path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("{}")
    with pytest.raises(OutputError, match="OUT must be new, or an earlier benchmark"):
        run(root, tmp_path / "out", choose_entries(["cva"]))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_the_record_names_inputs_settings_and_versions(leaderboard) -> None:
    record = leaderboard.record
    assert len(record["pairs"]["a"]["t1"]["files"][0]["sha256"]) == 64
    assert record["entries"]["default"]["method"] == PRESETS["default"].method
    assert record["seed"] == 0
    assert record["versions"]["metriccd"]
    assert Scores.BASIS["f1"] == "label-free"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset the peak of a process")
def test_the_peak_of_memory_is_each_runs_own() -> None:
    assert reset_peak()
    before = peak_mib()
    block = np.ones(200 * 2**17)  # 200 MiB, every page of it touched
    assert peak_mib() > before + 190
    del block
    assert reset_peak()
    assert peak_mib() < before + 50
