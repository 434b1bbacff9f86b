"""The journal: the last word on each pair, whatever happened while it was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metriccd.batch.journal import JOURNAL, Journal
from metriccd.errors import OutputError


def test_the_last_word_on_a_pair_counts_also_after_it_is_opened_again(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add({"id": "a", "status": "failed"})
        journal.add({"id": "b", "status": "done", "words": "é"})
        journal.add({"id": "a", "status": "done"})
        assert journal.find("a") == {"id": "a", "status": "done"}
    with Journal(tmp_path) as journal:
        assert journal.find("a") == {"id": "a", "status": "done"}
        assert journal.find("b") == {"id": "b", "status": "done", "words": "é"}
        assert journal.find("c") is None


@pytest.mark.parametrize("cut", range(2, 40, 6))
def test_a_line_that_was_cut_off_does_not_count_nor_harm_the_next(tmp_path: Path, cut) -> None:
    with Journal(tmp_path) as journal:
        journal.add({"id": "a", "status": "done"})
        journal.add({"id": "b", "status": "done", "long": "x" * 40})
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(tmp_path) as journal:
        assert journal.find("b") is None
        journal.add({"id": "c", "status": "done"})
    with Journal(tmp_path) as journal:
        assert [bool(journal.find(name)) for name in "abc"] == [True, False, True]


def test_spoiled_lines_do_not_count(tmp_path: Path) -> None:
    lines = [b"\x00\xff\xfe", b"[1]", b"3", b"{}", b'{"id": "a", "status": "done"}', b"{"]
    (tmp_path / JOURNAL).write_bytes(b"\n".join(lines) + b"\n")
    with Journal(tmp_path) as journal:
        assert journal.find("a") == {"id": "a", "status": "done"}


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "a", "status": "done", "key": "x"}',
        '{"id": "a", "key": "x", "content": {"/etc/passwd": []}}',
        '{"id": "a", "key": "x", "content": {"/etc/passwd": 5}}',
        '{"id": "a", "key": "x", "content": [1]}',
        '{"id": "a", "key": "x", "content": {}}',
        '{"id": "a", "key": "x", "content": {}, "result": {"stamps": ""}}',
        '{"id": "a", "summary": [1]}',
        '{"id": "a", "summary": {"warnings": [{}]}}',
        '{"id": "a", "summary": {"objects": 1' + "0" * 30 + "}}",
        '{"id": "a", "footprint": 5}',
        '{"id": "a", "seconds": "x"}',
        '{"id": ["a"]}',
        '{"id": "a", "deep": ' + "[" * 100_000,
    ],
)
def test_a_line_that_no_batch_writes_does_not_count(tmp_path: Path, line: str) -> None:
    (tmp_path / JOURNAL).write_text(f'{{"id": "a", "status": "failed"}}\n{line}\n')
    with Journal(tmp_path) as journal:
        assert journal.find("a") == {"id": "a", "status": "failed"}


def test_a_journal_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine\n")
    (tmp_path / JOURNAL).symlink_to(tmp_path / "diary")
    with pytest.raises(OutputError, match="a link"):
        Journal(tmp_path)
    assert (tmp_path / "diary").read_text() == "mine\n"


def test_a_journal_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="must be writable"):
        Journal(tmp_path / "none")


def test_a_journal_is_lines_that_people_can_read(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add({"id": "é", "status": "done"})
    assert json.loads((tmp_path / JOURNAL).read_text(encoding="utf-8"))["id"] == "é"
