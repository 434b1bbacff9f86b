"""Sets of pairs: what a TOML file may say, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metriccd.benchmark import read_sets
from metriccd.errors import DataError
from raster_files import image, write

GOOD = '[[sets]]\nname = "towns"\ndataset = "plain"\nroot = "towns"\n'


@pytest.fixture
def towns(tmp_path: Path) -> Path:
    for folder in ("t1", "t2", "reference"):
        (tmp_path / "towns" / folder).mkdir(parents=True)
    for number, name in enumerate(("a", "b")):
        write(tmp_path / "towns/t1" / f"{name}.tif", image(number))
        write(tmp_path / "towns/t2" / f"{name}.tif", image(number + 2))
        write(tmp_path / "towns/reference" / f"{name}.tif", np.zeros((1, 40, 50), np.uint8))
    return tmp_path


def read(folder: Path, text: str) -> list:
    (folder / "sets.toml").write_text(text)
    return read_sets(folder / "sets.toml")


def test_roots_are_relative_to_the_file(towns: Path) -> None:
    (found,) = read(towns, GOOD)
    assert (found.name, found.dataset, found.split) == ("towns", "plain", "all")
    assert [pair.name for pair in found.pairs] == ["a", "b"]
    assert found.directions == ("both",)


def test_pairs_can_be_skipped_and_directions_asked_for(towns: Path) -> None:
    (found,) = read(towns, GOOD + 'skip = ["a"]\ndirections = ["appeared", "both"]\n')
    assert [pair.name for pair in found.pairs] == ["b"]
    assert found.directions == ("both", "appeared")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", r"must have \[\[sets\]\]"),
        ("sets = 3", r"must have \[\[sets\]\]"),
        ("sets = [3]", "must be a table: got 3"),
        ("[[sets", "must be a TOML file"),
        (GOOD + "rooot = 1", "got 'rooot'"),
        (GOOD.replace('root = "towns"', ""), "must have a root"),
        (GOOD.replace("plain", "planet"), "no data set 'planet'"),
        (GOOD + 'split = "odd"', "no split 'odd'"),
        (GOOD + 'directions = ["up"]', "got up"),
        (GOOD + 'bands = "4"', "must be a list of texts"),
        (GOOD + GOOD, "has 'towns' twice"),
        (GOOD.replace('root = "towns"', 'root = "nowhere"'), "nowhere does not"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(towns: Path, text: str, rule: str) -> None:
    with pytest.raises(DataError, match=rule) as caught:
        read(towns, text)
    assert "\n" not in str(caught.value)
