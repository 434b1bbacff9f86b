"""What never answers is refused, or given up in time, while others finish."""

from __future__ import annotations

import os
from pathlib import Path

from batch.pairs import crops
from batch.runs import counts, run
from metriccd.batch import Cluster


def test_a_pipe_in_a_manifest_is_refused_and_the_others_are_done(
    data: Path, tmp_path: Path, crew: Cluster
) -> None:
    manifest, out = crops(data, tmp_path / "in", "ab"), tmp_path / "out"
    (tmp_path / "in/a-t1.tif").unlink()
    os.mkfifo(tmp_path / "in/a-t1.tif")
    standing = run(manifest, out, crew)
    assert counts(standing) == (0, 1, 1, 0)
    assert "a-t1.tif" in standing.failures[0][1]
    # Also where a pair was done of what is a pipe now.
    (tmp_path / "in/b-t2.tif").unlink()
    os.mkfifo(tmp_path / "in/b-t2.tif")
    standing = run(manifest, out, crew)
    assert counts(standing) == (0, 0, 2, 0)


def test_a_server_that_never_answers_costs_its_pair_alone(
    data: Path, tmp_path: Path, crew: Cluster, silent: str, patience: float
) -> None:
    manifest, out = crops(data, tmp_path / "in", "ab"), tmp_path / "out"
    text = manifest.read_text().replace("a-t1.tif", f"{silent}/a-t1.tif")
    manifest.write_text(text)
    standing = run(manifest, out, crew, allow_remote=True, timeout=patience)
    assert counts(standing) == (0, 1, 1, 0)
    name, line = standing.failures[0]
    assert name == "a"
    assert "--timeout" in line or silent in line
