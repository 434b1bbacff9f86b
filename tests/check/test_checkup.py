"""The check: what it says is so, and what it warns of is there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds
from scipy.ndimage import gaussian_filter, shift

from metriccd.check.checkup import check_up
from metriccd.check.cost import costs
from metriccd.cli import main
from metriccd.methods import PRESETS
from metriccd.pair.pair import read_pair
from raster_files import TRANSFORM, write

OLD = "S2A_MSIL1C_20200101T101021_N0208_R022_T32TMK_20200101T120000.SAFE"
NEW = "S2B_MSIL1C_20230101T101021_N0510_R022_T32TMK_20230101T120000.SAFE"


def ground(seed: int, *, level: float = 1500, spread: float = 400) -> np.ndarray:
    """Smooth random ground in four bands and a bit of noise of its own."""
    base = gaussian_filter(np.random.default_rng(7).normal(size=(4, 260, 280)), (0, 1.5, 1.5))
    own = np.random.default_rng(seed).normal(size=base.shape)
    return np.clip(level + spread * base / base.std() + 10 * own, 1, 60000).astype(np.uint16)


def product(root: Path, name: str, image: np.ndarray) -> Path:
    folder = root / name / "IMG_DATA"
    folder.mkdir(parents=True)
    for band, pixels in zip(("B02", "B03", "B04", "B08"), image, strict=True):
        write(folder / f"T32TMK_{band}.tif", pixels[None])
    return root / name


def test_it_measures_a_shift_and_names_the_way_out() -> None:
    other = np.stack(
        [shift(band.astype(float), (1.5, -2), order=5, mode="reflect") for band in ground(1)]
    )
    found = check_up(read_pair(ground(0), other))
    assert found.shift.row == pytest.approx(1.5, abs=0.05)
    assert found.shift.col == pytest.approx(-2, abs=0.05)
    assert "t2 lies 2.5 pixels off t1" in found.warnings[0]
    assert "--coregister" in found.warnings[0]


def test_a_sound_pair_has_no_warning() -> None:
    assert check_up(read_pair(ground(0), ground(1))).warnings == []


def test_bands_that_only_count_are_matched_by_position() -> None:
    assert check_up(read_pair(ground(0), ground(1))).matched == "by position"


def test_a_pair_that_shares_nothing_has_no_shift() -> None:
    noise = [np.random.default_rng(k).normal(100, 10, (3, 200, 200)) for k in (0, 1)]
    found = check_up(read_pair(*noise))
    assert not found.shift_found
    assert found.as_dict()["shift"]["rows"] is None


def test_saturation_and_missing_pixels_are_shares_of_what_is_looked_at() -> None:
    one, other = (ground(k) // 20 for k in (0, 1))
    one[:, :50] = 0
    other[:, 100:126] = 255
    found = check_up(read_pair(one.astype(np.uint8), other.astype(np.uint8)))
    assert found.valid == pytest.approx(210 / 260, abs=0.1)
    assert found.qualities[1].saturated == pytest.approx(26 / 210, abs=0.1)
    assert any("of t2 is saturated" in text for text in found.warnings)


@pytest.mark.parametrize("tells", ["name", "metadata"])
def test_sentinel2s_offset_is_read_from_products_and_taken_off(tmp_path: Path, tells: str) -> None:
    one = product(tmp_path, OLD, ground(0))
    other = product(tmp_path, NEW if tells == "name" else "second", ground(1) + 1000)
    if tells == "metadata":
        tag = '<RADIO_ADD_OFFSET band_id="0">-1000</RADIO_ADD_OFFSET>'
        (other / "MTD_MSIL1C.xml").write_text(f"<a>{tag}</a>")
    pair = read_pair(one, other)
    assert [offset.value for offset in pair.offsets] == [0, -1000]
    np.testing.assert_array_equal(np.sort(pair.load().t2.ravel()), np.sort(ground(1).ravel()))
    assert [each.value for each in read_pair(one, other, offset=0).offsets] == [0, 0]
    assert [each.value for each in read_pair(one, other, offset="-1000").offsets] == [-1000] * 2
    with pytest.raises(ValueError, match="auto, 0 or -1000"):
        read_pair(one, other, offset="some")


def test_an_offset_that_only_values_betray_is_warned_of(tmp_path: Path) -> None:
    one, other = (
        product(tmp_path, "a", ground(0, level=900, spread=300)),
        product(tmp_path, "b", ground(1, level=2400)),
    )
    warnings = check_up(read_pair(one, other)).warnings
    assert any("no value of t2 is below 1000" in text for text in warnings)


@pytest.mark.parametrize("bits", [8, 16])
def test_haze_is_where_nothing_around_is_dark_and_nothing_has_a_color(bits: int) -> None:
    # Reflectance × 10,000, or that of 0.4 as the largest byte.
    unit, kind = (255 / 4000, np.uint8) if bits == 8 else (1, np.uint16)
    clear = ground(0, level=700, spread=150)[:3].astype(float)
    other = clear + np.random.default_rng(1).normal(0, 5, clear.shape)
    hazy, red = other.copy(), other.copy()
    hazy[:, :, :140] = 0.5 * hazy[:, :, :140] + 2600
    red[0, :, :140] += 2600
    pairs = {
        name: check_up(read_pair(*((each * unit).astype(kind) for each in (clear, image))))
        for name, image in {"hazy": hazy, "red": red}.items()
    }
    assert pairs["hazy"].qualities[0].hazy == 0
    assert pairs["hazy"].qualities[1].hazy == pytest.approx(0.5, abs=0.05)
    assert any("--mask" in text for text in pairs["hazy"].warnings)
    assert pairs["red"].qualities[1].hazy == 0


def test_values_at_the_end_of_12_bits_are_saturated_after_scale_and_offset(tmp_path: Path) -> None:
    one, other = ground(0) // 2, ground(1) // 2
    other[1, :, :140] = 4095
    paths = [write(tmp_path / f"{k}.tif", image) for k, image in enumerate((one, other))]
    for path in paths:
        with rasterio.open(path, "r+") as target:
            target.scales, target.offsets = (0.0001,) * 4, (-0.1,) * 4
    before, after = check_up(read_pair(*paths)).qualities
    assert before.saturated == 0
    assert after.saturated == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:3035"])
def test_pixels_of_much_other_size_are_warned_of(tmp_path: Path, crs: str) -> None:
    # In the middle of EPSG:3035's plane, and of the zone.
    fine = write(tmp_path / "a.tif", ground(0), transform=Affine(10, 0, 5e5, 0, -10, 5.4e6))
    with rasterio.open(fine) as source:
        left, _, right, top = transform_bounds(source.crs, crs, *source.bounds)
    small = ground(1)[:, ::10, ::10]
    step = (right - left) / small.shape[2]
    coarse = write(
        tmp_path / "b.tif", small, crs=crs, transform=Affine(step, 0, left, 0, -step, top)
    )
    (said,) = [text for text in check_up(read_pair(fine, coarse)).warnings if "wide" in text]
    assert "pixels of t2 are 10 times as wide" in said


def test_hundreds_of_bands_are_looked_at_as_few_and_listed_as_many() -> None:
    one, other = (np.resize(ground(k), (60, 260, 280)) for k in (0, 1))
    one[3, :100, :100] = 0
    pair = read_pair(one, other)
    found = check_up(pair)
    assert len(found.bands) == 60
    assert len(found.qualities[0].spread) <= 13
    assert found.shift_found
    assert pair.warnings == read_pair(one, other).warnings


def test_costs_grow_with_the_scene_and_name_every_preset() -> None:
    small, large = costs((500, 500), 4), costs((20_000, 20_000), 4)
    assert {cost.preset for cost in small} == set(PRESETS)
    assert all(a.seconds < b.seconds and a.mib < b.mib for a, b in zip(small, large, strict=True))
    assert all(cost.fits is False for cost in large if cost.preset == "paper")


def test_memory_grows_with_bands_but_not_with_large_scenes() -> None:
    sizes, bands = ((9000, 9000), 4), ((9000, 9000), 13)
    whole, larger, more = (
        {cost.preset: cost.mib for cost in costs(*each)}
        for each in (sizes, ((20_000, 9000), 4), bands)
    )
    assert whole["fast"] == larger["fast"] < more["fast"]


def test_fill_that_is_not_declared_is_named_with_its_option_and_is_not_saturated() -> None:
    one, other = ground(0), ground(1)
    other[:, :52] = 65535
    found = check_up(read_pair(one, other))
    assert found.qualities[0].fill is None
    assert found.qualities[1].fill == (65535, pytest.approx(0.2, abs=0.08))
    assert found.qualities[1].saturated == 0
    assert any("--nodata 65535" in text for text in found.warnings)


def test_dates_in_two_units_are_warned_of_and_a_declared_scale_makes_them_one(
    tmp_path: Path,
) -> None:
    stored = write(tmp_path / "a.tif", ground(0))
    other = (ground(1) / 10_000).astype(np.float32)
    (said,) = check_up(read_pair(stored, other_file := write(tmp_path / "b.tif", other))).warnings
    assert "one unit" in said
    with rasterio.open(stored, "r+") as target:
        target.scales = (0.0001,) * 4
    assert check_up(read_pair(stored, other_file)).warnings == []


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tuple(write(tmp_path / f"t{k + 1}.tif", ground(k), transform=TRANSFORM) for k in (0, 1))


def test_the_page_is_one_page_and_the_json_one_object(files, capsys) -> None:
    assert main(["check", *map(str, files)]) == 0
    page = capsys.readouterr().out
    assert "EPSG:32632" in page
    assert "default" in page
    assert len(page.splitlines()) < 30
    assert main(["check", *map(str, files), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["overlap"] == 1
    assert {each["preset"] for each in content["presets"]} >= {"default", "fast"}


def test_a_fault_is_one_line_and_exit_code_3(files, capsys) -> None:
    assert main(["check", str(files[0]), "gone.tif"]) == 3
    err = capsys.readouterr().err.strip().splitlines()
    assert err[-1].startswith("error: the file must exist")
    assert main(["check", *map(str, files), "--bbox", "1,2"]) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("oscd/pisa/imgs_1", "oscd/pisa/imgs_2"),
        ("sztaki/Szada/1/im1.bmp", "sztaki/Szada/1/im2.bmp"),
        ("landsat/taizhou/2000TM", "landsat/taizhou/2003TM"),
        ("dsifn/t1/0_2.png", "dsifn/t2/0_2.png"),
    ],
)
def test_every_kind_of_pair_is_checked(data: Path, capsys, one: str, other: str) -> None:
    assert main(["check", str(data / one), str(data / other)]) == 0
    assert "shift" in capsys.readouterr().out
