"""The output folder: it appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from metriccd.errors import OutputError
from metriccd.scene import FINISHED

# The file by which a folder is known as a result of ours, which may be replaced.
RECORD = "run.json"

# Of an unfinished result: intermediate files, and the number of the process that makes it.
WORK, LOCK = "work", "process"

# Files of a result; a decision on the same score replaces all of them.
RESULT = frozenset(
    {
        RECORD,
        *("score.tif", "score.qml", "score.sld", "score.tif.aux.xml"),
        *("change.tif", "change.qml", "change.sld", "change.tif.aux.xml"),
        *("kind.tif", "kind.qml", "kind.sld", "kind.tif.aux.xml"),
        *("cluster.tif", "cluster.qml", "cluster.sld", "cluster.tif.aux.xml"),
        *("direction.tif", "direction.qml", "direction.sld", "direction.tif.aux.xml"),
        "potential.tif",
        *("change.gpkg", "polygons.qml", "polygons.sld", "zones.csv"),
        *("polygons.geojson", "polygons.parquet", "polygons.fgb"),
        *("before-view.tif", "after-view.tif", "project.qgz"),
        *("report.html", "preview.png", "preview-large.png", "item.json"),
        # What evaluation adds is about one change map.
        *("evaluation.json", "errors.png", "curves.png"),
    }
)
# All files that the commands write into OUT; anything else there is the user's.
OURS = RESULT | {
    *("before.tif", "after.tif", "reference.tif"),
    *("table.csv", "table.json", "table.md", "panel.png"),
}


@contextmanager
def output_folder(
    out: Path,
    *,
    overwrite: bool = False,
    keep: bool = False,
    inputs: Sequence[str | Path] = (),
) -> Iterator[Path]:
    """Yields an empty folder beside `out` that takes its place when the block ends well.

    Whatever goes wrong in between, also an interrupt, leaves `out` as it was.

    Args:
        out: Where the result shall be. Missing parent folders are made.
        overwrite: Replace an earlier result there.
        keep: Replace whatever is there: the block has taken over what is to stay.
        inputs: What is read meanwhile; none of it may lie in `out`.

    Raises:
        OutputError: `out` exists and may not be replaced, or cannot be written.
    """
    out, parents = _prepare(out, overwrite, inputs, keep=keep)
    try:
        partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    except OSError as error:
        _remove_empty(parents)
        raise OutputError(_unwritable(out, error)) from None
    try:
        yield partial
        partial.chmod(0o777 & ~_umask())
        if not keep:
            # Someone else may have put something there in the meantime.
            _check(out, overwrite)
        _swap(partial, out)
    except BaseException:
        _abandon(partial, parents)
        raise


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A folder in which a result is made.

    Attributes:
        folder: Where its files go.
    """

    folder: Path

    def work(self, key: str) -> Path:
        """A folder within for intermediate files; emptied where it was made for another key."""
        work = self.folder / WORK
        key_file = work / "key"
        if not key_file.exists() or key_file.read_text(encoding="ascii") != key:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            key_file.write_text(key, encoding="ascii")
        return work


@contextmanager
def unfinished_folder(
    out: Path, *, overwrite: bool = False, inputs: Sequence[str | Path] = ()
) -> Iterator[Unfinished]:
    """Like `output_folder`, but what an interrupt leaves is kept, for the next run to go on with.

    Its intermediate files vanish when the block ends well; a fault leaves nothing, nor does an
    interrupt before the first tile is finished.

    Args:
        out: Where the result shall be.
        overwrite: Replace an earlier result there.
        inputs: What is read meanwhile; none of it may lie in `out`.

    Raises:
        OutputError: `out` exists and may not be replaced, cannot be written, or is being made.
    """
    out, parents = _prepare(out, overwrite, inputs)
    partial = unfinished_path(out)
    try:
        partial.mkdir(exist_ok=True)
        _lock(partial, out)
    except OSError as error:
        _remove_empty(parents)
        raise OutputError(_unwritable(out, error)) from None
    try:
        _clear(partial)
        yield Unfinished(folder=partial)
        _check(out, overwrite)
        shutil.rmtree(partial / WORK, ignore_errors=True)
        (partial / LOCK).unlink()
        partial.chmod(0o777 & ~_umask())
        _swap(partial, out)
    except KeyboardInterrupt:
        if not (partial / WORK / FINISHED).exists():
            _abandon(partial, parents)
        raise
    except BaseException:
        _abandon(partial, parents)
        raise


def unfinished_path(out: Path) -> Path:
    """Where the unfinished result of `out` is."""
    return out.resolve().with_name(f".{out.resolve().name}-unfinished")


def tiles_kept(out: Path) -> int:
    """Finished tiles that an interrupted run of `out` left; the same run goes on with them."""
    journal = unfinished_path(out) / WORK / FINISHED
    return journal.read_text(encoding="ascii").count("\n") if journal.is_file() else 0


def _lock(partial: Path, out: Path) -> None:
    """Keeps two runs out of one folder.

    Raises:
        OutputError: The process that made it is alive.
    """
    lock = partial / LOCK
    try:
        owner = int(lock.read_text(encoding="ascii"))
    except (OSError, ValueError):
        owner = None
    if owner is not None and owner != os.getpid() and _alive(owner):
        raise OutputError(
            f"OUT must not be in the making: process {owner} writes {out}; "
            "wait for it, or choose another folder"
        )
    lock.write_text(str(os.getpid()), encoding="ascii")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _clear(partial: Path) -> None:
    """Removes what an interrupted run left but its intermediate files."""
    for path in partial.iterdir():
        if path.name in {WORK, LOCK}:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Adds files to a folder: all are written before the first takes its name.

    Raises:
        OutputError: The folder cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
            for name, content in files.items():
                (Path(partial) / name).write_bytes(content)
            for name in files:
                (Path(partial) / name).replace(folder / name)
    except OSError as error:
        raise OutputError(_unwritable(folder, error)) from None


def _prepare(
    out: Path, overwrite: bool, inputs: Sequence[str | Path], *, keep: bool = False
) -> tuple[Path, list[Path]]:
    """Checks that `out` may be written and makes its parents; returns it and those made."""
    out = out.resolve()
    for path in inputs:
        if Path(path).resolve().is_relative_to(out):
            raise OutputError(f"OUT must not hold the images: {path} lies in it; choose another")
    if not keep:
        _check(out, overwrite)
    return out, _make_parents(out.parent)


def _abandon(partial: Path, parents: list[Path]) -> None:
    """Removes an unfinished result and the parents made for it."""
    shutil.rmtree(partial, ignore_errors=True)
    _remove_empty(parents)


def _check(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise OutputError(f"OUT must not exist: {out} does; choose another or use --overwrite")
    if not (out / RECORD).is_file():
        raise OutputError(
            f"--overwrite replaces only a result of metriccd: {out} holds no {RECORD}; "
            "choose another folder"
        )
    foreign = sorted({path.name for path in out.iterdir()} - OURS)
    if foreign:
        raise OutputError(
            f"--overwrite replaces only files of metriccd: {out} holds {foreign[0]} too; "
            "move it, or choose another folder"
        )


def _make_parents(folder: Path) -> list[Path]:
    """Makes a folder and its parents; returns the ones made, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove_empty(missing)
        raise OutputError(_unwritable(folder, error)) from None
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _swap(partial: Path, out: Path) -> None:
    """Puts `partial` in the place of `out`; an earlier result goes only once that is done."""
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-old-") as old:
        try:
            if out.exists():
                out.rename(Path(old) / out.name)
            partial.rename(out)
        except OSError as error:
            raise OutputError(_unwritable(out, error)) from None
        finally:
            if (Path(old) / out.name).exists() and not out.exists():
                (Path(old) / out.name).rename(out)


def _umask() -> int:
    """The permissions that the user takes from new folders; reading them means setting them."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(path: Path, error: OSError) -> str:
    return f"OUT must be writable: {path}: {error.strerror or error}; choose another folder"
