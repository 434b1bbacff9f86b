"""The command for many pairs: exit codes, what is said, and what is left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from batch.pairs import crops
from metriccd.batch import Standing
from metriccd.batch.standing import Running
from metriccd.cli import main
from metriccd.cli.progress import show_standing


@pytest.fixture(scope="module")
def workers() -> Iterator[str]:
    """Address of two real processes."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address


def run(*arguments: object, capsys) -> tuple[int, str, str]:
    code = main([str(argument) for argument in ("batch", *arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_all_done_is_0_and_some_failed_is_4(data: Path, tmp_path: Path, workers, capsys) -> None:
    manifest, out = crops(data, tmp_path / "in", "ab"), tmp_path / "out"
    asked = (manifest, "-o", out, "--scheduler", workers, "--preset", "fast")
    code, words, told = run(*asked, capsys=capsys)
    assert code == 0, told
    assert "2 of 2 pairs are done" in words
    assert f"{out}/index.html" in words
    assert "a minute" in told
    manifest.write_text(f"{manifest.read_text()}c,none.tif,a-t2.tif,\n")
    code, words, told = run(*asked, "--json", capsys=capsys)
    found = json.loads(words)
    assert code == 4
    assert (found["kept"], found["done"], found["failed"], found["left"]) == (2, 0, 1, 0)
    assert found["failures"][0]["id"] == "c"
    assert "none.tif" in found["failures"][0]["error"]
    code, words, told = run(*asked, "--quiet", capsys=capsys)
    assert (code, words) == (4, "")
    assert told.startswith("failed: c: ")


def test_a_dry_run_opens_all_and_leaves_nothing(
    data: Path, tmp_path: Path, workers, capsys
) -> None:
    manifest, out = crops(data, tmp_path / "in", "ab"), tmp_path / "out"
    asked = (manifest, "-o", out, "--scheduler", workers, "--dry-run")
    code, words, _ = run(*asked, "--json", capsys=capsys)
    found = json.loads(words)
    assert (code, found["pairs"], found["ready"], found["refused"]) == (0, 2, 2, [])
    assert found["seconds"] > 0
    manifest.write_text("t1,t2,min_area,zones\na-t1.tif,none.tif,,\na-t1.tif,a-t2.tif,,no.gpkg\n")
    code, _, told = run(*asked, capsys=capsys)
    assert code == 4
    assert "none.tif" in told
    assert "no.gpkg" in told
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        ("t1,t2\na,b\na,b\n", (), 3),
        ("t1,t2\n", (), 3),
        ("t1,t2\na,b\n", ("--method", "magic"), 2),
        ("t1,t2\na,b\n", ("--method", "unet", "--checkpoint", "none.safetensors"), 3),
        ("t1,t2\na,b\n", ("--workers", "0"), 2),
        ("t1,t2\na,b\n", ("--workers", "2", "--scheduler", "tcp://127.0.0.1:1"), 2),
        ("t1,t2\na,b\n", ("--scheduler", "tcp://127.0.0.1:1", "--dry-run"), 3),
    ],
)
def test_what_cannot_begin_is_one_line_and_nothing_is_written(
    tmp_path: Path, text: str, options, code: int, capsys
) -> None:
    manifest, out = tmp_path / "pairs.csv", tmp_path / "out"
    manifest.write_text(text)
    assert run(manifest, "-o", out, *options, capsys=capsys)[0] == code
    assert not out.exists()


def test_a_manifest_in_out_is_refused_before_work(tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.parquet").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(out)
    for manifest in (out / "summary.parquet", tmp_path / "link/summary.parquet"):
        code, _, told = run(manifest, "-o", out, capsys=capsys)
        assert code == 3
        assert "OUT must not hold the manifest" in told
    assert [path.name for path in out.iterdir()] == ["summary.parquet"]


def test_watchers_see_lines_where_there_is_no_terminal(capsys) -> None:
    standing = Standing(total=40, kept=8, workers=2)
    standing.running["x"] = Running(id="x", attempt=1, worker="w", since=0, limit=9)
    with show_standing(False) as show:
        for _ in range(16):
            standing.done += 1
            show(standing)
        standing.draining = True
        standing.failed = 8
        show(standing)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 6
    assert "of 40 pairs, 8 of an earlier run" in lines[0]
    assert "8 failed" in lines[-1]
    assert "no new ones" in lines[-1]


def test_lines_of_the_live_table_are_not_cut_where_little_is_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    standing = Standing(total=2000, kept=800, done=600, failed=1, workers=2, draining=True)
    for running in ({}, {"x": Running(id="x", attempt=1, worker="tls://h:1", since=0, limit=9)}):
        standing.running = running
        with show_standing(False) as show:
            show(standing)
        told = capsys.readouterr().err
        assert "1,401 of 2,000 pairs, 800 of an earlier run, 1 failed" in told
        assert "ending: no new ones are begun" in told
        assert " left" not in told
        assert "Ctrl-C again ends at once; either way the same command goes on." in told
        assert ("attempt" in told) is bool(running)
        assert "tls://" not in told
