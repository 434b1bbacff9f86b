"""The command: where it is, what it is told, and how it is run in an environment of its own.

Nothing here needs QGIS.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Union

NAME = "metriccd"
# Where pip --user, pipx and uv put commands; programs that are started from a menu often have a
# PATH without it.
USUAL = Path("~/.local/bin")
# What QGIS sets for its own Python, GDAL and PROJ, which are not those of the command.
FOREIGN = ("GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_DATA", "PROJ_LIB", "__PYVENV_LAUNCHER__")
# Seconds between two looks at whether the user canceled, and until a command that does not end is
# killed. It has then written nothing to OUT, and goes on as after any other end.
LOOK, PATIENCE = 0.1, 20.0
# How the one line begins that says why the command ended.
ERROR = "error: "

Value = Union[str, float, bool, Sequence[str], None]


class CommandError(Exception):
    """The command cannot be run, or ended otherwise than well; one line that says why."""


@dataclass(frozen=True)
class Summary:
    """What the command found, as it told it.

    Attributes:
        told: The object that `--json` prints.
    """

    told: Mapping[str, Any]

    @classmethod
    def of(cls, printed: str) -> Summary:
        """Reads what was printed.

        Raises:
            CommandError: It is not what metriccd prints.
        """
        try:
            told = json.loads(printed)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise CommandError(
                f"the command must be metriccd: got {printed.strip()[:80]!r} from it; correct "
                "Settings, Options, Processing, Providers, metriccd"
            )
        return cls(told)

    def lines(self) -> Iterator[str]:
        """What people want to know first."""
        told = self.told
        if "sentence" in told:
            # Of a series.
            yield str(told["sentence"])
        if "area_m2" not in told:
            return
        area = "" if told["area_m2"] is None else f" ({told['area_m2'] / 1e4:,.1f} ha)"
        yield (
            f"{told['changed_share']:.2%} changed{area} in {told['objects']:,} objects; "
            f"threshold {told['threshold']:.3g} ({told['rule']})"
        )
        if told.get("certainty"):
            yield str(told["certainty"])

    @property
    def warnings(self) -> Sequence[str]:
        """What to think of before the result is believed."""
        return [str(each) for each in self.told.get("warnings", ())]


def find(setting: str) -> list[str]:
    """The words that start the command.

    Args:
        setting: What the user set: an executable, a Python that has metriccd, or the folder of a
            virtual environment; empty: where it is on PATH.

    Raises:
        CommandError: There is none.
    """
    if not setting.strip():
        places = os.pathsep.join((os.environ.get("PATH", os.defpath), str(USUAL.expanduser())))
        found = shutil.which(NAME, path=places)
        if found is None:
            raise CommandError(
                "metriccd must be installed, in an environment of its own: none was found on "
                "PATH; install it, or tell where it is in Settings, Options, Processing, "
                "Providers, metriccd"
            )
        return [found]
    path = Path(setting.strip()).expanduser()
    if path.is_dir():
        path = next((each for each in (path / "bin" / NAME, path / NAME) if each.is_file()), path)
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise CommandError(
            f"the command must be a program, or the folder of an environment that holds it: got "
            f"{setting}; correct Settings, Options, Processing, Providers, metriccd"
        )
    return [str(path), "-m", NAME] if path.name.startswith("python") else [str(path)]


def words_of(
    command: str, places: Sequence[str], options: Mapping[str, Value], extra: Sequence[str] = ()
) -> list[str]:
    """What the command is told.

    Args:
        command: Its name, such as detect.
        places: What it takes without a name: images, a folder.
        options: Long names with underscores → values; what is empty or False is not asked for, a
            list is given one by one.
        extra: Other options, as they are typed.
    """
    words = [command]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif isinstance(value, (list, tuple)):
            words += [f"{option}={each}" for each in value]
        elif value is not None and value is not False and value != "":
            words.append(f"{option}={value}")
    # Both tell how far it is, and what it found, in a way that can be read.
    return [*words, *extra, "--verbose", "--json", "--", *places]


def environment(around: Mapping[str, str]) -> dict[str, str]:
    """The environment of the command: without what QGIS sets for itself."""
    kept = {
        name: value
        for name, value in around.items()
        if name not in FOREIGN and not name.startswith("PYTHON")
    }
    return {**kept, "PYTHONIOENCODING": "utf-8"}


def run(
    words: Sequence[str], say: Callable[[str], None], is_canceled: Callable[[], bool]
) -> Summary | None:
    """Runs the command to its end; None where it was canceled.

    Args:
        words: Its command line.
        say: Takes each line of what it says meanwhile.
        is_canceled: Whether it is to be ended; is asked many times a second.

    Raises:
        CommandError: It cannot be started, or ended with an error.
    """
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    last = ""
    with TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as printed:
        with _started(words, printed) as process:
            reader = threading.Thread(target=_read, args=(process.stderr, lines))
            reader.start()
            ending = _Ending(process)
            for line in _as_they_come(lines):
                last = line or last
                if line and not line.startswith(ERROR):
                    say(line)
                if is_canceled():
                    ending.ask()
            reader.join()
        if process.returncode == 0:
            printed.seek(0)
            return Summary.of(printed.read())
    if ending.asked:
        return None
    raise CommandError(_why(last, process.returncode))


def _started(words: Sequence[str], printed: IO[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.PIPE,
            env=environment(os.environ),
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise CommandError(
            f"metriccd must start: {words[0]}: {error.strerror}; correct Settings, Options, "
            "Processing, Providers, metriccd"
        ) from None


class _Ending:
    """Ends a process: asks it first, so that it can tidy up, and kills it when that takes long."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process, self._asked_at = process, 0.0

    @property
    def asked(self) -> bool:
        return self._asked_at > 0

    def ask(self) -> None:
        if not self.asked:
            self._asked_at = time.monotonic()
            self._process.terminate()
        elif time.monotonic() > self._asked_at + PATIENCE:
            self._process.kill()


def _read(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    """Passes lines on, and None at the end."""
    for line in stream:
        lines.put(line.rstrip())
    lines.put(None)


def _as_they_come(lines: queue.SimpleQueue[str | None]) -> Iterator[str]:
    """Lines up to the end, and an empty one now and then while none comes."""
    while True:
        try:
            line = lines.get(timeout=LOOK)
        except queue.Empty:
            line = ""
        if line is None:
            return
        yield line


def _why(last: str, code: int) -> str:
    """Why the command ended: its last line, which is all that it says of an error."""
    if last.startswith(ERROR):
        return last[len(ERROR) :]
    how = f"signal {-code}" if code < 0 else f"code {code}"
    return f"metriccd ended with {how}" + (f": {last}" if last else "")
