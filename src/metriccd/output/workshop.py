"""The workshop: the hidden folder beside OUT in which its result is made, by one process."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from metriccd.errors import BusyError, OutputError
from metriccd.output.exchange import exchange
from metriccd.output.lock import HOLDER, Lock
from metriccd.output.marker import MARKER, Marker, remove
from metriccd.output.names import is_in_the_making, is_intermediate
from metriccd.output.place import require_own, unfinished_path

# Folders of a workshop: a result in the making, intermediate files, and what OUT held before.
RESULT, WORK, OLD = "result", "work", "old"
# The file among intermediate ones that says for which run they are.
KEY = "key"
# What the marker of a workshop says; blanks fill it to a length, so that it is replaced at once.
KIND, LENGTH = "unfinished", 256
# Seconds between looks at a lock that another process has.
PAUSE = 0.05


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """A hidden folder of ours, locked.

    Attributes:
        out: What is made there.
        folder: Where it is.
        restored: True where OUT's earlier result was found here and put back: a process was
            killed while it replaced it.
    """

    out: Path
    folder: Path
    restored: bool = field(default=False, compare=False)

    @property
    def result(self) -> Path:
        """Where the result is made."""
        return self.folder / RESULT

    @property
    def work(self) -> Path:
        """Where intermediate files are kept."""
        return self.folder / WORK

    @property
    def old(self) -> Path:
        """Where what OUT held before waits for its end."""
        return self.folder / OLD

    def restore(self) -> bool:
        """Ends what a killed process had begun; returns whether OUT got its result back.

        Raises:
            OutputError: There are files here that are not ours.
        """
        back = self.old.is_dir() and not self.out.exists()
        if back:
            self.old.rename(self.out)
        self.clear_old()
        self.clear_result()
        return back

    def place(self) -> None:
        """Puts the result in OUT's place, in one step where the system has one.

        What OUT held before is then in `old`.

        Raises:
            OSError: It cannot be placed; OUT is as it was.
        """
        there = self.out.exists()
        if there:
            shutil.copymode(self.out, self.result)
        here = there and _is_here(self.out)
        if not there or not any(self.out.iterdir()):
            self.result.rename(self.out)
        else:
            _flush(self.result)
            # As long as OUT is there, `old` is what can go.
            self.result.rename(self.old)
            try:
                exchanged = exchange(self.old, self.out)
            except OSError:
                self.old.rename(self.result)
                raise
            if not exchanged:
                self.old.rename(self.result)
                self.out.rename(self.old)
                try:
                    self.result.rename(self.out)
                except OSError:
                    self.old.rename(self.out)
                    raise
        if here:
            os.chdir(self.out)

    def clear_old(self) -> None:
        """Removes an earlier result; what OUT keeps of it, and what is not ours, moves there.

        Raises:
            OutputError: OUT holds something of the same name.
        """
        if not self.old.is_dir():
            return
        marker, kept = (Marker.read(each) or Marker({}) for each in (self.old, self.out))
        # What is not ours goes first: others may be writing it.
        there = sorted(self.old.iterdir(), key=lambda each: (each.name in marker.files, each.name))
        for path in there:
            target = self.out / path.name
            # The list goes last.
            if path.name == MARKER:
                continue
            missing = not os.path.lexists(target)
            if missing and (path.name in kept.files or not marker.holds(path)):
                path.rename(target)
            elif marker.holds(path):
                remove(path)
        left = sorted(path for path in self.old.iterdir() if path.name != MARKER)
        if left:
            raise OutputError(
                f"OUT must hold only one file of a name: {left[0].name} in {self.out} was changed "
                f"meanwhile, and is kept as {left[0]}; move it"
            )
        (self.old / MARKER).unlink(missing_ok=True)
        self.old.rmdir()

    def clear_result(self) -> None:
        """Removes a result in the making.

        Raises:
            OutputError: There is something in it that no run of ours writes.
        """
        if not self.result.is_dir():
            return
        marker = Marker.read(self.result) or Marker({})
        _clear(self.result, lambda name: name in marker.files or is_in_the_making(name))

    def clear_work(self) -> None:
        """Removes intermediate files.

        Raises:
            OutputError: There is something among them that no run of ours writes.
        """
        if self.work.is_dir():
            _clear(self.work, is_intermediate, first=[KEY])

    def require_work(self) -> None:
        """Refuses intermediate files that are gone on with, among which is what is not ours.

        A link would be followed, and what is foreign be found when the result is in its place.

        Raises:
            OutputError: There is something among them that no run of ours writes.
        """
        if self.work.is_dir():
            _parts(self.work, is_intermediate)


@contextmanager
def workshop(out: Path, *, wait: float = 0.0) -> Iterator[Workshop]:
    """Yields the workshop of OUT, which no other process has meanwhile.

    What a killed process left unfinished is finished first, but for intermediate files. The folder
    goes when the block ends, if nothing but its marker is left in it.

    Args:
        out: As `resolved` gives it.
        wait: For how many seconds to wait for another process.

    Raises:
        OSError: The folder cannot be made.
        BusyError: Another process has it.
        OutputError: It is not ours.
    """
    folder = unfinished_path(out)
    lock = _locked(folder, out, time.monotonic() + wait)
    try:
        found = Workshop(out=out, folder=folder)
        yield Workshop(out=out, folder=folder, restored=found.restore())
    finally:
        try:
            if {path.name for path in folder.iterdir()} <= {MARKER, HOLDER}:
                (folder / MARKER).unlink(missing_ok=True)
        finally:
            lock.close()
        # Another process may be in it again.
        _remove_empty(folder)


def earlier_path(out: Path) -> Path:
    """Where what OUT held before is, while it goes or moves back."""
    return unfinished_path(out) / OLD


def is_workshop(folder: Path) -> bool:
    """Whether a folder is a workshop of ours, by its marker."""
    try:
        text = (folder / MARKER).read_text("utf-8") if _is_folder(folder) else ""
    except (OSError, ValueError):
        return False
    return _is_ours(text)


def _locked(folder: Path, out: Path, until: float) -> Lock:
    """The lock of a workshop, which is made if it is not there."""
    while True:
        _make(folder)
        try:
            lock = Lock(folder / MARKER)
        except FileNotFoundError:
            # Its last holder has just removed it.
            continue
        except OSError as error:
            raise _not_ours(folder, f"{MARKER}: {error.strerror}") from None
        with ExitStack() as given_back:
            given_back.callback(lock.close)
            taken = lock.take()
            # Its last holder may have removed the file before it gave the lock back.
            if taken and lock.is_there():
                _adopt(folder, lock)
                given_back.pop_all()
                return lock
            holder = _holder(lock.text())
        if not taken and time.monotonic() >= until:
            raise BusyError(
                f"OUT must not be in the making: {holder} writes {out}; "
                "wait for it, or choose another folder"
            )
        time.sleep(0.0 if taken else PAUSE)


def _make(folder: Path) -> None:
    """Makes a folder that is not there; refuses one that is no workshop, before it is touched."""
    try:
        folder.mkdir()
    except FileExistsError:
        pass
    else:
        return
    if not _is_folder(folder):
        raise _not_ours(folder, "it is no folder")
    with suppress(FileNotFoundError):
        require_own(folder, "the unfinished result")
        names = {path.name for path in folder.iterdir()}
        if names and MARKER not in names:
            raise _not_ours(folder, f"it holds {min(names)}, and no {MARKER}")


def _adopt(folder: Path, lock: Lock) -> None:
    """Marks a new workshop; refuses what is not ours."""
    names = {path.name for path in folder.iterdir()}
    strange = names - {MARKER, HOLDER, RESULT, WORK, OLD}
    text = lock.text()
    if (text and not _is_ours(text)) or (not text and names - {MARKER, HOLDER}):
        raise _not_ours(folder, f"its {MARKER} is not metriccd's")
    strange |= {name for name in names & {RESULT, WORK, OLD} if not _is_folder(folder / name)}
    if strange:
        raise _not_ours(folder, f"it holds {min(strange)}")
    content = json.dumps({"metriccd": KIND, "process": os.getpid()})
    lock.write(f"{content:<{LENGTH}}")


def _is_ours(text: str) -> bool:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("metriccd") == KIND


def _holder(text: str) -> str:
    return f"process {json.loads(text).get('process')}" if _is_ours(text) else "another process"


def _is_folder(path: Path) -> bool:
    """True for a folder itself, not for a link to one."""
    return stat.S_ISDIR(path.lstat().st_mode) if os.path.lexists(path) else False


def _not_ours(path: Path, why: str) -> OutputError:
    return OutputError(
        f"the unfinished result must be metriccd's: {path} is not, {why}; "
        "move it, or choose another folder"
    )


def _clear(folder: Path, known: Callable[[str], bool], first: Sequence[str] = ()) -> None:
    """Removes a folder of files that a run of ours names so; links are not followed.

    Nobody goes on with what a kill leaves of them where the `first` ones are gone.

    Raises:
        OutputError: There is something else in it.
    """
    for path in (*(folder / name for name in first), *reversed(_parts(folder, known))):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    folder.rmdir()


def _parts(folder: Path, known: Callable[[str], bool]) -> list[Path]:
    """All that is in a folder of files that a run of ours names so, folders before their files.

    Raises:
        OutputError: There is something else in it.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        ours = name in {MARKER, f"{MARKER}-new"} or known(name)
        # Another process that goes on with it may just have given a file its last name.
        there = os.path.lexists(path)
        if there and (not ours or path.is_symlink() or not (path.is_file() or path.is_dir())):
            raise _not_ours(folder, f"it holds {name}")
        found.append(path)
    return found


def _is_here(folder: Path) -> bool:
    """Whether a folder is the working folder, which may be gone."""
    try:
        return folder.samefile(os.curdir)
    except FileNotFoundError:
        return False


def _flush(folder: Path) -> None:
    """Sees that files are on disk before others go for them."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
