"""Damaged files of every kind: each is read, or refused in one line; nothing else happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from faults.cases import KINDS, Case, case_of
from faults.good import DETECT, Good, good_files
from faults.verdict import Runner, Verdict

# Of each kind, in the tests that are always run.
FEW = 8


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runner, Runner]]:
    pair = tuple(Runner(tmp_path_factory.mktemp("faults") / "run") for _ in range(2))
    yield pair
    for runner in pair:
        runner.close()


@pytest.fixture(scope="module")
def good(
    data: Path, runners: tuple[Runner, ...], tmp_path_factory: pytest.TempPathFactory
) -> list[Good]:
    """Good files, of which a result is made first."""
    folder = tmp_path_factory.mktemp("good")
    first = next(each for each in good_files(data, folder) if each.kind == "tiff")
    named = {"{t1}": "in/t1.tif", "{t2}": "in/t2.tif"}
    case = Case(
        name="good",
        files=first.files,
        arguments=tuple(named.get(part, part) for part in DETECT),
        damage="none",
    )
    verdict = runners[0].run(case)
    assert not verdict.faults, verdict
    assert verdict.code == 0, verdict
    (runners[0].folder / "case/out").rename(folder / "result")
    return good_files(data, folder)


def _verdicts(runners: tuple[Runner, ...], cases: list[Case]) -> list[Verdict]:
    """All cases, by as many processes as there are."""
    free: Queue[Runner] = Queue()
    for runner in runners:
        free.put(runner)

    def run(case: Case) -> Verdict:
        runner = free.get()
        try:
            return runner.run(case)
        finally:
            free.put(runner)

    with ThreadPoolExecutor(len(runners)) as pool:
        return list(pool.map(run, cases))


def _shown(verdicts: list[Verdict]) -> str:
    wrong = [verdict for verdict in verdicts if verdict.faults]
    return f"{len(wrong)} of {len(verdicts)}\n" + "\n".join(map(str, wrong))


def test_good_files_are_read(runners, good) -> None:
    """What is damaged below is good before: the damage is what is refused."""
    seen = {each.kind: each for each in good}.values()
    cases = [case_of(each.kind, 0, [each], damaged=False) for each in seen]
    verdicts = _verdicts(runners, cases)
    assert all(verdict.code == 0 and not verdict.faults for verdict in verdicts), verdicts


def test_few_damaged_files_of_each_kind_end_in_a_result_or_in_one_line(runners, good) -> None:
    cases = [case_of(kind, number, good) for kind in KINDS for number in range(FEW)]
    verdicts = _verdicts(runners, cases)
    assert not any(verdict.faults for verdict in verdicts), _shown(verdicts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_end_in_a_result_or_in_one_line(kind: str, runners, good) -> None:
    cases = [case_of(kind, number, good) for number in range(KINDS[kind][1])]
    verdicts = _verdicts(runners, cases)
    assert not any(verdict.faults for verdict in verdicts), _shown(verdicts)
    codes = Counter(verdict.code for verdict in verdicts)
    # Damages that are all refused, or all go unnoticed, would test little.
    assert min(codes[0], codes[2] + codes[3]) > 0.05 * len(cases), codes
