"""How a case ended, and what is wrong with that."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio

from faults.cases import Case
from faults.child import SECONDS
from raster_files import FILES

# A command's peak, MiB: its modules take 300, a small detection 500.
MIB, LETTERS = 1200, 600
# Files that a result has whatever is compared.
WHOLE = {
    name for name in FILES if not name.startswith(("kind", "cluster", "direction", "potential"))
}
Tree = dict[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a case ended.

    Attributes:
        case: What was run.
        code: Its exit code; the negative number of the signal that ended it.
        seconds: How long it took.
        mib: Its peak.
        said: Standard error.
        watch: Where it was when it was ended.
        faults: What is wrong, a word and a text each.
    """

    case: Case
    code: int
    seconds: float
    mib: float
    said: str
    watch: str
    faults: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        told = "; ".join(f"{word}: {text}" for word, text in self.faults)
        return (
            f"{self.case}\n  {told}\n  exit {self.code}, {self.seconds:.1f} s\n{self.said[-1500:]}"
        )


class Runner:
    """Runs cases one after another in forks of one process, and looks at what they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.calls: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()
        (folder / "home").mkdir(parents=True)
        proxy = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        environment = os.environ | dict.fromkeys(names, proxy)
        environment |= {"no_proxy": "", "NO_PROXY": "", "HOME": str(folder / "home")}
        environment |= {"METRICCD_WEIGHTS": str(folder / "case" / "weights"), "LC_ALL": "C.UTF-8"}
        tests = Path(__file__).resolve().parents[1]
        source = tests.parent / "src"
        environment["PYTHONPATH"] = os.pathsep.join([str(source), str(tests)])
        environment.pop("PYTHONFAULTHANDLER", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "faults.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder,
        )
        self.ready = False

    def _listen(self) -> None:
        """Notes who calls the only way out, and hangs up."""
        while True:
            try:
                call, _ = self.listener.accept()
                with call:
                    call.settimeout(2)
                    self.calls.append(call.recv(300).decode("latin1").split("\r")[0])
            except OSError:
                if self.listener.fileno() < 0:
                    return

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.listener.close()

    def run(self, case: Case) -> Verdict:
        """Runs a case in a folder of its own."""
        if not self.ready:
            # By then it has written what libraries keep in their user's home.
            self.ready = json.loads(self.process.stdout.readline()) == "ready"
        here, said = self.folder / "case", self.folder / "said"
        for path in (here, said):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        case.write(here)
        before, calls = self._tree(), len(self.calls)
        order = {
            "arguments": case.arguments,
            "here": str(here),
            "said": str(said),
            "home": str(self.folder / "home"),
            "environment": case.environment,
        }
        ended = self._ended(order)
        error = (said / "err").read_text(errors="replace") if (said / "err").exists() else ""
        watch = (said / "watch").read_text() if (said / "watch").exists() else ""
        verdict = {"case": case, "said": error, "watch": watch}
        verdict |= {name: ended[name] for name in ("code", "seconds", "mib")}
        faults = [
            *_faults_of(ended, error, many=case.arguments[0] == "batch"),
            *self._left(case, ended["code"], before),
        ]
        if ended["code"] == 1:
            # Where the bug is.
            self._ended(order | {"environment": {"METRICCD_TRACEBACK": "1"}})
            verdict["said"] = (said / "err").read_text(errors="replace")
        faults += [("network", call) for call in self.calls[calls:]]
        if "--allow-remote" in case.arguments:
            faults = [(word, told) for word, told in faults if word != "network"]
        return Verdict(**verdict, faults=tuple(faults))

    def _ended(self, order: dict[str, Any]) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def _tree(self) -> Tree:
        found = {}
        for root in ("case", "home"):
            for path in (self.folder / root).rglob("*"):
                about = path.lstat()
                kept = 0 if path.is_dir() else about.st_mtime_ns
                found[path.relative_to(self.folder).as_posix()] = (kept, about.st_size * bool(kept))
        return found

    def _left(self, case: Case, code: int, before: Tree) -> list[tuple[str, str]]:
        after, found = self._tree(), []
        ours = ("case/out", "case/weights") if code == 0 else ()
        if case.arguments[0] == "weights" and code:
            ours = ("case/weights",) if not any((self.folder / "case/weights").glob("*")) else ours
        if case.arguments[0] == "benchmark":
            # It keeps what it has finished.
            ours = ("case/out",)
        for name in sorted({*before, *after}):
            known = name in ours or name.startswith(tuple(f"{each}/" for each in ours))
            if before.get(name) != after.get(name) and not known:
                found.append(("stray", name))
        if code == 0 and case.arguments[0] == "detect" and "--dry-run" not in case.arguments:
            found += _incomplete(self.folder / "case/out")
        return found[:5]


def _faults_of(ended: dict[str, Any], error: str, *, many: bool) -> list[tuple[str, str]]:
    code, found = ended["code"], []
    if code in {-14, -24} or (code == -9 and ended["cpu"] >= SECONDS - 1):
        found.append(("hang", f"{ended['seconds']:.0f} s"))
    elif code < 0:
        found.append(("signal", str(-code)))
    elif code == 1:
        found.append(("bug", error.strip().splitlines()[-1][:200]))
    elif code not in {0, 2, 3, *((4,) if many else ())}:
        found.append(("code", str(code)))
    if "NETWORK" in error:
        found.append(("network", error))
    # libtiff says some of its own to standard error, past GDAL.
    aside = ("NETWORK", "_tiffSeekProc: ", "_tiffWriteProc: ")
    lines = [line for line in error.strip().splitlines() if not line.startswith(aside)]
    if code == 3 and (not lines or not lines[-1].startswith("error: ")):
        found.append(("message", repr(error[-300:])))
    if code == 3 and (len(lines) > 1 or len(lines[0]) > LETTERS):
        found.append(("message", f"{len(lines)} lines, {len(error)} letters"))
    if ended["mib"] > MIB:
        found.append(("memory", f"{ended['mib']:.0f} MiB"))
    return found


def _incomplete(out: Path) -> list[tuple[str, str]]:
    names = {path.name for path in out.glob("*")}
    found = [("incomplete", name) for name in sorted(WHOLE - names)]
    for path in out.glob("*.tif"):
        with rasterio.open(path) as dataset:
            dataset.read()
    json.loads((out / "run.json").read_text(encoding="utf-8"))
    return found
