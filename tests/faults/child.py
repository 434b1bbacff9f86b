"""A process that runs commands as a user does, each in a fork of its own, and says how they ended.

All modules are imported once: torch takes seconds. Lines of JSON come in and go out.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import psutil

# What a command may take: seconds of a processor, as many of waiting, and addresses beyond those
# that the modules take.
SECONDS, ADDRESSES = 20, 6 * 2**30
# Seconds between two looks at it.
TICK = 0.5
# What a thread is that works, or would if the machine let it.
WORKS = frozenset("RDTt")


def serve() -> None:
    """Runs commands until there are no more."""
    import metriccd

    for module in pkgutil.walk_packages(metriccd.__path__, "metriccd."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # Imported by others when first needed, and slow.
    for name in ("matplotlib.pyplot", "matplotlib.font_manager", "rasterio.vrt", "pyogrio.raw"):
        importlib.import_module(name)
    _say("ready")
    for line in sys.stdin:
        _say(_ended(json.loads(line)))


def _say(content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _ended(order: dict[str, object]) -> dict[str, object]:
    """Runs a command in a fork, and ends it when it has waited for too long.

    However busy the machine is, that is not counted as waiting.

    Args:
        order: `arguments`, the folder to run in (`here`), a folder for what it says (`said`), its
            home (`home`), and more of its `environment`.
    """
    start = time.monotonic()
    child = os.fork()
    if not child:
        _run(order)
    watched, waited = os.pidfd_open(child), 0.0
    while not select.select([watched], [], [], TICK)[0]:
        waited += TICK * _waits(child)
        if waited > SECONDS:
            # Says where it is.
            os.kill(child, signal.SIGUSR1)
            time.sleep(TICK)
            os.kill(child, signal.SIGALRM)
    os.close(watched)
    _, status, used = os.wait4(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - start,
        "cpu": used.ru_utime + used.ru_stime,
        "mib": used.ru_maxrss / 1024,
    }


def _waits(child: int) -> bool:
    """Whether no thread of a process, and of what it has started, has anything to do."""
    states = set()
    with suppress(psutil.NoSuchProcess, OSError):
        process = psutil.Process(child)
        for each in (process, *process.children(recursive=True)):
            for thread in Path(f"/proc/{each.pid}/task").glob("*/stat"):
                states.add(thread.read_text().rpartition(")")[2].split()[0])
    return not states & WORKS


def _run(order: dict[str, object]) -> None:
    code = 1
    try:
        said = Path(str(order["said"]))
        for number, name in enumerate(("in", "out", "err")):
            path = os.devnull if name == "in" else str(said / name)
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        watch = (said / "watch").open("w")
        faulthandler.enable(watch)
        faulthandler.register(signal.SIGUSR1, watch)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + ADDRESSES,) * 2)
        os.chdir(str(order["here"]))
        os.environ.update(HOME=str(order["home"]), TMPDIR=str(order["home"]))
        os.environ.update(dict(order["environment"]))  # type: ignore[call-overload]
        sys.addaudithook(_no_network)
        code = _main(order["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _main(arguments: object) -> int:
    from metriccd.cli import main

    try:
        return main(list(arguments))  # type: ignore[call-overload]
    except BaseException:
        # As the interpreter does it.
        traceback.print_exc()
        return 1


def _no_network(event: str, arguments: tuple[object, ...]) -> None:
    """Tells of calls to other machines; those by proxy are told by who listens there."""
    if event in {"socket.connect", "socket.getaddrinfo"}:
        address = arguments[1] if event == "socket.connect" else arguments
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if host not in {"127.0.0.1", "localhost", "", None}:
            os.write(2, f"NETWORK {host}\n".encode())


if __name__ == "__main__":
    serve()
