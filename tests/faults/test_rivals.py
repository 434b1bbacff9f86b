"""Several commands on one folder: one works, the others say so, and nobody's work is lost."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from batch.pairs import crops
from batch.runs import NET, commanded, counts, entries, found_in, kill_session, run, started, until
from metriccd.batch import Cluster
from metriccd.demo.synthetic import land_scene
from raster_files import write


def test_of_two_batches_that_begin_at_once_one_works(data: Path, tmp_path: Path) -> None:
    manifest, out = crops(data, tmp_path / "in", "ab"), tmp_path / "out"
    with contextlib.ExitStack() as stack:
        both = [stack.enter_context(started(manifest, out, "--preset", "fast")) for _ in range(2)]
        told = [each.communicate(timeout=NET) for each in both]
    # One may come so late that all is done.
    assert sorted(each.returncode for each in both) in ([0, 3], [0, 0]), told
    assert sum(json.loads(said)["done"] for said, _ in told if said) == 2, told
    for process, (_, words) in zip(both, told, strict=True):
        if process.returncode:
            assert "one batch at a time writes a folder" in words
            assert len(words.strip().splitlines()) == 1


def test_a_batch_that_was_killed_as_it_made_its_folder_goes_on(
    data: Path, tmp_path: Path, crew: Cluster
) -> None:
    manifest, out = crops(data, tmp_path / "in", "a"), tmp_path / "out"
    out.mkdir()
    (out / ".lock").touch()
    assert counts(run(manifest, out, crew)) == (0, 1, 0, 0)


def test_a_detection_into_the_folder_of_a_pair_and_a_batch_wait_for_each_other(
    tmp_path: Path, crew: Cluster, undisturbed: dict[str, Any]
) -> None:
    manifest, out = undisturbed["manifest"], tmp_path / "out"
    images = [str(manifest.parent / f"a-{date}.tif") for date in ("t1", "t2")]
    place = out / "pairs/a"
    place.parent.mkdir(parents=True)
    command = ("detect", *images, "-o", str(place), "--preset", "fast", "-q")
    with commanded(*command) as process:
        until((place.parent / ".a-unfinished").is_dir, pause=0.002)
        # A batch, not somebody else's folder.
        (out / "batch.json").write_text('{"metriccd": "0"}')
        standing = run(manifest, out, crew)
        _, words = process.communicate(timeout=NET)
    assert process.returncode == 0, words
    assert counts(standing) == (0, 3, 0, 0), standing.failures
    assert found_in(out) == undisturbed["found"]
    assert entries(out)["a"]["status"] == "done"
    # And the other way round: one that is there is not replaced unasked.
    with commanded(*command) as process:
        _, words = process.communicate(timeout=NET)
    assert process.returncode == 3, words
    assert found_in(out) == undisturbed["found"]


@pytest.mark.slow
def test_of_two_benchmarks_one_works_until_it_is_killed(tmp_path: Path) -> None:
    scene = land_scene(64, 64, seed=0)
    images = {"t1": scene.t1, "t2": scene.t2, "reference": scene.reference[None].astype("uint8")}
    for part, pixels in images.items():
        (tmp_path / "set" / part).mkdir(parents=True)
        write(tmp_path / "set" / part / "a.tif", pixels)
    # It would take minutes.
    grid = tmp_path / "grid.toml"
    grid.write_text('[[rows]]\nname = "long"\nmethod = "metric"\nsteps = 1000000\n')
    out = tmp_path / "out"
    command = ("benchmark", "plain", "--root", str(tmp_path / "set"), "-o", str(out), "-q")
    command = (*command, "--methods", "cva")
    with commanded(*command, "--grid", str(grid)) as first:
        until(lambda: any(out.glob("journal/*/*.json")))
        kept = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        with commanded(*command) as second:
            _, words = second.communicate(timeout=NET)
        assert second.returncode == 3, words
        assert "one benchmark at a time writes a folder" in words
        assert len(words.strip().splitlines()) == 1
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept
        assert first.poll() is None
        kill_session(first)
    with commanded(*command) as second:
        _, words = second.communicate(timeout=NET)
    assert second.returncode == 0, words
    assert kept.items() <= {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}.items()
