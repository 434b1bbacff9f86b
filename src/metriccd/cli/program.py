"""The program around the commands: streams, signals, surroundings, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

# Next to nothing at the top: what goes wrong while more is imported, an interrupt above all, is
# told by `main`.

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import FrameType
    from typing import TextIO

    from metriccd.errors import Fault

# Rounds, some tens of microseconds, that a thread of torch waits for another one before it sleeps.
# By default it is fifteen times that: beside another busy program a detection took ten times as
# long, because threads spun on the cores that those they waited for needed.
SPINS = "20000"
# Where it is set, the traceback of whatever ends a command is shown.
TRACEBACK = "METRICCD_TRACEBACK"
# The code with which a shell reports a program whose reader, such as `head`, went away.
EXIT_UNREAD = 141
# Counts that libraries abort for, or print lines of their own about, where they are none.
COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TERMINAL_WIDTH")
# Loggers of packages that say on standard error what they raise too, or where they keep fonts.
LOUD = ("matplotlib", "rasterio", "pyogrio")
# Wheels bring these files with them: those of another installation do not fit.
BROUGHT = {
    "PROJ_DATA": "rasterio/proj_data",
    "PROJ_LIB": "rasterio/proj_data",
    "GDAL_DATA": "rasterio/gdal_data",
}
# Address space, in bytes, and threads without which libraries end the process on their own.
MOST = 64
SPACE = 2300 * 2**20


class Interrupts:
    """Signals that end the program, as a KeyboardInterrupt.

    The first one is raised. The second one is not: it comes while what was begun is taken away.
    The third one ends the process at once.

    Attributes:
        count: How many there were.
        spared: True = what is done now must not be interrupted.
    """

    def __init__(self) -> None:
        self.count = 0
        self.spared = False

    def watch(self) -> None:
        """Takes the signals over."""
        self.count = 0
        for number in self._numbers():
            signal.signal(number, self._arrived)

    def end(self) -> None:
        """Ignores them from now on: nothing is left to be interrupted."""
        for number in self._numbers():
            signal.signal(number, signal.SIG_IGN)
        if self.count and hasattr(signal, "pthread_sigmask"):
            # One that came while a library ran text as code, in `exec`, Python takes for unheard,
            # whoever heard it: it would end itself by a signal instead of with our code.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def spare(self, work: Callable[[], object]) -> None:
        """Does something that an exception would break, and is interrupted only after it."""
        self.spared = True
        try:
            work()
        finally:
            self.spared = False
        if self.count:
            raise KeyboardInterrupt

    def _numbers(self) -> list[signal.Signals]:
        """Those that are not ignored: whoever started us so, as nohup does, wants it so."""
        known = (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP"))
        return [each for each in known if each and signal.getsignal(each) is not signal.SIG_IGN]

    def _arrived(self, _signal: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 2:
            from metriccd.errors import EXIT_INTERRUPTED

            os._exit(EXIT_INTERRUPTED)
        if self.count == 1 and not self.spared:
            raise KeyboardInterrupt


interrupts = Interrupts()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    try:
        interrupts.watch()
        open_streams()
        settle()
        from metriccd.cli.app import run

        code = run(arguments)
    except BaseException as error:
        code = end(fault(error))
    import atexit
    import gc

    # While Python takes itself down, after its last line, an interrupt comes too late.
    atexit.register(interrupts.end)
    # At exit Python searches for garbage what a dozen libraries have made: half a second.
    gc.freeze()
    unwritten = _unwritten()
    return code if code or unwritten is None else end(unwritten)


def end(found: Fault) -> int:
    """Says why a command ends, and returns its exit code."""
    if found.line:
        say(found.line)
    return found.code


def fault(error: BaseException) -> Fault:
    """How an exception ends a command, whether it came from the work or from the surroundings."""
    from metriccd.errors import Fault, fault_of

    if os.environ.get(TRACEBACK):
        import traceback

        say("".join(traceback.format_exception(error)).rstrip())
    if interrupts.count:
        # Libraries may make something else of it, in the middle of an import.
        return fault_of(error if isinstance(error, KeyboardInterrupt) else KeyboardInterrupt())
    if isinstance(error, SystemExit):
        # So ends typer where nobody reads.
        unread = isinstance(error.__context__, BrokenPipeError)
        return Fault("", EXIT_UNREAD if unread else int(error.code or 0))
    return (isinstance(error, OSError) and _unwritten()) or fault_of(error)


def _unwritten() -> Fault | None:
    """What keeps standard output from being written, if anything does; it is given up then."""
    from metriccd.errors import Fault, OutputError, fault_of

    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):
            return Fault("", EXIT_UNREAD)
        return fault_of(
            OutputError(
                f"standard output must be writable: {error.strerror}; send it elsewhere: what the "
                "command wrote to files is in place"
            )
        )
    return None


def say(line: str) -> None:
    """A line on standard error; what cannot be said does not stop the work."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Sends to nowhere what a stream still holds, or Python would try again at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_log(path: Path) -> TextIO:
    """A log file, to add lines to.

    Raises:
        OSError: It cannot be written, or is a pipe that nobody reads.
    """
    # Opened as files are, a pipe would wait for somebody to read it.
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
    os.set_blocking(number, True)
    return os.fdopen(number, "a", buffering=1, encoding="utf-8", errors="backslashreplace")


def open_streams() -> None:
    """Makes standard streams usable that whoever started us has closed, or in another encoding."""
    for number, mode in enumerate(("r", "w", "w")):
        try:
            os.fstat(number)
        except OSError:
            # Or the next file that is opened would take its place, and what libraries print.
            os.open(os.devnull, os.O_RDWR)
        name = ("stdin", "stdout", "stderr")[number]
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    own = sys.__stdout__
    if own is not None and sys.stdout is own and own.write_through:
        # Unbuffered, as PYTHONUNBUFFERED asks for, it would forget what it could not write.
        sys.stdout = os.fdopen(1, "w", encoding=own.encoding, closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def settle() -> None:
    """Takes out of the environment what would mislead libraries."""
    import logging
    import warnings

    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    # No window is opened: whatever else the shell has set for notebooks would fail at import.
    os.environ["MPLBACKEND"] = "agg"
    os.environ.pop("TORCH_LOGS", None)
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in COUNTS:
        said = os.environ.get(name, "1")
        if not said.isdecimal() or int(said) == 0:
            del os.environ[name]
    for name, place in BROUGHT.items():
        if name in os.environ and _brought(place):
            del os.environ[name]
    if any(option.startswith("e") for option in sys.warnoptions):
        # Of other packages, most of them about what they will be like some day.
        warnings.simplefilter("ignore")


def _brought(place: str) -> bool:
    """Whether a package lies here with a folder of this path."""
    from importlib.util import find_spec
    from pathlib import Path

    package, _, folder = place.partition("/")
    found = find_spec(package)
    return bool(found and found.origin and (Path(found.origin).parent / folder).is_dir())


def require_surroundings() -> None:
    """Refuses what libraries would not survive: they end the process without a word of ours.

    torch, which ends it too where it is interrupted while it is imported, is imported here.

    Raises:
        OutputError: The current folder is gone.
        MemoryError: A limit leaves too little address space.
        RuntimeError: No threads can be started.
    """
    import mmap
    import threading
    from importlib import import_module
    from pathlib import Path

    from metriccd.errors import OutputError

    try:
        Path.cwd()
    except OSError as error:
        raise OutputError(
            f"the current folder must exist: {error.strerror}; change to another one"
        ) from None
    try:
        mmap.mmap(-1, SPACE).close()
    except (OSError, ValueError) as error:
        raise MemoryError from error
    done = threading.Event()
    # Two libraries have a thread for each core, and there are ours.
    cores = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    threads = [threading.Thread(target=done.wait) for _ in range(2 * min(cores, MOST) + 2)]
    try:
        for thread in threads:
            thread.start()
    finally:
        done.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    interrupts.spare(lambda: import_module("torch"))
