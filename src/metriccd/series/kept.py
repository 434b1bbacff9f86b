"""What is kept of a series until it is whole: results of its pairs, beside OUT."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from metriccd.errors import BusyError, OutputError
from metriccd.output import PAIRS, RECORD, Marker, discard, hidden_path, named, parents_of

# What the file NAME.key holds, or as much of it as there was before a kill; and folders, beside
# those of results, in which one is in the making.
KEY, MAKING = re.compile(rb"[0-9a-f]{0,64}"), re.compile(r"\.(.+)-(unfinished|linked)")


def pairs_path(out: Path) -> Path:
    """Where results of pairs are kept."""
    return hidden_path(out, "pairs")


def pairs_kept(out: Path) -> int:
    """Results of pairs that an interrupted run of `out` left."""
    return len(list(pairs_path(out).glob("*.key")))


@contextmanager
def kept_pairs(out: Path) -> Iterator[Path]:
    """Yields the folder for results of pairs; it goes when the block ends well.

    Raises:
        OutputError: It is not ours, or cannot be made.
        KeyboardInterrupt: It says what is kept.
    """
    folder = pairs_path(out)
    try:
        with ExitStack() as opening:
            opening.enter_context(parents_of(folder.parent))
            if os.path.lexists(folder):
                _require_ours(folder)
            folder.mkdir(exist_ok=True)
            Marker({}).write(folder)
            opened = opening.pop_all()
    except OSError as error:
        raise OutputError(f"OUT must be writable: {folder}: {error.strerror}") from None
    busy = False
    with opened:
        try:
            yield folder
            _clear(folder)
        except BusyError:
            busy = True
            raise
        except KeyboardInterrupt as interrupt:
            if not str(interrupt) and any(path.is_dir() for path in folder.iterdir()):
                raise KeyboardInterrupt(
                    f"{pairs_kept(out)} pairs are kept in {folder}; the same command goes on"
                ) from None
            raise
        finally:
            # Nothing is kept where nothing was finished; another process may be just about to.
            with suppress(OSError):
                if not busy and not any(path.suffix == ".key" for path in folder.iterdir()):
                    _clear(folder)


def _require_ours(folder: Path) -> None:
    """Refuses a folder that is not ours, or in which something is not.

    Raises:
        OutputError: It is, or there is.
    """
    is_folder = folder.is_dir() and not folder.is_symlink()
    # A kill may come before the list is written.
    if not is_folder or (Marker.read(folder) is None and any(folder.iterdir())):
        raise OutputError(
            f"unfinished pairs must be metriccd's: {folder} is not, it has no list; move "
            "it, or choose another folder"
        )
    foreign = [each for each in _known(folder).foreign(folder) if not MAKING.fullmatch(each)]
    if foreign:
        raise OutputError(
            f"unfinished pairs must be metriccd's: {folder} holds {named(foreign)} too; move it, "
            "or choose another folder"
        )


def _known(folder: Path) -> Marker:
    """What series put into a folder of pairs: results, by their own lists, and their keys."""
    return Marker.of(folder, [each.name for each in folder.iterdir() if _is_known(each)])


def _is_known(path: Path) -> bool:
    if path.suffix != ".key":
        return path.is_dir()
    small = path.is_file() and path.stat().st_size <= 64
    return small and KEY.fullmatch(path.read_bytes()) is not None


def _clear(folder: Path) -> None:
    """Removes what series put into a folder of pairs, and the folder, if nothing else is in it."""
    for path in folder.iterdir():
        making = MAKING.fullmatch(path.name)
        if making and making[2] == "unfinished":
            with suppress(OutputError):
                discard(folder / making[1])
    _known(folder).clear(folder)


def take_over(out: Path, folder: Path, names: Sequence[str]) -> None:
    """Takes results over from a series in OUT; whether they are the same is seen later.

    Args:
        out: Where it is.
        folder: Where results of pairs are kept.
        names: Of the pairs that are wanted.
    """
    listed = Marker.read(out)
    if listed is None or not (listed.holds(out / PAIRS) and listed.holds(out / RECORD)):
        return
    made = json.loads((out / RECORD).read_text(encoding="utf-8"))["pairs"]
    for name in names:
        record = out / PAIRS / name / RECORD
        # Another threshold may have been chosen in it since.
        same = name in made and made[name].get("record") == digest_of(record)
        if same and not (folder / name).exists():
            link(out / PAIRS / name, folder / name)
            (folder / f"{name}.key").write_text(str(made[name]["key"]), encoding="utf-8")


def digest_of(record: Path) -> str:
    """What tells a result's record from another's; empty where there is none."""
    return hashlib.sha256(record.read_bytes()).hexdigest() if record.is_file() else ""


def put(folder: Path, names: Sequence[str], result: Path) -> None:
    """Puts results of pairs into a series in the making, with a list of them.

    Args:
        folder: Where they are kept.
        names: Theirs.
        result: The series.
    """
    pairs = result / PAIRS
    pairs.mkdir()
    for name in names:
        link(folder / name, pairs / name)
    Marker.of(pairs).write(pairs)


def link(source: Path, target: Path) -> None:
    """A second name of a folder of results: files are linked where that can be, else copied.

    It appears whole or not at all; what a kill left of it goes.
    """

    def linked(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)

    partial = target.with_name(f".{target.name}-linked")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, copy_function=linked)
    partial.rename(target)
