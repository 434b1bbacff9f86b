"""Detection end to end: every method on one call, honest about what it knows."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate
from scipy.ndimage import shift
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score

import metriccd as mcd
from metriccd.decision.rules import threshold_of
from metriccd.demo.synthetic import Scene, land_scene
from metriccd.difference import irmad, on_arrays
from metriccd.methods.method import Options
from metriccd.methods.preset import CHI2_METHODS
from metriccd.paper.fit import PAPER
from raster_files import FILES, TRANSFORM, UTM, write


@pytest.fixture(scope="session")
def scene() -> Scene:
    return land_scene(160, 192, seed=1)


@pytest.fixture(scope="session")
def change(scene: Scene) -> mcd.Change:
    return mcd.detect(scene.t1, scene.t2)


def small_fit(checkpoint: str | None = None) -> Options:
    fit = replace(PAPER, generator="resnet4", steps=3, learning_rate=1e-3)
    return Options(fit=fit, checkpoint=checkpoint)


def test_the_result_is_what_the_contract_says(scene: Scene, change: mcd.Change) -> None:
    assert change.score.shape == change.map.shape == change.valid.shape == scene.reference.shape
    assert change.score.dtype == np.float32
    inside = change.score[change.valid]
    assert inside.min() >= 0
    assert inside.max() <= 1
    above = change.valid & (change.score > change.threshold)
    assert not (change.map & ~above).any()
    whole = change.decided("auto", min_pixels=1)
    np.testing.assert_array_equal(whole.map, above)


def test_known_changes_rank_above_the_rest(scene: Scene, change: mcd.Change) -> None:
    scores = mcd.evaluate(change, scene.reference)
    assert scores.auc > 0.85
    assert scores.ap > 5 * scene.reference.mean()


@pytest.mark.parametrize("method", sorted(mcd.METHODS))
def test_every_method_is_the_same_call(scene: Scene, method: str, checkpoint_of) -> None:
    valid = np.ones(scene.reference.shape, bool)
    valid[:20, :30] = False
    options = small_fit(checkpoint_of(method))
    found = mcd.METHODS[method](scene.t1, scene.t2, valid, options=options)
    assert found.image.shape == valid.shape
    np.testing.assert_array_equal(np.isfinite(found.image), valid)
    if not found.probability:
        assert found.image[valid].min() >= 0


@pytest.mark.parametrize("method", sorted(set(mcd.METHODS) - {"metric"}))
def test_invalid_pixels_do_not_change_the_rest(scene: Scene, method: str, checkpoint_of) -> None:
    valid = np.ones(scene.reference.shape, bool)
    valid[60:70, 80:95] = False
    poisoned = scene.t2.copy()
    poisoned[:, ~valid] = 60_000
    options = Options(checkpoint=checkpoint_of(method))
    expected = mcd.METHODS[method](scene.t1, scene.t2, valid, options=options)
    found = mcd.METHODS[method](scene.t1, poisoned, valid, options=options)
    np.testing.assert_allclose(found.image, expected.image, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["irmad", "cva", "closed_form"])
@pytest.mark.parametrize("threshold", ["auto", "otsu", "kmeans", "rosin", "adaptive", 0.3])
def test_any_threshold_decides(scene: Scene, method: str, threshold) -> None:
    found, own = (
        mcd.detect(scene.t1, scene.t2, method=method, threshold=asked, min_pixels=1)
        for asked in (threshold, "auto")
    )
    assert 0 < found.map.mean() < 0.9
    automatic = "triangle" if method == "closed_form" else "otsu"
    assert found.rule == {"auto": automatic, 0.3: "fixed"}.get(threshold, threshold)
    assert found.threshold == {"auto": 0.5, automatic: 0.5, "adaptive": 0.5, 0.3: 0.3}.get(
        threshold, found.threshold
    )
    if found.record["score"]["kind"] == "distance":
        np.testing.assert_array_equal(found.score, own.score)
        np.testing.assert_array_equal(found.map, own.score > found.threshold)


@pytest.mark.parametrize(
    ("method", "rule"),
    [("pca_kmeans", "kmeans"), ("deep_cva", "adaptive"), ("irmad_toolbox", "otsu")],
)
def test_a_method_has_the_rule_of_its_authors(scene: Scene, method: str, rule: str) -> None:
    found = mcd.detect(scene.t1, scene.t2, method=method, min_pixels=1)
    assert (found.rule, found.threshold) == (rule, 0.5)
    np.testing.assert_array_equal(found.map, found.score > 0.5)
    assert mcd.evaluate(found, scene.reference).auc > 0.6


@pytest.mark.parametrize("method", ["image_diff", "mad", "pca_kmeans"])
def test_kmeans_decides_on_the_unmerged_components(scene: Scene, method: str) -> None:
    components = mcd.METHODS[method](scene.t1, scene.t2).components
    vectors = components.reshape(len(components), -1).T
    level = vectors.mean(axis=1)  # k-means has several optima: start where the package does
    upper = level > threshold_of("kmeans", level)
    start = np.stack([vectors[~upper].mean(axis=0), vectors[upper].mean(axis=0)])
    fitted = KMeans(2, init=start, n_init=1, tol=1e-8).fit(vectors)
    change = fitted.labels_ == fitted.cluster_centers_.mean(axis=1).argmax()
    found = mcd.detect(scene.t1, scene.t2, method=method, threshold="kmeans", min_pixels=1)
    assert (found.map.ravel() == change).mean() > 0.998
    merged = mcd.METHODS[method](scene.t1, scene.t2).image
    assert ((merged > threshold_of("kmeans", merged)) != found.map).any()
    assert found.record["settings"]["score"].startswith(
        f"margin of k-means on {len(components)} components"
    )


def test_a_fixed_threshold_cuts_the_score_of_the_methods_own_rule(scene: Scene) -> None:
    own, fixed = (
        mcd.detect(scene.t1, scene.t2, method="pca_kmeans", threshold=threshold, min_pixels=1)
        for threshold in ("auto", 0.6)
    )
    np.testing.assert_array_equal(fixed.score, own.score)
    np.testing.assert_array_equal(fixed.map, own.score > 0.6)
    assert fixed.rule == "fixed"


def test_merged_images_carry_no_components(scene: Scene) -> None:
    assert mcd.METHODS["cva"](scene.t1, scene.t2).components is None
    assert mcd.METHODS["closed_form"](scene.t1, scene.t2).components is None


def test_irmad_in_the_toolboxs_variant_is_another_one(scene: Scene) -> None:
    expected = on_arrays(irmad, scene.t1.astype(np.float32), scene.t2, variance="toolbox")
    found = mcd.METHODS["irmad_toolbox"](scene.t1, scene.t2)
    np.testing.assert_allclose(found.components, expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(found.components, mcd.METHODS["irmad"](scene.t1, scene.t2).components)


def test_chi2_tells_that_it_scaled_an_inflated_statistic() -> None:
    rng = np.random.default_rng(0)
    t1 = rng.normal(1000, 50, (3, 100, 100)).astype(np.float32)
    t2 = (t1 + rng.normal(0, 10, t1.shape)).astype(np.float32)
    iterated = mcd.detect(t1, t2, method="irmad", threshold="chi2")
    assert any(
        "times a χ² statistic with 3 degrees" in line for line in iterated.summary()["warnings"]
    )
    assert 0.003 < iterated.decided("chi2", min_pixels=1).map.mean() < 0.03
    once = mcd.detect(t1, t2, method="mad", threshold="chi2")
    assert not once.summary()["warnings"]


@pytest.mark.parametrize("method", CHI2_METHODS)
def test_chi2_decides_where_there_is_a_statistic(scene: Scene, method: str) -> None:
    assert 0 < mcd.detect(scene.t1, scene.t2, method=method, threshold="chi2").map.mean() < 0.9
    with pytest.raises(ValueError, match="χ²"):
        mcd.detect(scene.t1, scene.t2, threshold="chi2")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preset": "best"}, "no preset 'best': choose from default, fast, paper, released"),
        ({"method": "magic"}, "no method 'magic'"),
        ({"threshold": "guess"}, "no threshold rule 'guess'"),
        ({"threshold": 1.5}, r"must lie in \[0, 1\]: got 1.5"),
    ],
)
def test_wrong_arguments_are_value_errors(scene: Scene, wrong, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mcd.detect(scene.t1, scene.t2, **wrong)


def test_the_same_seed_gives_the_same_bytes(scene: Scene) -> None:
    first, second = (
        mcd.METHODS["metric"](scene.t1[:, :64, :64], scene.t2[:, :64, :64], options=small_fit())
        for _ in range(2)
    )
    assert first.image.tobytes() == second.image.tobytes()
    other = mcd.METHODS["metric"](
        scene.t1[:, :64, :64], scene.t2[:, :64, :64], options=replace(small_fit(), seed=1)
    )
    assert other.image.tobytes() != first.image.tobytes()


@pytest.mark.parametrize("preset", ["default", "fast"])
def test_a_preset_gives_the_same_bytes_again_and_default_depends_on_the_seed(
    scene: Scene, preset: str
) -> None:
    small = scene.t1[:, :96, :96], scene.t2[:, :96, :96]
    first, second = (mcd.detect(*small, preset=preset) for _ in range(2))
    assert first.score.tobytes() == second.score.tobytes()
    assert mcd.detect(*small, preset=preset, seed=1).score.tobytes() != first.score.tobytes()


def test_a_reference_beside_the_images_right_or_wrong_changes_no_byte(
    scene: Scene, tmp_path: Path, monkeypatch
) -> None:
    results = []
    names = ("reference.tif", "t1-cm.tif", "gt.tif", "cm/cm.tif")
    for case in ("none", "true", "wrong"):
        folder = tmp_path / case
        (folder / "cm").mkdir(parents=True)
        for name, image in (("t1.tif", scene.t1), ("t2.tif", scene.t2)):
            write(folder / name, image[:, :96, :96])
        labels = scene.reference[None, :96, :96]
        if case != "none":
            for name in names:
                write(folder / name, (labels if case == "true" else ~labels).astype(np.uint8))
        monkeypatch.chdir(folder)
        mcd.detect("t1.tif", "t2.tif").save("out")
        results.append(
            {name: (folder / "out" / name).read_bytes() for name in ("score.tif", "change.tif")}
        )
    assert results[0] == results[1] == results[2]


def test_no_room_that_detects_knows_of_references() -> None:
    """What `detect` imports cannot read one: reference, evaluation and datasets are not loaded."""
    code = (
        "import sys, numpy as np; from metriccd import detect; r = np.random.default_rng(0); "
        "detect(r.random((3, 32, 32)), r.random((3, 32, 32))); "
        "print([m for m in sys.modules if m.startswith('metriccd.')])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    for room in (b"benchmark", b"cli", b"demo"):
        assert b"metriccd." + room not in loaded


def test_progress_reports_every_stage_to_its_end(scene: Scene) -> None:
    seen: dict[str, tuple[int, int]] = {}
    mcd.detect(
        scene.t1, scene.t2, progress=lambda stage, done, total: seen.update({stage: (done, total)})
    )
    stages = ["windows", "check", "directions", "scale"]
    stages += ["measure", "threshold", "rules", "clusters", "kinds"]
    assert list(seen) == stages
    assert all(done == total for done, total in seen.values())


@pytest.fixture(scope="session")
def files(tmp_path_factory, scene: Scene) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    holes = scene.t2.copy()
    holes[:, :20, :30] = 0
    one = write(folder / "S2_20200401T101021.tif", scene.t1)
    other = write(folder / "S2_20200901T101021.tif", holes, nodata=0)
    return one, other


@pytest.fixture(scope="session")
def out(tmp_path_factory, files: tuple[Path, Path]) -> Path:
    return mcd.detect(*files).save(tmp_path_factory.mktemp("results") / "out")


def test_out_holds_the_files_of_the_contract(out: Path) -> None:
    assert {path.name for path in out.iterdir()} == FILES


@pytest.mark.parametrize("name", ["score.tif", "change.tif"])
def test_rasters_are_valid_cogs_on_t1s_grid(out: Path, name: str) -> None:
    assert cog_validate(out / name, strict=True)[0]
    with rasterio.open(out / name) as dataset:
        assert dataset.crs == UTM
        assert dataset.transform == TRANSFORM
        assert dataset.shape == (160, 192)


def test_rasters_hold_the_result(out: Path, files) -> None:
    expected = mcd.detect(*files)
    with rasterio.open(out / "score.tif") as dataset:
        assert np.isnan(dataset.nodata)
        np.testing.assert_array_equal(dataset.read(1), expected.score)
        assert np.isnan(dataset.read(1)[:20, :30]).all()
    with rasterio.open(out / "change.tif") as dataset:
        classes = dataset.read(1)
        assert dataset.nodata == 255
        assert dataset.colormap(1)[1][:3] == (240, 0, 140)
    np.testing.assert_array_equal(classes == 1, expected.map)
    np.testing.assert_array_equal(classes == 255, ~expected.valid)


def test_polygons_are_the_map(out: Path) -> None:
    polygons = gpd.read_file(out / "change.gpkg", layer="change")
    with rasterio.open(out / "change.tif") as dataset:
        changed = (dataset.read(1) == 1).sum()
    assert polygons.area_m2.sum() == pytest.approx(100 * changed, rel=1e-3)
    assert polygons.crs == UTM
    assert (polygons.score_mean > 0.5).all()
    assert (polygons.score_max >= polygons.score_mean).all()


def test_the_stac_item_is_valid_and_dated(out: Path) -> None:
    import pystac

    item = pystac.Item.from_file(str(out / "item.json"))
    content = json.loads((out / "item.json").read_text())
    assert content["stac_version"] == "1.1.0"
    assert content["properties"]["proj:code"] == "EPSG:32632"
    assert content["properties"]["start_datetime"] == "2020-04-01T10:10:21Z"
    assert content["properties"]["end_datetime"] == "2020-09-01T10:10:21Z"
    assert {asset.href for asset in item.assets.values()} <= {f"./{name}" for name in FILES}
    classes = content["assets"]["change"]["classification:classes"]
    assert [entry["value"] for entry in classes] == [0, 1]


def test_the_record_tells_all(out: Path, files) -> None:
    import hashlib

    record = json.loads((out / "run.json").read_text())
    for date, path in zip(("t1", "t2"), files, strict=True):
        (entry,) = record["inputs"][date]["files"]
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["settings"]["seed"] == 0
    threshold = record["threshold"]
    assert (threshold["value"], threshold["rule"], threshold["label_free"]) == (
        0.5,
        "consensus",
        True,
    )
    assert threshold["level"] == record["score"]["level"] > 0
    assert [stage["name"] for stage in record["stages"]][-1] == "report"
    assert all(stage["peak_mib"] > 0 for stage in record["stages"])
    assert record["settings"]["score"].startswith("d / (d + t)")
    assert 0.7 <= record["settings"]["scale"] <= 2
    assert "torch" in record["versions"]


def test_the_qgis_style_names_both_classes(out: Path) -> None:
    from xml.etree import ElementTree

    entries = ElementTree.parse(out / "change.qml").findall(".//paletteEntry")
    assert [(entry.get("value"), entry.get("label")) for entry in entries] == [
        ("0", "no change"),
        ("1", "change"),
    ]


def test_min_area_drops_small_objects_everywhere(files) -> None:
    change = mcd.detect(*files, min_area=30_000, min_pixels=1)
    assert change.polygons().area_m2.min() >= 30_000
    assert 0 < change.map.sum() < mcd.detect(*files).map.sum()


def test_how_sure_the_rule_is_is_said(change: mcd.Change, out: Path, scene: Scene) -> None:
    sentence = json.loads((out / "run.json").read_text())["settings"]["certainty"]
    assert "may be as good" in change.summary()["certainty"]
    assert "may be as good" in sentence
    assert sentence in (out / "report.html").read_text()
    assert mcd.detect(scene.t1, scene.t2, method="cva").summary()["certainty"] is None


def test_directions_are_said_and_swap_with_the_dates(scene: Scene, tmp_path: Path) -> None:
    found, swapped = (mcd.detect(*dates) for dates in ((scene.t1, scene.t2), (scene.t2, scene.t1)))
    np.testing.assert_allclose(found.score, swapped.score, atol=2e-3)
    both = found.map & swapped.map
    assert both.any()
    assert set(np.unique(found.direction)) <= {0, 1, 2}
    assert (found.direction[both] + swapped.direction[both] == 3).mean() > 0.99
    with rasterio.open(found.save(tmp_path / "out") / "direction.tif") as file:
        np.testing.assert_array_equal(file.read(1), found.direction)
    assert mcd.detect(scene.t1, scene.t2, method="cva").direction is None


@pytest.mark.parametrize("city", ["bercy", pytest.param("hongkong", marks=pytest.mark.slow)])
def test_the_order_of_real_dates_does_not_matter(data: Path, city: str) -> None:
    images = [data / "oscd" / city / "pair" / f"img{number}.png" for number in (1, 2)]
    found, swapped = (mcd.detect(*dates, preset="fast") for dates in (images, images[::-1]))
    np.testing.assert_allclose(found.score, swapped.score, atol=5e-3)


def test_one_direction_is_the_other_with_the_dates_swapped(scene: Scene) -> None:
    gone = mcd.detect(scene.t1, scene.t2, direction="disappeared")
    came = mcd.detect(scene.t2, scene.t1, direction="appeared")
    np.testing.assert_allclose(gone.score, came.score, atol=2e-3)
    with pytest.raises(ValueError, match="direction appeared needs a method"):
        mcd.detect(scene.t1, scene.t2, method="cva", direction="appeared")


def test_plot_draws_on_axes_which_a_notebook_shows(change: mcd.Change) -> None:
    import matplotlib.pyplot as plt

    plt.close("all")
    axes = change.plot()
    assert len(axes.images) == 1
    assert "Change" in axes.get_title("left")
    # Notebooks show the figures that pyplot knows.
    assert plt.get_fignums() == [axes.figure.number]
    assert change.plot(axes) is axes
    assert len(plt.get_fignums()) == 1
    plt.close("all")


def test_a_change_shows_itself_in_a_line_and_in_a_notebook(change: mcd.Change) -> None:
    import re
    from base64 import b64decode

    line = repr(change)
    assert "\n" not in line
    assert len(line) < 120
    assert f"{change.map.sum() / change.valid.sum():.2%}" in line
    page = change._repr_html_()
    assert f"<td style='text-align: left'>{len(change.polygons())}</td>" in page
    (picture,) = re.findall("base64,([^']+)'", page)
    assert b64decode(picture).startswith(b"\x89PNG")
    table = change.objects()
    assert "geometry" not in table
    assert len(table) == len(change.polygons())


@pytest.mark.parametrize(
    "later",
    [lambda t: t + 1000, lambda t: t / 10_000, lambda t: 2.0 * t, lambda t: t.astype(float) + 5],
    ids=["offset", "unit", "gain", "float offset"],
)
def test_a_gain_or_an_offset_is_no_change(scene: Scene, later) -> None:
    found = mcd.detect(scene.t1, later(scene.t1))
    assert found.map.mean() < 1e-3
    assert any("nothing changed" in line for line in found.record["warnings"])


def test_huge_values_do_not_spoil_the_score(scene: Scene) -> None:
    spoiled = scene.t2.astype(np.float32)
    spoiled[:, 3, 4] = 1e37
    found = mcd.detect(scene.t1, spoiled, method="cva")
    assert np.isfinite(found.score[found.valid]).all()


def test_detect_never_sees_a_reference(files, tmp_path: Path, out: Path, scene: Scene) -> None:
    """The same bytes with a reference beside the images, named as datasets name it."""
    import shutil

    for path in files:
        shutil.copy(path, tmp_path / path.name)
    reference = scene.reference[None].astype(np.uint8)
    for name in ("reference.tif", "cm.tif", "gt.tif", "label.tif"):
        write(tmp_path / name, reference)
    found = mcd.detect(*(tmp_path / path.name for path in files)).save(tmp_path / "out")
    for name in ("score.tif", "change.tif"):
        assert (found / name).read_bytes() == (out / name).read_bytes()


def test_evaluation_reads_references_as_people_make_them(change, scene: Scene) -> None:
    truth = scene.reference
    expected = mcd.evaluate(change, truth)
    for coded in (truth.astype(np.uint8), truth * np.uint8(255), truth + np.uint8(1)):
        assert mcd.evaluate(change, coded) == expected
    sparse = mcd.evaluate(change, (truth.astype(np.uint8), (~truth).astype(np.uint8)))
    assert sparse == expected
    with pytest.raises(mcd.GridError, match="must lie on the images' grid"):
        mcd.evaluate(change, truth[:50])
    with pytest.raises(mcd.DataError):
        mcd.evaluate(change, truth * np.uint8(7))


def test_masks_may_hold_nodata_below_their_labels(change, scene: Scene, tmp_path: Path) -> None:
    truth = scene.reference
    hidden = np.zeros(truth.shape, bool)
    hidden[:40] = True
    masks = []
    for name, mask in (("changed.tif", truth), ("unchanged.tif", ~truth)):
        labels = np.where(hidden, -9, mask).astype(np.int16)
        masks.append(str(write(tmp_path / name, labels[None], nodata=-9)))
    coded = np.where(hidden, 255, truth).astype(np.uint8)
    assert mcd.evaluate(change, (masks[0], masks[1])) == mcd.evaluate(change, coded)


def test_a_mask_of_one_label_marks_all_its_pixels(change, scene: Scene, tmp_path: Path) -> None:
    truth = scene.reference
    masks = []
    for name, mask in (("changed.tif", truth), ("unchanged.tif", ~truth)):
        labels = np.where(mask, 1, 200).astype(np.uint8)
        masks.append(str(write(tmp_path / name, labels[None], nodata=200)))
    assert mcd.evaluate(change, (masks[0], masks[1])) == mcd.evaluate(change, truth)


def test_a_reference_that_knows_nothing_is_an_error(change, scene: Scene, out: Path) -> None:
    from metriccd.accuracy.evaluation import evaluate_folder

    nothing = np.zeros(scene.reference.shape, np.uint8)
    with pytest.raises(mcd.DataError, match="none is judged; check nodata and overlap"):
        mcd.evaluate(change, (nothing, nothing))
    empty = str(write(out.parent / "empty.tif", nothing[None]))
    with pytest.raises(mcd.DataError, match="none is judged; check nodata and overlap"):
        evaluate_folder(out, [empty, empty])


@pytest.mark.parametrize("by", [(0.0, 2.0), (0.7, -1.5)])
def test_a_shift_costs_a_hundredth_of_auc_once_it_is_taken_out(by: tuple[float, float]) -> None:
    scene = land_scene(320, 320, seed=3)
    moved = np.stack(
        [shift(band.astype(np.float64), by, order=5, mode="reflect") for band in scene.t2]
    )
    inner = np.s_[8:-8, 8:-8]
    found = {}
    for name, t2, way in (
        ("in place", scene.t2, "global"),
        ("shifted", moved, None),
        ("taken out", moved, "global"),
    ):
        change = mcd.detect(scene.t1, t2.astype(np.float32), preset="fast", coregister=way)
        valid = change.valid[inner]
        found[name] = roc_auc_score(scene.reference[inner][valid], change.score[inner][valid])
        warned = any("--coregister removes it" in text for text in change.record["warnings"])
        assert warned == (name == "shifted")
    assert found["taken out"] > found["in place"] - 0.01
    assert found["shifted"] < found["in place"] - 0.01
    settings = change.record["settings"]
    assert settings["coregistered"] == "global"
    assert abs(settings["shift columns"]) > 1


def test_only_what_a_box_holds_is_compared(scene: Scene) -> None:
    whole = mcd.detect(scene.t1, scene.t2, method="cva", threshold="otsu")
    part = mcd.detect(scene.t1, scene.t2, method="cva", threshold="otsu", bbox=(20, 30, 120, 140))
    assert part.score.shape == (110, 100)
    assert part.record["settings"]["bbox"] == (20, 30, 120, 140)
    assert whole.score.shape == (160, 192)
