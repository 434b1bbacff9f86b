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
import signal
import sys
import time
import traceback
from pathlib import Path

# What a command may take: processor time, and addresses beyond those that the modules take.
SECONDS, ADDRESSES = 20, 6 * 2**30


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
    """Runs a command in a fork.

    Args:
        order: `arguments`, the folder to run in (`here`), a folder for what it says (`said`), its
            home (`home`), the `patience`, in seconds, and more of its `environment`.
    """
    start = time.monotonic()
    child = os.fork()
    if not child:
        _run(order)
    _, status, used = os.wait4(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - start,
        "cpu": used.ru_utime + used.ru_stime,
        "mib": used.ru_maxrss / 1024,
    }


def _run(order: dict[str, object]) -> None:
    code = 1
    try:
        said = Path(str(order["said"]))
        for number, name in enumerate(("in", "out", "err")):
            path = os.devnull if name == "in" else str(said / name)
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        watch = (said / "watch").open("w")
        faulthandler.enable(watch)
        patience = int(str(order["patience"]))
        faulthandler.dump_traceback_later(patience - 1, file=watch)
        # The kernel ends what the interpreter cannot: code that never returns.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, patience)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + ADDRESSES,) * 2)
        os.chdir(str(order["here"]))
        os.environ.update(HOME=str(order["home"]), TMPDIR=str(order["home"]))
        os.environ.update(dict(order["environment"]))  # type: ignore[call-overload]
        sys.addaudithook(_no_network)
        code = _main(order["arguments"])
        faulthandler.cancel_dump_traceback_later()
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
