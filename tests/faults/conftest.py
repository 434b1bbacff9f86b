"""Processes that run commands, and good files for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.cases import Case, good_files
from faults.good import DETECT, Good
from faults.verdict import Runner


@pytest.fixture(scope="session")
def runners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runner, ...]]:
    pair = tuple(Runner(tmp_path_factory.mktemp("faults") / "run") for _ in range(2))
    yield pair
    for runner in pair:
        runner.close()


@pytest.fixture(scope="session")
def good(
    data: Path, runners: tuple[Runner, ...], tmp_path_factory: pytest.TempPathFactory
) -> list[Good]:
    """Good files, of which a result is made first."""
    folder = tmp_path_factory.mktemp("good")
    first = next(each for each in good_files(data, folder) if each.kind == "tiff")
    named = {"{t1}": "in/t1.tif", "{t2}": "in/t2.tif"}
    arguments = tuple(named.get(part, part) for part in DETECT)
    case = Case(name="good", files=first.files, arguments=arguments, damage="none", pipes=())
    verdict = runners[0].run(case)
    assert not verdict.faults, verdict
    assert verdict.code == 0, verdict
    (runners[0].folder / "case/out").rename(folder / "result")
    return good_files(data, folder)
