"""Grids: the ready ones are the paper's tables, and a wrong one is one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from metriccd.benchmark.ablation import READY, preset_of, read_grid
from metriccd.benchmark.published import GRIDS, published
from metriccd.errors import DataError
from metriccd.methods.preset import OWN_THRESHOLDS, PRESETS
from metriccd.paper.fit import ALL_TERMS, PAPER


def settings(grid: str, setting: str) -> list:
    return [getattr(preset.fit, setting) for preset in read_grid(grid).values()]


def test_table_2_exchanges_the_generator_and_nothing_else() -> None:
    expected = ["unet", "hourglass", *(f"resnet{count}" for count in (4, 8, 16, 32, 64))]
    assert settings("table2", "generator") == expected
    assert {replace(preset, fit=PAPER) for preset in read_grid("table2").values()} == {
        PRESETS["paper"]
    }


def test_table_3_lists_the_papers_five_sets_of_terms() -> None:
    assert settings("table3", "terms") == [
        {"image", "balance"},
        {"feature", "balance"},
        {"feature", "context", "balance"},
        {"image", "feature", "balance"},
        ALL_TERMS,
    ]
    assert set(settings("table3", "levels")) == {(1, 2)}


def test_table_4_adds_a_level_at_a_time_to_the_image_term() -> None:
    assert settings("table4", "terms") == [{"image", "balance"}, *[ALL_TERMS] * 4]
    assert settings("table4", "levels")[1:] == [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]


@pytest.mark.parametrize("name", READY)
def test_each_row_of_a_ready_grid_has_what_the_paper_prints_of_it(name: str) -> None:
    assert list(GRIDS[name]) == list(read_grid(name))
    printed = published("oscd", name)
    assert all(printed[row]["auc"] > 0.8 for row in read_grid(name))
    assert not set(published("sztaki", name)) & set(GRIDS[name])


def test_the_full_row_of_every_ready_grid_is_the_papers_method() -> None:
    full = {"table2": "ResNet (N=32)", "table3": "img + feat + ctx", "table4": "l = 1, 2"}
    for grid, row in full.items():
        assert read_grid(grid)[row] == PRESETS["paper"]
        assert GRIDS[grid][row]["auc"] == published("oscd")["paper"]["auc"]


def test_a_row_changes_what_all_rows_share(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'preset = "released"\nsteps = 3\nextractor = "embedded"\n'
        '[[rows]]\nname = "a"\n'
        '[[rows]]\nname = "b"\nsteps = 4\nlearning_rate = 1\nthreshold = "otsu"\n'
        '[[rows]]\nname = "c"\npreset = "default"\nmethod = "pca_kmeans"\nthreshold = "auto"\n'
    )
    grid = read_grid(file)
    released = PRESETS["released"]
    expected = replace(released, extractor="embedded", fit=replace(released.fit, steps=3))
    assert grid["a"] == expected
    changed = replace(expected.fit, steps=4, learning_rate=1.0)
    assert grid["b"] == replace(expected, threshold="otsu", fit=changed)
    assert (grid["c"].method, grid["c"].threshold) == (
        "pca_kmeans",
        OWN_THRESHOLDS["pca_kmeans"],
    )


def test_settings_of_a_preset_and_of_its_fit_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[rows]]\nname = "a"\ndirection = "appeared"\nplain_features = false\nsteps = 9\n'
    )
    row = read_grid(file)["a"]
    assert (row.direction, row.plain_features, row.fit.steps) == ("appeared", False, 9)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("speed = 3", "got 'speed'; correct its name"),
        ("steps = 0", "steps must be at least 1: got 0"),
        ("steps = 1.5", "steps must be a whole number: got 1.5"),
        ("steps = true", "steps must be a whole number: got True"),
        ('learning_rate = "fast"', "learning_rate must be a number: got 'fast'"),
        ("levels = [2, 1]", "levels must be rising numbers of 1 to 4"),
        ("levels = []", "levels must name at least one"),
        ('terms = ["sparsity"]', "terms must be 'image' or .*: got 'sparsity'"),
        ('terms = "image"', "terms must be a list of 'image' or"),
        ('generator = "resnet5"', "no generator 'resnet5': choose from resnet4"),
        ('gate = "open"', "gate must be 'soft' or 'hard': got 'open'"),
        ("threshold = 2", "a threshold must lie in"),
        ("threshold = [1]", "threshold must be text or a number"),
        ('threshold = "guess"', "no threshold rule 'guess'"),
        ('preset = "best"', "no preset 'best': choose from default"),
        ("preset = [1]", "no preset"),
        ('method = "magic"', "no method 'magic'"),
        ("method = 3", "no method '3'"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_its_row(tmp_path, setting, message) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(f'[[rows]]\nname = "x"\n{setting}\n')
    with pytest.raises(DataError, match=message) as error:
        read_grid(file)
    assert "row 'x'" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have \\[\\[rows\\]\\]"),
        ("rows = 3", "must have \\[\\[rows\\]\\]"),
        ("[[rows]]\nsteps = 3", "row 1 of .* has None; name it"),
        ('[[rows]]\nname = "a"\n[[rows]]\nname = "a"', "row 2 of .* has 'a'"),
        ("steps = = 3", "must be a TOML file"),
    ],
)
def test_a_file_that_is_no_grid_is_one_line(tmp_path, text: str, message: str) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_grid(file)
    assert "\n" not in str(error.value)


def test_a_grid_that_is_not_there_is_one_line() -> None:
    with pytest.raises(DataError, match="a grid is table2, table3, table4 or a TOML file"):
        read_grid("table5")


def test_a_setting_may_also_be_given_in_python() -> None:
    assert preset_of({"preset": "paper", "levels": [1]}).fit.levels == (1,)
