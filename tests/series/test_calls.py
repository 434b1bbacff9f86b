"""A series from real images: what is undone is transient, what stays is persistent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from PIL import Image
from rio_cogeo import cog_validate

from metriccd.detection import detect_into
from metriccd.errors import DataError, GridError, OutputError
from metriccd.series import pairs_kept, series
from metriccd.series.history import NEW, PERSISTENT, SAME, TRANSIENT, UNKNOWN
from raster_files import TRANSFORM, write

FAST = {"preset": "fast"}
DAYS = ("2019-06-01", "2020-06-02", "2021-06-03", "2022-06-04")
OURS = {
    *("first_change.tif", "changes.tif", "persistence.tif", "persistence.tif.aux.xml"),
    *("first_change.qml", "changes.qml", "persistence.qml", "series.gpkg", "timeline.png"),
    *("report.html", "run.json", "pairs", ".metriccd"),
}


class Place:
    """A part of the town of `beijing`, that can be seen again as it was at either date."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.folder = folder
        part = (slice(256, 384), slice(0, 128))
        t1, t2 = (
            np.asarray(Image.open(data / "beijing" / date / "a.jpg")) for date in ("t1", "t2")
        )
        self.t1, self.t2 = (
            np.maximum(np.moveaxis(each[part], -1, 0), 1).astype(np.float32) for each in (t1, t2)
        )
        truth = np.asarray(Image.open(data / "beijing" / "reference" / "a.png"))
        self.changed = truth.reshape(*truth.shape[:2], -1)[*part, 0] > 127
        self.random = np.random.default_rng(0)

    def again(self, pixels: np.ndarray) -> np.ndarray:
        gain = 1 + self.random.uniform(-0.06, 0.06, (3, 1, 1))
        noise = self.random.normal(0, 2, pixels.shape)
        return np.clip(np.rint(pixels * gain + self.random.uniform(-6, 6) + noise), 1, 255)

    def taken(self, *images: np.ndarray, **options) -> list[Path]:
        return [
            write(self.folder / f"scene_{day}.tif", each.astype(np.uint8), **options)
            for day, each in zip(DAYS, images, strict=False)
        ]


@pytest.fixture
def place(data: Path, tmp_path: Path) -> Place:
    return Place(data, tmp_path)


def band(folder: Path, name: str, index: int = 1) -> np.ndarray:
    with rasterio.open(folder / f"{name}.tif") as source:
        return source.read(index)


def test_what_is_undone_by_the_next_image_is_transient(place: Place, tmp_path: Path) -> None:
    files = place.taken(place.t1, place.t2, place.again(place.t1))
    summary = series(tmp_path / "out", files, **FAST)
    kind = band(tmp_path / "out", "persistence")
    found = kind == TRANSIENT
    first = band(tmp_path / "out/pairs/2019-06-01_2020-06-02", "change") == 1
    assert found[first].mean() > 0.98
    assert found[place.changed].mean() > 0.9  # of all that the reference says
    assert place.changed[found].mean() > 0.5
    assert (band(tmp_path / "out", "first_change") == 0).mean() > 0.98
    assert set(np.unique(band(tmp_path / "out", "first_change", 2))) == {0, 18415}
    assert summary["kinds"]["persistent"]["share"] < 0.01
    table = gpd.read_file(tmp_path / "out/series.gpkg", layer="series")
    transient = table[table["change"] == "transient"]
    assert set(transient["first_date"].dt.strftime("%Y-%m-%d")) == {"2020-06-02"}


def test_a_series_by_a_supervised_method_says_so(
    place: Place, tmp_path: Path, checkpoint_of
) -> None:
    files = place.taken(place.t1, place.t2, place.again(place.t1))
    series(tmp_path / "out", files, method="unet", checkpoint=checkpoint_of("unet"))
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["summary"]["method"] == "unet (supervised)"
    assert "method unet (supervised)" in (tmp_path / "out/report.html").read_text()


def test_what_stays_is_persistent_from_the_image_that_shows_it_first(
    place: Place, tmp_path: Path
) -> None:
    after = [place.again(place.t2) for _ in range(2)]
    files = place.taken(place.t1, place.again(place.t1), *after)
    out = tmp_path / "out"
    series(out, files[::-1], **FAST)
    assert {path.name for path in out.iterdir()} == OURS
    pairs = sorted(path.name for path in (out / "pairs").iterdir() if path.is_dir())
    assert pairs == sorted(
        f"{DAYS[i]}_{DAYS[j]}" for i, j in ((0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3))
    )
    whole = {"score.tif", "change.tif", "change.gpkg", "report.html", "project.qgz", "run.json"}
    assert all(whole <= {path.name for path in (out / "pairs" / name).iterdir()} for name in pairs)
    kind, first = band(out, "persistence"), band(out, "first_change")
    dated = first > 0
    assert (first[dated] == 18781).mean() > 0.98
    assert dated[place.changed].mean() > 0.9
    assert place.changed[dated].mean() > 0.5
    assert (kind[dated] == PERSISTENT).mean() > 0.98
    for name, bands in (("first_change", 2), ("changes", 3), ("persistence", 1)):
        path = out / f"{name}.tif"
        assert cog_validate(path, quiet=True)[0]
        with rasterio.open(path) as source:
            assert source.count == bands
            assert source.transform == TRANSFORM
    table = gpd.read_file(out / "series.gpkg", layer="series")
    assert table["pixels"].is_monotonic_decreasing
    persistent = table[table["change"] == "persistent"]
    assert persistent["pixels"].sum() <= (kind == PERSISTENT).sum()
    assert persistent["area_m2"].sum() == pytest.approx(100 * persistent["pixels"].sum(), rel=1e-3)
    record = json.loads((out / "run.json").read_text())
    assert [each["date"]["time"][:10] for each in record["inputs"]] == list(DAYS)
    assert all(each["files"][0]["sha256"] for each in record["inputs"])
    assert record["summary"]["warnings"] == [
        f"the images were put in order of time: {', '.join(DAYS)}"
    ]


def test_an_image_that_repeats_half_of_another_is_warned_of(place: Place, tmp_path: Path) -> None:
    composite = place.again(place.t2)
    composite[..., :64] = place.again(place.t1)[..., :64]
    summary = series(tmp_path / "out", place.taken(place.t1, place.t2, composite), **FAST)
    told = [image["contradicted_pixels"] for image in summary["images"]]
    assert told[0] == told[2] == 0
    (warning,) = summary["warnings"]
    assert "the comparisons of 2020-06-02, the image before" in warning
    assert f"contradict each other in {told[1] / 128**2:.0%} of the pixels" in warning
    assert "contradict each other" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_two_images_are_what_detect_makes_of_them(place: Place, tmp_path: Path) -> None:
    files = place.taken(place.t1, place.t2)
    series(tmp_path / "out", files, **FAST)
    detect_into(tmp_path / "pair", *files, **FAST)
    change = band(tmp_path / "pair", "change") == 1
    name = "2019-06-01_2020-06-02"
    assert np.array_equal(
        band(tmp_path / f"out/pairs/{name}", "score"), band(tmp_path / "pair", "score")
    )
    assert np.array_equal(band(tmp_path / "out", "persistence"), np.where(change, NEW, SAME))
    assert np.array_equal(band(tmp_path / "out", "first_change"), np.where(change, 18415, 0))


def test_nothing_happens_in_one_image_that_is_taken_three_times(
    place: Place, tmp_path: Path
) -> None:
    files = place.taken(*(place.again(place.t1) for _ in range(3)))
    summary = series(tmp_path / "out", files, **FAST)
    assert summary["sentence"] == "3 images: nothing changed"
    assert summary["objects"] == 0
    assert not band(tmp_path / "out", "persistence").any()
    assert gpd.read_file(tmp_path / "out/series.gpkg", layer="series").empty


def test_one_file_given_three_times_is_refused_in_a_line(place: Place, tmp_path: Path) -> None:
    (file,) = place.taken(place.t1)
    with pytest.raises(DataError, match="pair 2001-01-01_2002-01-01: t1 and t2 must differ"):
        series(tmp_path / "out", [file] * 3, dates="2001-01-01,2002-01-01,2003-01-01", **FAST)


def test_a_pixel_that_one_image_lacks_is_told_by_the_others(place: Place, tmp_path: Path) -> None:
    files = place.taken(place.t1, place.again(place.t1), place.again(place.t2))
    cloud = np.zeros((1, 128, 128), np.uint8)
    cloud[0, :64] = 1
    mask = write(tmp_path / "cloud.tif", cloud)
    series(tmp_path / "out", files, masks_of={2: str(mask)}, **FAST)
    seen = band(tmp_path / "out", "changes", 3)
    assert np.unique(seen[:64]).tolist() == [2]
    assert np.unique(seen[64:]).tolist() == [3]
    under = (slice(0, 64), slice(None))
    first = band(tmp_path / "out", "first_change")[under]
    assert (first == 18781)[place.changed[under]].mean() > 0.8


def test_a_pixel_that_all_but_one_image_lack_is_no_data(place: Place, tmp_path: Path) -> None:
    after = place.t2.copy()
    after[:, :20] = 0
    series(tmp_path / "out", place.taken(place.t1, after, nodata=0), **FAST)
    kind = band(tmp_path / "out", "persistence")
    assert (kind[:20] == UNKNOWN).all()
    assert (kind[20:] != UNKNOWN).all()
    assert (band(tmp_path / "out", "first_change")[:20] == -99_999).all()


def test_all_pairs_lie_on_the_grid_of_the_first_image(place: Place, tmp_path: Path) -> None:
    moved = TRANSFORM @ TRANSFORM.translation(-6.5, -3.5) @ TRANSFORM.scale(1.1)
    files = place.taken(place.t1, place.t2)
    third = np.pad(place.again(place.t2), ((0, 0), (8, 8), (8, 8)), mode="edge").astype(np.uint8)
    files.append(write(tmp_path / "scene_2021-06-03.tif", third, transform=moved))
    series(tmp_path / "out", files, **FAST)
    for path in [tmp_path / "out/persistence.tif", *(tmp_path / "out/pairs").glob("*/score.tif")]:
        with rasterio.open(path) as source:
            col, row = ~TRANSFORM * (source.transform.c, source.transform.f)
            assert source.res == (10, 10)
            assert (col, row) == pytest.approx((round(col), round(row)), abs=1e-6)


class Stop:
    """Stands for Ctrl-C while a certain pair is compared."""

    def __init__(self, pair: int) -> None:
        self.pair = pair

    def __call__(self, stage: str, _done: int, _total: int) -> None:
        if stage.startswith(f"pair {self.pair} "):
            raise KeyboardInterrupt


def count(told: list[str]) -> Callable[[str, int, int], None]:
    return lambda stage, done, _: told.append(stage) if done == 0 else None


def test_an_interrupt_keeps_the_pairs_that_are_finished(place: Place, tmp_path: Path) -> None:
    files = place.taken(place.t1, place.t2, place.again(place.t2))
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        series(out, files, progress=Stop(3), **FAST)
    assert not out.exists()
    assert pairs_kept(out) == 2
    told: list[str] = []
    series(out, files, progress=count(told), **FAST)
    assert told.count("checksums") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"out", *(path.name for path in files)}


def test_a_pair_that_fails_leaves_the_others_for_the_next_run(place: Place, tmp_path: Path) -> None:
    files = place.taken(place.t1, place.t2, place.again(place.t2))
    write(files[1], np.full((3, 128, 128), 7, np.uint8))
    out = tmp_path / "out"
    with pytest.raises(DataError, match="pair 2019-06-01_2020-06-02: an image must have contrast"):
        series(out, files, **FAST)
    assert pairs_kept(out) == 1
    place.taken(place.t1, place.t2)
    told: list[str] = []
    series(out, files, progress=count(told), **FAST)
    # The file of the first image was written again: only its content tells that nothing is new.
    assert 2 <= told.count("checksums") <= 3


def test_another_image_is_added_without_comparing_the_old_ones_again(
    place: Place, tmp_path: Path
) -> None:
    files = place.taken(place.t1, place.again(place.t1), place.again(place.t2))
    out = tmp_path / "out"
    series(out, files[:2], **FAST)
    with pytest.raises(OutputError, match="must not exist"):
        series(out, files, **FAST)
    told: list[str] = []
    # Nor does the order of the arguments matter.
    series(out, [files[2], files[0], files[1]], overwrite=True, progress=count(told), **FAST)
    assert told.count("checksums") == 2
    told.clear()
    series(out, files[:2], overwrite=True, progress=count(told), threshold=0.4, **FAST)
    assert told.count("checksums") == 1  # another threshold is another comparison


def test_images_that_share_no_ground_are_refused_with_the_pair_that_they_are(
    place: Place, tmp_path: Path
) -> None:
    files = place.taken(place.t1, place.t2)
    away = TRANSFORM.translation(90_000, 0) @ TRANSFORM
    files.append(
        write(tmp_path / "scene_2021-06-03.tif", place.t2.astype(np.uint8), transform=away)
    )
    with pytest.raises(GridError, match="pair 2020-06-02_2021-06-03: the images must overlap"):
        series(tmp_path / "out", files, **FAST)


def test_an_unknown_argument_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'tresh'"):
        series(tmp_path / "out", ["a", "b"], tresh=1)


@pytest.mark.slow
def test_workers_find_what_one_process_finds(place: Place, tmp_path: Path) -> None:
    files = place.taken(place.t1, place.t2, place.again(place.t2))
    series(tmp_path / "one", files, **FAST)
    series(tmp_path / "two", files, workers=2, **FAST)
    for name in ("first_change", "changes", "persistence"):
        assert np.array_equal(band(tmp_path / "one", name), band(tmp_path / "two", name))
    write(files[1], np.full((3, 128, 128), 7, np.uint8))
    with pytest.raises(DataError, match="pair 2019-06-01_2020-06-02: an image must have contrast"):
        series(tmp_path / "three", files, workers=2, **FAST)
    assert pairs_kept(tmp_path / "three") == 1
