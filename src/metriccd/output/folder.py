"""The output folder: it appears whole or not at all, and replaces nothing but what is ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from metriccd.errors import OutputError
from metriccd.output.exchange import undisturbed
from metriccd.output.inputs import require_apart, require_files_apart
from metriccd.output.marker import MARKER, Marker
from metriccd.output.names import RESULT
from metriccd.output.place import require_own, resolved, unfinished_path, unwritable
from metriccd.output.workshop import KEY, OLD, Workshop, is_workshop, workshop
from metriccd.scene import left_in

# Foreign files that a line names, and seconds that an addition waits for another process.
NAMED, WAIT = 3, 10.0


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
        keep: Replace the files of a result there; whatever else there is stays.
        inputs: What is read meanwhile; none of it may lie in `out`.

    Raises:
        OutputError: `out` exists and may not be replaced, cannot be written, or is being made.
        KeyboardInterrupt: It says whether the result was already in place.
    """
    with _opened(out, overwrite=overwrite, keep=keep, inputs=inputs) as making:
        yield making.shop.result
        making.finish()


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A folder in which a result is made.

    Attributes:
        shop: Where it is made.
        paused: Whether it is left unfinished.
    """

    shop: Workshop
    paused: list[bool] = field(default_factory=list, repr=False)

    def pause(self) -> None:
        """Leaves what is kept when the block ends, and no result: another process goes on."""
        self.paused.append(True)

    @property
    def folder(self) -> Path:
        """Where its files go."""
        return self.shop.result

    def work(self, key: str) -> Path:
        """A folder for intermediate files; emptied where it was made for another key.

        Raises:
            OutputError: There is something in it that no run of ours writes.
        """
        work = self.shop.work
        file = work / KEY
        self.shop.require_work()
        if not file.is_file() or file.read_bytes() != key.encode():
            self.shop.clear_work()
            work.mkdir()
            file.write_text(key, encoding="ascii")
        return work

    def require_apart(self, files: Iterable[Path]) -> None:
        """Refuses inputs in OUT that are known only once the images are open.

        Raises:
            OutputError: One lies in it.
        """
        require_files_apart(self.shop.out, files)


@contextmanager
def unfinished_folder(
    out: Path, *, overwrite: bool = False, inputs: Sequence[str | Path] = ()
) -> Iterator[Unfinished]:
    """Like `output_folder`, but what an interrupt leaves is kept, for the next run to go on with.

    Its intermediate files vanish when the block ends well; a fault leaves nothing, nor does an
    interrupt before anything is found.

    Args:
        out: Where the result shall be.
        overwrite: Replace an earlier result there.
        inputs: What is read meanwhile; none of it may lie in `out`.

    Raises:
        OutputError: `out` exists and may not be replaced, cannot be written, or is being made.
        KeyboardInterrupt: It says what is kept, or whether the result was already in place.
    """
    with _opened(out, overwrite=overwrite, inputs=inputs) as making:
        making.resumes = True
        unfinished = Unfinished(shop=making.shop)
        yield unfinished
        if unfinished.paused:
            making.shop.clear_result()
        else:
            making.finish()


class _Making:
    """A result in the making.

    Attributes:
        shop: Where it is made.
        resumes: Whether an interrupt leaves what is finished.
        placed: Whether it is in place.
    """

    def __init__(self, shop: Workshop, check: Callable[[], Marker], *, keep: bool) -> None:
        self.shop, self.resumes, self.placed = shop, False, False
        self._check, self._keep = check, keep

    def finish(self) -> None:
        """Puts the result in its place."""
        out, result = self.shop.out, self.shop.result
        try:
            made = Marker.of(result)
            # Someone else may have put something there in the meantime.
            stays = self._check()
            (made | stays if self._keep else made).write(result)
            with undisturbed():
                self.shop.place()
                self.placed = True
                self.shop.clear_old()
                if self.resumes:
                    self.shop.clear_work()
        except OSError as error:
            raise OutputError(unwritable(out, error)) from None

    def abandon(self) -> None:
        """Leaves nothing of it but what is not ours."""
        if not self.placed:
            with suppress(OSError, OutputError):
                self.shop.clear_result()
                if self.resumes:
                    self.shop.clear_work()

    def interrupted(self) -> KeyboardInterrupt:
        """What is true after an interrupt."""
        if self.placed:
            return KeyboardInterrupt(f"the result was already in place: {self.shop.out}")
        if self.resumes and left_in(self.shop.work):
            with suppress(OSError, OutputError):
                self.shop.clear_result()
            return KeyboardInterrupt(
                f"what is finished is kept in {self.shop.folder}; the same command goes on"
            )
        self.abandon()
        return KeyboardInterrupt()


@contextmanager
def _opened(
    out: Path, *, overwrite: bool, keep: bool = False, inputs: Sequence[str | Path]
) -> Iterator[_Making]:
    """A workshop in which a result is made, and cleaned up whatever happens."""
    target = resolved(out)

    def check() -> Marker:
        return _require_kept(target) if keep else _require_replaceable(target, overwrite)

    try:
        with ExitStack() as opening:
            opening.enter_context(parents_of(target.parent))
            shop = opening.enter_context(workshop(target))
            check()
            require_apart(target, inputs)
            shop.result.mkdir()
            opened = opening.pop_all()
    except OSError as error:
        raise OutputError(unwritable(target, error)) from None
    making = _Making(shop, check, keep=keep)
    with opened:
        try:
            yield making
        except KeyboardInterrupt:
            raise making.interrupted() from None
        except BaseException:
            making.abandon()
            raise


def restored(out: Path) -> bool:
    """Puts OUT's result back where a process was killed while it replaced it; True if it did.

    Raises:
        OutputError: It cannot be put back.
    """
    folder = unfinished_path(out)
    if not (is_workshop(folder) and (folder / OLD).is_dir() and not out.exists()):
        return False
    target = resolved(out)
    try:
        with workshop(target, wait=WAIT) as shop:
            return shop.restored
    except OSError as error:
        raise OutputError(unwritable(target, error)) from None


def discard(out: Path) -> None:
    """Removes what an interrupted run left beside OUT.

    Raises:
        OutputError: It is not ours, or another process works there.
    """
    target = resolved(out)
    try:
        with workshop(target) as shop:
            shop.clear_work()
    except OSError as error:
        raise OutputError(unwritable(target, error)) from None


def _require_replaceable(out: Path, overwrite: bool) -> Marker:
    """The list of what OUT holds, all of which may go.

    Raises:
        OutputError: There is something that is not ours, or nothing may go.
    """
    if not out.exists() or not any(out.iterdir()):
        return Marker({})
    if not overwrite:
        raise OutputError(
            f"OUT must not exist: {out} does; choose another, or replace it with "
            "--overwrite (in Python overwrite=True)"
        )
    marker = _list_of(out, "--overwrite replaces")
    foreign = marker.foreign(out)
    if foreign:
        raise OutputError(
            f"--overwrite replaces only what metriccd wrote: {out} holds {named(foreign)} too; "
            "move it, or choose another folder"
        )
    return marker


def _require_kept(out: Path) -> Marker:
    """The list of what OUT holds that stays when its result is replaced.

    Raises:
        OutputError: A file of a result is not ours, or was changed.
    """
    marker = _list_of(out, "threshold replaces")
    foreign = [each for each in marker.foreign(out) if each.split(" (")[0] in RESULT]
    if foreign:
        raise OutputError(
            f"threshold replaces only what metriccd wrote: {named(foreign)} in {out} is not; "
            "move it"
        )
    return marker.only(marker.files.keys() - RESULT)


def _list_of(out: Path, what: str) -> Marker:
    """The list of what OUT holds, where it may be replaced at all."""
    require_own(out, "OUT")
    if not os.access(out, os.R_OK | os.W_OK | os.X_OK):
        raise OutputError(f"OUT must be writable: {out} is not; choose another folder")
    marker = Marker.read(out)
    if marker is None:
        raise OutputError(
            f"{what} only a result of metriccd, known by its list {MARKER}: {out} has none, as "
            "results of earlier versions; move or remove it, or choose another folder"
        )
    return marker


def named(foreign: Sequence[str]) -> str:
    """Files that are not ours, as a line names them."""
    more = f" and {len(foreign) - NAMED} more" if len(foreign) > NAMED else ""
    return ", ".join(foreign[:NAMED]) + more


@contextmanager
def parents_of(folder: Path) -> Iterator[None]:
    """Makes a folder and its parents; those that are empty when the block ends go again."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
