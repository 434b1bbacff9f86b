"""Comparison: one valid mask, one difference image for each method, figures that agree."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from matplotlib.image import imread
from skimage.morphology import remove_small_objects
from sklearn.metrics import cohen_kappa_score, f1_score, precision_score, roc_auc_score

from metriccd import METHODS, PRESETS, detect, evaluate
from metriccd.accuracy.metrics import Scores
from metriccd.benchmark.comparison import Comparison, choose_methods, choose_rows, compare, markdown
from metriccd.benchmark.tables import COLUMNS
from metriccd.decision.cleaning import beyond_chance
from metriccd.decision.clusters import kmeans_score, vector_kmeans
from metriccd.demo.synthetic import Scene, land_scene
from metriccd.errors import GridError
from metriccd.methods import SUPERVISED
from metriccd.raster.arrays import from_array
from metriccd.report.panels import error_panel
from metriccd.report.pictures import ERROR_RGB
from raster_files import TRANSFORM, UTM, write

FILES = {".metriccd", "table.csv", "table.json", "table.md", "curves.png", "panel.png", "run.json"}


@pytest.fixture(scope="session")
def scene() -> Scene:
    return land_scene(128, 128, seed=3)


@pytest.fixture(scope="session")
def excluded() -> np.ndarray:
    mask = np.zeros((128, 128), np.uint8)
    mask[:20, :40] = 1
    return mask


@pytest.fixture(scope="session")
def comparison(scene: Scene, excluded: np.ndarray) -> Comparison:
    labels = np.where(scene.reference, 1, 0).astype(np.uint8)
    labels[100:, 100:] = 255
    return compare(
        scene.t1,
        scene.t2,
        labels,
        methods=["irmad", "cva", "siroc"],
        thresholds=["otsu", "kmeans"],
        masks=[excluded],
    )


def test_all_methods_are_judged_on_the_same_pixels(comparison, excluded) -> None:
    expected = excluded == 0
    expected[100:, 100:] = False
    np.testing.assert_array_equal(comparison.judged, expected)
    for row in comparison.rows():
        assert row["n_changed"] + row["n_unchanged"] == expected.sum()


def test_figures_equal_those_of_scikit_learn(comparison, scene, excluded) -> None:
    judged = comparison.judged
    truth = scene.reference[judged]
    for name, measured in comparison.methods.items():
        image = METHODS[name](scene.t1, scene.t2, excluded == 0).image
        for rule in comparison.rules:
            found, scores = measured.rules[rule].change[judged], measured.scores(rule)
            assert scores.f1 == pytest.approx(f1_score(truth, found))
            assert scores.ua == pytest.approx(precision_score(truth, found))
            assert scores.kappa == pytest.approx(cohen_kappa_score(truth, found))
            assert scores.auc == pytest.approx(roc_auc_score(truth, image[judged]), abs=1e-4)


def test_thresholds_are_those_of_detection_and_see_no_reference(scene) -> None:
    found = detect(scene.t1, scene.t2, method="irmad", threshold="otsu")
    for reference in (scene.reference, np.roll(scene.reference, 40, axis=0)):
        comparison = compare(scene.t1, scene.t2, reference, methods=["irmad"], thresholds=["otsu"])
        np.testing.assert_array_equal(comparison.methods["irmad"].rules["otsu"].change, found.map)
        scores = comparison.methods["irmad"].scores("otsu")
        assert scores.f1 == evaluate(found, reference).f1


def sieved(change: np.ndarray, valid: np.ndarray) -> np.ndarray:
    least = beyond_chance(int(valid.sum()), int(change.sum()))
    return remove_small_objects(change, max_size=least - 1)


def test_kmeans_takes_the_bands_before_they_are_merged(comparison, scene, excluded) -> None:
    valid = excluded == 0
    found = METHODS["irmad"](scene.t1, scene.t2, valid)
    centers = vector_kmeans([found.components[:, valid][:, None]])
    expected = sieved((kmeans_score(found.components, centers) > 0.5) & valid, valid)
    np.testing.assert_array_equal(comparison.methods["irmad"].rules["kmeans"].change, expected)
    assert comparison.methods["irmad"].rules["kmeans"].level is None
    level = comparison.methods["cva"].rules["kmeans"].level
    image = METHODS["cva"](scene.t1, scene.t2, valid).image
    np.testing.assert_array_equal(
        comparison.methods["cva"].rules["kmeans"].change, sieved(image > level, valid)
    )


def test_all_is_every_method_but_the_fitted_and_the_supervised_ones() -> None:
    names, rules = choose_methods(["all"], ["otsu", "otsu"])
    assert set(names) == set(METHODS) - {"metric"} - SUPERVISED
    assert rules == ("otsu",)
    assert choose_methods(["cva", "all", "metric"], ["rosin"])[0][0] == "cva"
    assert set(choose_methods(["all", "metric"], ["rosin"])[0]) == set(METHODS) - SUPERVISED


@pytest.mark.parametrize(
    ("methods", "rules", "message"),
    [
        (["magic"], ["otsu"], "no method 'magic'"),
        (["cva"], ["guess"], "no threshold rule 'guess'"),
        ([], ["otsu"], "got none"),
        (["cva"], [], "got none"),
    ],
)
def test_wrong_arguments_are_value_errors(methods, rules, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_methods(methods, rules)


def test_a_reference_without_georeference_lies_on_t1_where_t2_is_smaller(scene) -> None:
    t1 = from_array(scene.t1, label="t1", transform=TRANSFORM, crs=UTM.to_wkt())
    moved = TRANSFORM @ Affine.translation(10, 5)
    t2 = from_array(scene.t2[:, 5:, 10:], label="t2", transform=moved, crs=UTM.to_wkt())
    comparison = compare(t1, t2, scene.reference, methods=["cva"], thresholds=["otsu"])
    np.testing.assert_array_equal(comparison.changed, scene.reference[5:, 10:])
    with pytest.raises(GridError, match="a reference must lie on the images' grid"):
        compare(t1, t2, scene.reference[:90], methods=["cva"])


def test_two_masks_leave_the_rest_unknown(scene) -> None:
    unchanged = np.zeros((128, 128), np.uint8)
    unchanged[:50] = ~scene.reference[:50]
    changed = scene.reference.astype(np.uint8)
    found = compare(scene.t1, scene.t2, (changed, unchanged), methods=["cva"])
    np.testing.assert_array_equal(found.judged, scene.reference | (unchanged == 1))


def test_the_folder_holds_the_same_figures_in_every_format(comparison, tmp_path: Path) -> None:
    out = comparison.save(tmp_path / "out")
    assert {path.name for path in out.iterdir()} == FILES
    rows = list(comparison.rows())
    assert json.loads((out / "table.json").read_text())["rows"] == rows
    with (out / "table.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [(row["method"], row["rule"], float(row["f1 (label-free)"])) for row in table] == [
        (row["method"], row["rule"], row["f1"]) for row in rows
    ]
    lines = (out / "table.md").read_text().splitlines()
    assert lines[3].split(" | ")[5] == f"{rows[0]['f1']:.3f}"
    assert {line.count("|") for line in lines[: len(rows) + 3]} == {len(COLUMNS) + 3}
    for basis in set(Scores.BASIS.values()) - {"reference"}:
        assert basis in lines[-1]
    record = json.loads((out / "run.json").read_text())
    assert record["settings"]["methods"] == ["irmad", "cva", "siroc"]
    assert [stage["name"] for stage in record["stages"]] == ["read", "irmad", "cva", "siroc"]


def test_undefined_figures_are_dashes_and_null(scene, tmp_path: Path) -> None:
    nothing = np.zeros((128, 128), np.uint8)
    comparison = compare(scene.t1, scene.t2, nothing, methods=["cva"], thresholds=["otsu"])
    comparison.save(tmp_path / "out")
    assert json.loads((tmp_path / "out/table.json").read_text())["rows"][0]["auc"] is None
    assert "| – |" in markdown(list(comparison.rows()))


@pytest.mark.parametrize("palette", ERROR_RGB)
def test_the_panel_shows_each_kind_of_error_by_its_area(tmp_path: Path, palette) -> None:
    reference = np.zeros((40, 40), bool)
    reference[:20] = True
    change = np.zeros((40, 40), bool)
    change[:, :10] = True
    image = np.full((3, 40, 40), np.nan)  # grey, which is no color of an error
    (tmp_path / "panel.png").write_bytes(
        error_panel(
            {"t1": image, "t2": image},
            reference,
            np.ones((40, 40), bool),
            {"$a_method": change},
            caption="",
            palette=palette,
            width=1000,
        )
    )
    picture = np.rint(255 * imread(tmp_path / "panel.png")[..., :3]).astype(int)
    assert picture.shape[1] == 1000
    count = {
        name: (picture == np.array(color)).all(axis=-1).sum()
        for name, color in ERROR_RGB[palette].items()
    }
    # An eighth of the map is TP, another FP, and three are FN; each has a swatch in the legend.
    assert count["TP"] == pytest.approx(count["FP"], rel=0.1)
    assert count["FN"] == pytest.approx(3 * count["TP"], rel=0.1)


def test_an_image_pair_on_disk_is_recorded_with_its_checksums(scene, tmp_path: Path) -> None:
    write(tmp_path / "t1.tif", scene.t1)
    write(tmp_path / "t2.tif", scene.t2)
    truth = write(tmp_path / "truth.tif", scene.reference[None].astype(np.uint8))
    comparison = compare(tmp_path / "t1.tif", tmp_path / "t2.tif", truth, methods=["image_diff"])
    (file,) = comparison.record["inputs"]["t1"]["files"]
    assert len(file["sha256"]) == 64
    assert comparison.record["references"][0]["path"] == str(truth)


def test_rows_come_best_f1_first_and_own_is_the_rule_of_detect(scene) -> None:
    truth = scene.reference
    rows = list(compare(scene.t1, scene.t2, truth, methods=["cva", "fast", "fusion"]).rows())
    assert [row["f1"] for row in rows] == sorted((row["f1"] for row in rows), reverse=True)
    rules = {row["method"]: row["rule"] for row in rows}
    own = PRESETS["fast"].threshold
    assert rules == {"cva": "otsu", "fast": own, "fusion": own}


def test_a_preset_is_a_row_with_the_map_of_detect(scene) -> None:
    comparison = compare(scene.t1, scene.t2, scene.reference, methods=["fast"])
    change = detect(scene.t1, scene.t2, preset="fast")
    (decided,) = comparison.methods["fast"].rules.values()
    np.testing.assert_array_equal(decided.change, change.map)


@pytest.mark.parametrize(
    ("methods", "rules"), [(["fasst"], ["own"]), (["fast"], ["owm"]), ([], ["own"])]
)
def test_what_is_no_row_is_refused(methods, rules) -> None:
    with pytest.raises(ValueError, match=r"no method|no threshold rule|got none"):
        choose_rows(methods, rules)
