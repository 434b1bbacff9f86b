"""Clocks that are wrong: nothing is done again for them, and nothing is passed over."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import rasterio
from distributed import LocalCluster

from batch.pairs import crops
from batch.runs import counts, found_in, run, stamps
from metriccd.batch import Cluster

PAST, FUTURE = (int(datetime(year, 1, 2, tzinfo=UTC).timestamp()) for year in (1970, 2099))
# What a node does whose clock is set while it works: time goes on from elsewhere, by turns.
JUMPS = f"""
import itertools, time
real, jumps = time.time, itertools.cycle([0, {FUTURE} - 1.8e9, -1.7e9, 0])
def wrong(known=[0.0, 0.0]):
    now = real()
    if now - known[0] > 0.3:
        known[:] = now, next(jumps)
    return now + known[1]
time.time = wrong
"""


@pytest.mark.parametrize("when", [PAST, FUTURE])
def test_files_of_another_century_are_told_by_what_they_hold(
    when: int, data: Path, tmp_path: Path, crew: Cluster
) -> None:
    manifest, out = crops(data, tmp_path / "in", "abc"), tmp_path / "out"

    def set_back() -> None:
        for path in (*tmp_path.glob("in/*"), *out.rglob("*")):
            os.utime(path, (when, when))

    set_back()
    assert counts(run(manifest, out, crew)) == (0, 3, 0, 0)
    set_back()
    before = stamps(out)
    assert counts(run(manifest, out, crew)) == (3, 0, 0, 0)
    assert stamps(out) == before
    # Another content of the same size and the same date.
    with rasterio.open(tmp_path / "in/a-t1.tif", "r+") as image:
        image.write(image.read()[:, ::-1])
    set_back()
    assert counts(run(manifest, out, crew)) == (2, 1, 0, 0)
    after = stamps(out)
    assert [after[name] == before[name] for name in "abc"] == [False, True, True]


@pytest.mark.slow
def test_a_worker_whose_clock_jumps_finds_the_same(
    tmp_path: Path, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node/sitecustomize.py").write_text(JUMPS)
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "node"), known]))
    manifest, out = undisturbed["manifest"], tmp_path / "out"
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        workers = Cluster(scheduler=cluster.scheduler_address)
        assert counts(run(manifest, out, workers)) == (0, 3, 0, 0)
        assert found_in(out) == undisturbed["found"]
        created = {json.loads(path.read_text())["created"][:2] for path in out.glob("*/*/run.json")}
        before = stamps(out)
        assert counts(run(manifest, out, workers)) == (3, 0, 0, 0)
        assert stamps(out) == before
    assert created, "no record says when"
