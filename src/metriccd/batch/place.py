"""OUT of a batch: where each thing is, and that one batch at a time writes it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from metriccd.errors import OutputError
from metriccd.output import LOCK, locked

# The file by which a folder is known as a batch, which may be gone on with.
MARKER = "batch.json"
# Bytes of a marker: one of ours has some dozens.
LARGEST = 4096


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder of results.

    Attributes:
        out: The folder.
    """

    out: Path

    @classmethod
    @contextlib.contextmanager
    def opened(cls, out: Path) -> Iterator[Place]:
        """Yields OUT, made if it is not there, while no other batch may write it.

        Raises:
            OutputError: It holds something else, cannot be written, or another batch writes it.
        """
        out = out.absolute()
        try:
            str(out).encode()
        except UnicodeEncodeError:
            # Found only by who writes the summary, when all pairs are done.
            raise OutputError(
                f"OUT must have a name in UTF-8: got {str(out)!r}; choose another folder"
            ) from None
        known = _is_ours(out / MARKER)
        if not known and out.exists() and not _is_new(out):
            raise OutputError(
                f"OUT must be new, or an earlier batch to go on with: {out} is neither; "
                "choose another folder"
            )
        with locked(out, "batch"):
            if not known:
                content = {"metriccd": version("metriccd")}
                with replaced(out / MARKER) as partial:
                    partial.write_text(json.dumps(content), encoding="utf-8")
            yield cls(out=out)

    def result(self, name: str) -> Path:
        """Where the result of a pair is."""
        return self.out / "pairs" / name

    def thumbnail(self, name: str) -> Path:
        """Where the small picture of a pair is."""
        return self.out / "thumbnails" / f"{name}.jpg"


@contextlib.contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """Yields the name of a file to write, which takes that of `target` when the block ends well.

    Only one process writes a batch, so the name is always the same, and a kill leaves one file.
    """
    partial = _partial(target)
    # It may be a link, which would be followed.
    partial.unlink(missing_ok=True)
    yield partial
    partial.replace(target)


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}")


def _is_ours(marker: Path) -> bool:
    """Whether a file is what a batch writes, and not another program's of the same name."""
    try:
        small = marker.is_file() and marker.stat().st_size < LARGEST
        content = json.loads(marker.read_bytes()) if small else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "metriccd" in content


def _is_new(out: Path) -> bool:
    """Whether a folder holds nothing, or nothing but what a batch begins with."""
    return out.is_dir() and {path.name for path in out.iterdir()} <= {
        LOCK,
        _partial(out / MARKER).name,
    }
