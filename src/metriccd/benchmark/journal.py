"""The journal of a benchmark: what each run found, on disk as soon as it is known."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from metriccd.accuracy import Confusion, Ranking, Scores
from metriccd.benchmark.trial import Measured
from metriccd.errors import OutputError
from metriccd.output import LOCK, RECORD, locked, require_ours, write_together
from metriccd.scene import Histogram

# Bins of a stored ranking: pooled AUC to 1e-5, AP and best F1 to 2e-4.
BINS = 2**12
FOLDER = "journal"
# What a benchmark writes beside it.
TABLES = frozenset({"table.csv", "table.json", "table.md", "curves.png", RECORD})
# What reading a file that is missing, cut or changed can raise.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A threshold rule's part of a run.

    Attributes:
        scores: Its figures.
        confusion: Its errors.
        threshold: On the difference image, where it is a single number.
        seconds: Time of the rule.
    """

    scores: Scores
    confusion: Confusion
    threshold: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """An entry on a pair.

    Attributes:
        rules: Name of a threshold rule → what it gave.
        ranking: Of the difference image, in `BINS` bins.
        seconds: Time of the difference image.
        read_seconds: Time of reading the pair.
        peak_mib: Peak resident memory of the process while the method ran.
        peak_alone: False where that may be the peak of an earlier run.
        warnings: What the user should know, a line each.
    """

    rules: Mapping[str, Outcome]
    ranking: Ranking = field(repr=False)
    seconds: float
    read_seconds: float
    peak_mib: float
    peak_alone: bool
    warnings: tuple[str, ...]


class Journal:
    """Runs by pair, entry and everything that decides their result.

    A run is found again only by the same settings; runs of other settings stay beside it.

    Attributes:
        folder: Where they are, one JSON and one NumPy archive each.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextmanager
    def opened(cls, out: Path) -> Iterator[Journal]:
        """Yields the journal in OUT, both made if not there, while no other benchmark writes it.

        Raises:
            OutputError: OUT holds something else, cannot be written, or another benchmark
                writes it.
        """
        folder = out / FOLDER
        if is_used(out) and not folder.is_dir():
            raise OutputError(
                f"OUT must be new, or an earlier benchmark to go on with: {out} is neither; "
                "choose another folder"
            )
        require_ours(out, TABLES)
        with locked(out, "benchmark"):
            try:
                folder.mkdir(exist_ok=True)
            except OSError as error:
                raise OutputError(f"OUT must be writable: {out}: {error.strerror}") from None
            yield cls(folder)

    def find(self, pair: str, entry: str, settings: Mapping[str, Any]) -> Run | None:
        """The run of these settings, or None if there is none, or it cannot be read."""
        path = self._path(pair, entry, settings)
        try:
            content = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
            with np.load(path.with_name(f"{path.name}.npz")) as arrays:
                return _run(content, arrays)
        except UNREADABLE:
            return None

    def add(
        self,
        pair: str,
        entry: str,
        settings: Mapping[str, Any],
        measured: Measured,
        read_seconds: float,
    ) -> None:
        """Keeps a run; an interrupt leaves all of it or nothing.

        Raises:
            OutputError: The folder cannot be written.
        """
        content = {
            "pair": pair,
            "entry": entry,
            "seconds": measured.seconds,
            "read_seconds": read_seconds,
            "peak_mib": measured.peak_mib,
            "peak_alone": measured.peak_alone,
            "warnings": measured.warnings,
            "rules": {
                rule: {
                    "scores": measured.scores(rule).as_dict(),
                    "confusion": asdict(decided.confusion),
                    "threshold": decided.level,
                    "seconds": decided.seconds,
                    "warnings": decided.warnings,
                }
                for rule, decided in measured.rules.items()
            },
            "settings": settings,
        }
        path = self._path(pair, entry, settings)
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"OUT must be writable: {path.parent}: {error.strerror}") from None
        # The JSON, which makes a run known, comes last.
        text = json.dumps(content, indent=1, default=sorted).encode()
        files = {f"{path.name}.npz": _packed(measured.ranking), f"{path.name}.json": text}
        write_together(path.parent, files)

    def _path(self, pair: str, entry: str, settings: Mapping[str, Any]) -> Path:
        text = json.dumps(settings, sort_keys=True, default=sorted)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self.folder / file_name(pair) / f"{file_name(entry)}-{digest}"


def is_used(out: Path) -> bool:
    """Whether OUT is a file, or a folder with more than what a benchmark begins with."""
    return out.exists() and (not out.is_dir() or any(each.name != LOCK for each in out.iterdir()))


def kept(out: Path) -> int:
    """How many runs the journal in OUT holds, and those of sets in its folders."""
    return sum(1 for _ in out.glob(f"**/{FOLDER}/*/*.json"))


def _run(content: Mapping[str, Any], arrays: Mapping[str, Any]) -> Run:
    ranking = Ranking()
    for part in ("changed", "unchanged"):
        setattr(ranking, part, Histogram.from_counts(arrays["values"], arrays[part]))
    rules = {
        rule: Outcome(
            scores=_scores(outcome["scores"]),
            confusion=Confusion(**outcome["confusion"]),
            threshold=outcome["threshold"],
            seconds=outcome["seconds"],
        )
        for rule, outcome in content["rules"].items()
    }
    warnings = [
        *content["warnings"],
        *(line for outcome in content["rules"].values() for line in outcome["warnings"]),
    ]
    return Run(
        rules=rules,
        ranking=ranking,
        warnings=tuple(dict.fromkeys(warnings)),
        **{name: content[name] for name in ("seconds", "read_seconds", "peak_mib", "peak_alone")},
    )


def _scores(figures: Mapping[str, Any]) -> Scores:
    defined: dict[str, Any] = {
        name: math.nan if value is None else value for name, value in figures.items()
    }
    return Scores(**defined)


def _packed(ranking: Ranking) -> bytes:
    """Both histograms in the bins of their sum, so that ties stay ties."""
    histogram = (ranking.changed + ranking.unchanged).coarsened(BINS)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        values=histogram.values.astype(np.float32),
        changed=histogram.share_of(ranking.changed),
        unchanged=histogram.share_of(ranking.unchanged),
    )
    return buffer.getvalue()


def file_name(name: str) -> str:
    """A name as part of a path."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "-"
