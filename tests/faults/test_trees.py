"""A command and all that it started, killed at any moment: the same command comes to the same."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from batch.runs import NET, found_in, kill_session, started, until
from metriccd.batch.journal import JOURNAL
from raster_files import FILES


def stages(out: Path) -> list[Any]:
    """What may have come to be before a kill."""
    return [
        lambda: True,
        out.exists,
        (out / "pairs").exists,
        lambda: any(out.glob("pairs/.*/result/*.tif")),
        lambda: (out / JOURNAL).exists() and (out / JOURNAL).stat().st_size,
        lambda: any(out.glob("pairs/[a-z]")),
    ]


def require_whole(out: Path) -> None:
    """What has its final name is whole."""
    for folder in out.glob("pairs/[a-z]"):
        assert {path.name for path in folder.iterdir()} >= FILES - {"cluster.tif"}
        assert json.loads((folder / "run.json").read_text())["valid_pixels"]


@pytest.mark.parametrize(
    "kills", [pytest.param(3, id="3"), pytest.param(20, id="20", marks=pytest.mark.slow)]
)
def test_a_batch_that_is_killed_at_random_moments_comes_to_the_same(
    kills: int, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    manifest, chance, count, batches = undisturbed["manifest"], random.Random(kills), 0, 0
    while True:
        out = tmp_path / f"out-{batches}"
        with started(manifest, out, "--preset", "fast") as process:
            if count < kills:
                met, more = chance.choice(stages(out)), chance.uniform(0, 0.8)
                until(lambda met=met: met() or process.poll() is not None, pause=0.002)
                time.sleep(more)
                kill_session(process)
                count += process.returncode < 0
                require_whole(out)
            if process.wait(timeout=NET) < 0:
                continue
            words = process.stderr.read()
        assert process.returncode == 0, words
        assert found_in(out) == undisturbed["found"]
        assert not list(out.glob("pairs/.*"))
        batches += 1
        if count == kills:
            return
