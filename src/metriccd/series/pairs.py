"""Pairs of a series: which there are, each compared by `detect_into`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from metriccd.detection import Detection, detect_into, requested
from metriccd.errors import MetricCDError
from metriccd.output import RECORD
from metriccd.pair import GIVEN, several
from metriccd.series.history import Pair, pairs_of
from metriccd.series.order import Dated
from metriccd.stages import Progress


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A pair to compare.

    Attributes:
        pair: Numbers of its images, from 0.
        name: Of its folder.
        asked: What `detect_into` is told, but where to write.
    """

    pair: Pair
    name: str
    asked: Mapping[str, Any]

    def key(self) -> str:
        """What a kept result must have in common with this pair to stand for it."""
        request, _ = requested(self.name, **self.asked)
        # Clouds are found in what the key knows, and finding them takes longer than comparing.
        detection = Detection.of(replace(request, clouds=None, progress=None))
        images = ("t1", "t2", "masks", "grid", "aoi")
        said = {name: value for name, value in self.asked.items() if name not in images}
        return hashlib.sha256(repr((said, detection.key())).encode()).hexdigest()

    def into(self, folder: Path, progress: Progress | None) -> str:
        """Compares the pair, unless its result is there already; returns the key."""
        key, note = self.key(), folder / f"{self.name}.key"
        done = note.is_file() and note.read_text(encoding="utf-8", errors="replace") == key
        if not (done and (folder / self.name / RECORD).is_file()):
            note.unlink(missing_ok=True)
            detect_into(folder / self.name, **self.asked, overwrite=True, progress=progress)
            note.write_text(key, encoding="ascii")
        return key


def comparisons(series: Sequence[Dated], asked: Mapping[str, Any]) -> list[Comparison]:
    """The pairs of a series, on the grid of its first image.

    Args:
        series: Its images, in the order of time.
        asked: What `detect_into` is told of all pairs.
    """
    found = []
    for pair in pairs_of(len(series)):
        one, other = (series[number] for number in pair)
        told: dict[str, Any] = {"t1": one.image, "t2": other.image}
        told["masks"] = (*several(asked.get("masks", ())), *one.masks, *other.masks)
        if pair[0] > 0:
            told["grid"] = series[0].raster
        given = [each.when for each in (one, other) if each.when and each.when.source == GIVEN]
        if given:
            told["dates"] = tuple(when.time.isoformat() for when in given)
        name = f"{one.name}_{other.name}"
        found.append(Comparison(pair=pair, name=name, asked=dict(asked) | told))
    return found


def compare(
    pairs: Sequence[Comparison], folder: Path, *, workers: int = 1, progress: Progress | None = None
) -> list[str]:
    """Compares all pairs; those whose results lie in `folder` already are left as they are.

    A pair that fails does not keep the others from being compared.

    Args:
        pairs: What to compare.
        folder: Where the results go.
        workers: Processes that compare a pair each.
        progress: Called with (stage, done, total) as work goes on.

    Returns:
        The key of each.

    Raises:
        MetricCDError: A pair failed; the first one's fault, and which pair it was.
    """
    told = progress if workers == 1 else None
    works: list[Callable[[], str]] = [partial(each.into, folder, told) for each in pairs]
    keys, faults = [], []
    with ExitStack() as stack:
        if workers > 1:
            works = _sent(stack, works, folder, workers)
        for number, (each, work) in enumerate(zip(pairs, works, strict=True), start=1):
            if progress is not None:
                progress(f"pair {number} of {len(pairs)}: {each.name}", 0, 1)
            try:
                keys.append(work())
            except MetricCDError as error:
                faults.append(type(error)(f"pair {each.name}: {error}"))
    if faults:
        raise faults[0]
    return keys


def _sent(
    stack: ExitStack, works: Sequence[Callable[[], str]], folder: Path, workers: int
) -> list[Callable[[], str]]:
    """The same works, done by processes of this machine from now on."""
    # Dask is installed with the extra `batch`.
    from metriccd.batch import Cluster, awaited  # noqa: PLC0415

    client = stack.enter_context(Cluster(workers=workers).opened(folder))
    return [partial(awaited, client.submit(work, pure=False)) for work in works]
