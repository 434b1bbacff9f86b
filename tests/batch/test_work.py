"""The work of one task: what is told before pixels are read, and how it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from metriccd.batch.work import Task, detect_pair, foretell


def test_clouds_are_looked_for_by_the_detection_alone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the network whoever looks fails.
    monkeypatch.setitem(sys.modules, "ukis_csmask.mask", None)
    folder = data / "oscd/pisa"
    task = Task(
        id="a",
        t1=str(folder / "imgs_1"),
        t2=str(folder / "imgs_2"),
        folder=str(tmp_path / "a"),
        thumbnail=str(tmp_path / "a.jpg"),
        arguments={"preset": "fast", "clouds": "auto"},
    )
    assert foretell(task)["status"] == "ready"
    found = detect_pair(task)
    assert found["status"] == "failed"
    assert "pip install 'metriccd[clouds]'" in found["error"]
    assert not list(tmp_path.iterdir())
