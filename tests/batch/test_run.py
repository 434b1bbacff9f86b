"""A batch: nothing is computed twice, one that fails ends no other, and all is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import psutil
import pytest
from distributed import LocalCluster

from batch.pairs import crops
from batch.runs import counts, entries, run, stamps, started, until
from metriccd.batch import SUMMARY, Cluster
from metriccd.errors import ClusterError, OutputError
from metriccd.result import decide_again


@pytest.fixture(scope="module")
def workers() -> Iterator[Cluster]:
    """Two real processes, which all tests of this file share."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        yield Cluster(scheduler=cluster.scheduler_address)


def test_a_rerun_does_only_what_is_new_or_changed(data: Path, tmp_path: Path, workers) -> None:
    manifest, out = crops(data, tmp_path / "in", "abc"), tmp_path / "out"
    assert counts(run(manifest, out, workers)) == (0, 3, 0, 0)
    before = stamps(out)
    assert set(before) == set("abc")
    assert {path.stem for path in out.glob("thumbnails/*.jpg")} == set("abc")

    assert counts(run(manifest, out, workers)) == (3, 0, 0, 0)
    assert stamps(out) == before

    # Another image, another setting of one row, a result that is gone, and a row more.
    (tmp_path / "in/a-t1.tif").rename(tmp_path / "in/a")
    (tmp_path / "in/a-t2.tif").rename(tmp_path / "in/a-t1.tif")
    (tmp_path / "in/a").rename(tmp_path / "in/a-t2.tif")
    crops(data, tmp_path / "more", "abcd")
    shutil.copy(tmp_path / "more/d-t1.tif", tmp_path / "in")
    shutil.copy(tmp_path / "more/d-t2.tif", tmp_path / "in")
    manifest.write_text(
        "id,t1,t2,min_pixels\na,a-t1.tif,a-t2.tif,\nb,b-t1.tif,b-t2.tif,\n"
        "c,c-t1.tif,c-t2.tif,50\nd,d-t1.tif,d-t2.tif,\n"
    )
    assert counts(run(manifest, out, workers)) == (1, 3, 0, 0)
    after = stamps(out)
    assert [after.get(name) == before.get(name) for name in "abc"] == [False, True, False]
    # Results that are gone, lack a file, or are those of another pair.
    shutil.rmtree(out / "pairs/b")
    (out / "pairs/c/change.tif").unlink()
    shutil.rmtree(out / "pairs/d")
    shutil.copytree(out / "pairs/a", out / "pairs/d")
    assert counts(run(manifest, out, workers)) == (1, 3, 0, 0)
    # One that was copied is the same, and looked through only once.
    shutil.copytree(out / "pairs/a", tmp_path / "copy")
    shutil.rmtree(out / "pairs/a")
    (tmp_path / "copy").rename(out / "pairs/a")
    lines = (out / "journal.jsonl").read_text().count("\n")
    for _ in range(2):
        assert counts(run(manifest, out, workers)) == (4, 0, 0, 0)
        assert (out / "journal.jsonl").read_text().count("\n") == lines + 1
    # One that was decided again stays, and its new figures are told.
    again = decide_again(out / "pairs/a", 0.2)
    picture = (out / "thumbnails/a.jpg").read_bytes()
    assert counts(run(manifest, out, workers)) == (4, 0, 0, 0)
    told = gpd.read_parquet(out / SUMMARY).set_index("id").loc["a"]
    assert told["threshold"] == 0.2
    assert {name: told[name] for name in ("objects", "area_m2", "rule")} == {
        name: again[name] for name in ("objects", "area_m2", "rule")
    }
    assert (out / "thumbnails/a.jpg").read_bytes() != picture


def test_broken_rows_fail_with_one_line_and_the_others_are_done(
    data: Path, tmp_path: Path, workers
) -> None:
    manifest, out = crops(data, tmp_path / "in", "abcd"), tmp_path / "out"
    (tmp_path / "in/a-t2.tif").unlink()
    whole = (tmp_path / "in/c-t1.tif").read_bytes()
    (tmp_path / "in/c-t1.tif").write_bytes(whole[: len(whole) // 2])
    standing = run(manifest, out, workers)
    assert counts(standing) == (0, 2, 2, 0)
    assert {name for name, _ in standing.failures} == {"a", "c"}
    for name, line in standing.failures:
        assert name + "-t" in line
        assert "\n" not in line
        # The fault of data: another attempt would find the same.
        assert entries(out)[name]["attempts"] == 1
    assert set(stamps(out)) == {"b", "d"}
    # Mended, the same call does the rest.
    crops(data, tmp_path / "in", "abcd")
    assert counts(run(manifest, out, workers)) == (2, 2, 0, 0)


@pytest.mark.slow
def test_a_pair_that_takes_too_long_is_given_up_and_the_worker_goes_on(
    data: Path, tmp_path: Path, workers
) -> None:
    crops(data, tmp_path / "in", "a", side=300)
    manifest = crops(data, tmp_path / "small", "bc")
    text = manifest.read_text().splitlines()
    row = f"a,{tmp_path}/in/a-t1.tif,{tmp_path}/in/a-t2.tif,"
    manifest.write_text("\n".join([text[0], row]) + "\n")
    standing = run(manifest, tmp_path / "out", workers, preset="default", timeout=1.0)
    assert counts(standing) == (0, 0, 1, 0)
    assert "--timeout" in standing.failures[0][1]
    manifest.write_text("\n".join(text) + "\n")
    assert counts(run(manifest, tmp_path / "out", workers)) == (0, 2, 0, 0)


def test_a_large_scene_is_shared_out_and_comes_out_as_it_would(
    data: Path, tmp_path: Path, workers
) -> None:
    manifest = crops(data, tmp_path / "in", "ab")
    assert counts(run(manifest, tmp_path / "whole", workers)) == (0, 2, 0, 0)
    assert counts(run(manifest, tmp_path / "shared", workers, split=100)) == (0, 2, 0, 0)
    assert counts(run(manifest, tmp_path / "shared", workers, split=100)) == (2, 0, 0, 0)
    for name in "ab":
        one, other = (
            tmp_path / each / "pairs" / name / "score.tif" for each in ("whole", "shared")
        )
        assert one.read_bytes() == other.read_bytes()
    assert {path.name for path in (tmp_path / "shared/pairs").iterdir()} == {"a", "b"}


def test_a_folder_of_something_else_or_of_a_running_batch_is_refused(
    data: Path, tmp_path: Path, workers
) -> None:
    manifest, out = crops(data, tmp_path / "in", "a"), tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(OutputError, match="neither"):
        run(manifest, out, workers)
    assert {path.name for path in out.iterdir()} == {"mine.txt"}
    with pytest.raises(ClusterError, match="must answer"):
        run(manifest, tmp_path / "new", Cluster(scheduler="tcp://127.0.0.1:1"))


def test_workers_that_do_not_see_out_are_refused(tmp_path: Path, workers) -> None:
    with pytest.raises(ClusterError, match="must see OUT"), workers.opened(tmp_path / "none"):
        pass


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_pair_one_attempt(data: Path, tmp_path: Path) -> None:
    manifest, out = crops(data, tmp_path / "in", "ab"), tmp_path / "out"
    with started(manifest, out, "--preset", "fast") as process:
        until((out / "pairs/.a-unfinished").exists)
        below = psutil.Process(process.pid).children(recursive=True)
        (worker,) = [each for each in below if "spawn_main" in " ".join(each.cmdline())]
        worker.kill()
        told, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    assert json.loads(told)["done"] == 2
    assert (entries(out)["a"]["attempts"], entries(out)["b"]["attempts"]) == (2, 1)


def test_an_interrupt_while_workers_start_is_one_line(data: Path, tmp_path: Path) -> None:
    manifest, out = crops(data, tmp_path / "in", "ab"), tmp_path / "out"
    with started(manifest, out, "--preset", "fast") as process:
        command = psutil.Process(process.pid)
        until(lambda: any("spawn_main" in " ".join(e.cmdline()) for e in command.children()))
        below = command.children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert words == "interrupted: the same command goes on\n"
    assert not psutil.wait_procs(below, timeout=10)[1]


def test_the_first_interrupt_lets_pairs_end_and_the_same_command_goes_on(
    data: Path, tmp_path: Path
) -> None:
    manifest, out = crops(data, tmp_path / "in", "abcdef"), tmp_path / "out"
    with started(manifest, out, "--preset", "fast") as process:
        until((out / "pairs/.a-unfinished").exists)
        # As a terminal does: all processes hear it.
        os.killpg(process.pid, signal.SIGINT)
        told, words = process.communicate(timeout=240)
    assert process.returncode == 130, words
    found = json.loads(told)
    assert found["done"] >= 1
    assert found["left"] >= 3
    assert found["failed"] == 0
    assert not list(out.glob("pairs/.*"))
    before = stamps(out)
    with started(manifest, out, "--preset", "fast") as process:
        told, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    assert json.loads(told)["kept"] == found["done"]
    assert before.items() <= stamps(out).items()


@pytest.mark.slow
def test_the_second_interrupt_ends_at_once(data: Path, tmp_path: Path) -> None:
    manifest, out = crops(data, tmp_path / "in", "ab", side=300), tmp_path / "out"
    with started(manifest, out) as process:
        until((out / "pairs/.a-unfinished").exists)
        with pytest.raises(OutputError, match="another one writes"):
            run(manifest, out, Cluster())
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(1.0)
        begun = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, words = process.communicate(timeout=60)
    assert process.returncode == 130, words
    assert "the same command goes on" in words
    assert time.monotonic() - begun < 30
    assert not (out / "pairs/b").exists()
