"""Disks that are full, files that are cut: a line each, nothing partial, and the rest is done."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from batch.pairs import crops
from batch.runs import NET, counts, entries, found_in, run, stamps
from faults.moments import caught
from metriccd.batch import Cluster
from metriccd.errors import MetricCDError
from raster_files import FILES


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2500k", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("needs the right to mount a disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def fill(disk: Path) -> None:
    """Takes all the room there is on a disk."""
    with contextlib.suppress(OSError), (disk / "full").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


def require_whole(out: Path) -> None:
    for folder in out.glob("pairs/[a-z]"):
        assert {path.name for path in folder.iterdir()} >= FILES - {"cluster.tif"}


def test_when_a_disk_gets_full_pairs_fail_in_a_line_and_are_done_when_there_is_room(
    disk: Path, crew: Cluster, undisturbed: dict[str, Any]
) -> None:
    manifest, out = undisturbed["manifest"], disk / "out"
    # A pair begins only where there is room for several times what it takes.
    resize(disk, "256m")
    with ThreadPoolExecutor() as pool:
        batch = pool.submit(run, manifest, out, crew)
        process = caught(out, "b", "writes")
        fill(disk)
        os.kill(process, signal.SIGCONT)
        try:
            standing = batch.result(timeout=NET)
        except MetricCDError as error:
            lines = [str(error)]
        else:
            # A pair that fails gives its room back, with which another one may get done.
            assert standing.failures
            lines = [line for _, line in standing.failures]
            # Another attempt might have had room.
            assert {entries(out)[name]["attempts"] for name, _ in standing.failures} == {3}
            assert not any((out / "pairs" / name).exists() for name, _ in standing.failures)
    for line in lines:
        assert "\n" not in line
        # As the system says it, SQLite, or whoever looks before.
        assert any(word in line for word in ("No space left", "disk is full", "are free")), line
    require_whole(out)
    before = stamps(out)
    done = {name for name, each in entries(out).items() if each["status"] == "done"}
    (disk / "full").unlink()
    standing = run(manifest, out, crew)
    assert (standing.kept, standing.failed, standing.left) == (len(done), 0, 0)
    assert found_in(out) == undisturbed["found"]
    assert {name: stamps(out)[name] for name in done} == {name: before[name] for name in done}


def test_a_disk_without_any_room_ends_a_batch_in_a_line(
    disk: Path, crew: Cluster, undisturbed: dict[str, Any]
) -> None:
    manifest, out = undisturbed["manifest"], disk / "out"
    fill(disk)
    with pytest.raises((MetricCDError, OSError), match="No space left"):
        run(manifest, out, crew)
    (disk / "full").unlink()
    resize(disk, "256m")
    assert counts(run(manifest, out, crew)) == (0, 3, 0, 0)


def test_workers_that_may_write_no_large_files_say_so(
    tmp_path: Path, crew: Cluster, undisturbed: dict[str, Any]
) -> None:
    manifest, out = undisturbed["manifest"], tmp_path / "out"
    with crew.opened(tmp_path) as client:
        processes = [psutil.Process(number) for number in client.run(_process).values()]
    _, most = processes[0].rlimit(psutil.RLIMIT_FSIZE)
    try:
        for each in processes:
            each.rlimit(psutil.RLIMIT_FSIZE, (60_000, most))
        standing = run(manifest, out, crew)
    finally:
        for each in processes:
            each.rlimit(psutil.RLIMIT_FSIZE, (most, most))
    assert counts(standing) == (0, 0, 3, 0)
    assert all("File too large" in line for _, line in standing.failures), standing.failures
    assert not list(out.glob("pairs/[a-z]"))
    assert counts(run(manifest, out, crew)) == (0, 3, 0, 0)
    assert found_in(out) == undisturbed["found"]


def _process() -> int:
    return psutil.Process().pid


def test_images_that_are_cut_off_fail_and_the_others_are_done(
    data: Path, tmp_path: Path, crew: Cluster
) -> None:
    manifest, out = crops(data, tmp_path / "in", "abcde"), tmp_path / "out"
    whole = {name: (tmp_path / f"in/{name}-t1.tif").read_bytes() for name in "ace"}
    for name, share in (("a", 0.0), ("c", 0.02), ("e", 0.7)):
        cut = whole[name][: int(share * len(whole[name]))]
        (tmp_path / f"in/{name}-t1.tif").write_bytes(cut)
    standing = run(manifest, out, crew)
    assert counts(standing) == (0, 2, 3, 0)
    assert {name for name, _ in standing.failures} == set("ace")
    assert all(f"{name}-t1.tif" in line for name, line in standing.failures), standing.failures
    assert set(stamps(out)) == set("bd")
    for name, content in whole.items():
        (tmp_path / f"in/{name}-t1.tif").write_bytes(content)
    assert counts(run(manifest, out, crew)) == (2, 3, 0, 0)
