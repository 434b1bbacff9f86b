"""Damaged files of every kind: each is read, or refused in one line; nothing else happens."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest

from faults.cases import KINDS, Case, case_of
from faults.verdict import Runner, Verdict

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
# Of each kind, in the tests that are always run.
FEW = 5
# Those by which something was found, and that are always run, too.
FOUND = {
    "vrt": (3, 27),
    "gpkg": (11, 18, 28, 30, 42),
    "weights": (3, 43, 46, 56),
    "toml": (34, 35),
    "csv": (16,),
    "stac": (4, 16, 19, 24, 32, 40, 41),
    "shp": (0,),
    "result": (5, 21, 35, 37),
}


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
    unread = [verdict for verdict in verdicts if verdict.code or verdict.faults]
    assert not unread, "\n".join(map(str, unread))


def test_few_damaged_files_of_each_kind_end_in_a_result_or_in_one_line(runners, good) -> None:
    numbers = {kind: (*range(FEW), *FOUND.get(kind, ())) for kind in KINDS}
    cases = [case_of(kind, each, good) for kind, found in numbers.items() for each in found]
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
