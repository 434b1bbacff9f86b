"""Progress: a sentence for every stage, and lines that a log can keep."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import metriccd
from metriccd.cli import progress as progress_module
from metriccd.cli.progress import SENTENCES, _bar, _Lines, show_progress
from metriccd.errors import OutputError

SOURCE = Path(metriccd.__file__).parent
# Where a stage is named: where it begins, or in what has parts that anyone can do.
STAGE = r'\b(?:stage\(|Pass\(\s*name=|name: ClassVar\[str\] =)\s*"([a-z ]+)"'


def test_every_stage_has_a_sentence_and_no_other() -> None:
    # Entries of a comparison are stages, too, and are called as their user called them.
    used = {name for path in SOURCE.rglob("*.py") for name in re.findall(STAGE, path.read_text())}
    assert used - SENTENCES.keys() == set()
    assert SENTENCES.keys() == used


def test_a_stage_is_one_line_however_often_it_advances() -> None:
    lines: list[str] = []
    show = _Lines(lines.append)
    for done in range(5):
        show("measure", done, 4)
    show("report", 0, 1)
    assert lines == ["measuring change", "writing the report"]


@pytest.mark.parametrize(("verbose", "told"), [(False, 4), (True, 21)])
def test_a_long_stage_tells_its_quarters_and_verbosely_its_twentieths(
    monkeypatch, verbose: bool, told: int
) -> None:
    monkeypatch.setattr(_Lines, "LONG", -1.0)
    lines: list[str] = []
    show = _Lines(lines.append, verbose=verbose)
    for done in range(401):
        show("measure", done, 400)
    assert len(lines) == told
    assert lines[1] == f"measuring change: {20 if verbose else 100} of 400"


@pytest.mark.parametrize(("step", "line"), [(60.0, "3 of 80, about 77 min left"), (0.5, None)])
def test_the_first_steps_foretell_what_takes_minutes(
    monkeypatch, step: float, line: str | None
) -> None:
    clock = iter(step * count for count in range(5))
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: next(clock))
    lines: list[str] = []
    show = _Lines(lines.append)
    for done in range(5):
        show("fit", done, 80)
    assert lines[1:] == ([f"fitting the networks to this pair: {line}"] if line else [])


def test_one_bar_serves_all_stages(capsys) -> None:
    with _bar() as show:
        for stage in ("check", "measure", "report"):
            for done in range(4):
                show(stage, done, 3)
    assert capsys.readouterr().err.count("\n") <= 2


def test_a_log_that_is_a_pipe_has_a_reader_or_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="nobody reads this pipe"), show_progress(True, log=pipe):
        pytest.fail("work began")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with show_progress(True, log=pipe) as show:
        show("check", 0, 1)
    assert os.read(reader, 1000).endswith(b" checking the images\n")
    os.close(reader)
