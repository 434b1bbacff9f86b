"""The workspace: a run goes on with its own values, and makes all others anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from metriccd.scene import Files


def spoiled(how: str, file: Path, other: Path) -> None:
    if how == "cut":
        file.write_bytes(file.read_bytes()[:-30])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "of another run":
        shutil.copy(other / "fit.npz", file)
    elif how == "of another name":
        shutil.copy(file.with_name("rules.npz"), file)
    elif how == "a bare value":
        np.savez(file, tree=np.frombuffer(b"null", np.uint8))


@pytest.mark.parametrize(
    "how", ["whole", "cut", "empty", "of another run", "of another name", "a bare value"]
)
def test_a_value_is_kept_and_one_that_is_not_this_runs_is_made_anew(
    how: str, tmp_path: Path
) -> None:
    places = tmp_path / "a", tmp_path / "b"
    for place in places:
        place.mkdir()
        for name in ("fit", "rules"):
            assert Files(place, key=place.name).keep(name, place.name.lower) == place.name
    spoiled(how, places[0] / "fit.npz", places[1])
    made: list[str] = []

    def make() -> str:
        made.append("a")
        return "a"

    for _ in range(2):
        assert Files(places[0], key="a").keep("fit", make) == "a"
    assert len(made) == (how != "whole")
