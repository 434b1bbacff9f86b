"""The cluster: processes of this machine, or workers that a Dask scheduler has."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, TypeVar

import dask
import torch
from distributed import (
    CancelledError,
    Client,
    Future,
    KilledWorker,
    Nanny,
    Scheduler,
    Security,
    SpecCluster,
    WorkerPlugin,
)
from distributed.comm.core import connect
from distributed.system import MEMORY_LIMIT
from distributed.utils import LoopRunner
from tornado.ioloop import IOLoop

from metriccd.batch.content import software
from metriccd.batch.work import warm
from metriccd.errors import ClusterError

T = TypeVar("T")
# Seconds in which a scheduler must answer, and its first worker be there.
ANSWERS, COMES = 10.0, 60.0
# Seconds in which all workers must say what they run: on a busy machine imports take minutes.
SAY = 300.0
# Seconds without a scheduler that was there after which it is lost.
LOST = 30.0
# Seconds in which it says how many workers it has, however busy it is.
STILL = 120.0
# Bytes that a worker takes with a small pair.
LEAST = 1 << 30
# Rounds that a thread of OpenMP waits for another: few, as every core has other work.
SPINS = "1000"
# The address of this machine alone: no port is open to others.
HERE = "127.0.0.1"
# What Dask serves over HTTP is there all the same, on any free port: of this machine.
WITHOUT_PAGE = {"dashboard": False, "dashboard_address": f"{HERE}:0"}
CONFIG = {
    # A worker gets a pair when it is free: one that dies takes no others with it.
    "distributed.scheduler.worker-saturation": 1.0,
    # Memory is what one pair takes, not data of Dask that could be written to disk.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.admin.tick.limit": "1h",
    "distributed.worker.multiprocessing-method": "spawn",
    # One that died is started again by its nanny; on a busy machine imports take their time.
    "distributed.deploy.lost-worker-timeout": "1h",
}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where pairs are measured.

    Attributes:
        workers: Processes of this machine; None for as many as it has cores, or GPUs.
        scheduler: Address of a Dask scheduler whose workers are taken instead.
        device: Where they compute: "auto", "cpu", "cuda" or "mps".
    """

    workers: int | None = None
    scheduler: str | None = None
    device: str = "auto"

    @contextlib.contextmanager
    def opened(self, out: Path) -> Iterator[Client]:
        """Yields a client of workers that are there and see OUT.

        Raises:
            ClusterError: There are none, or they run other software or do not see OUT.
        """
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        # Dask's own files of each worker: in its usual folder they would stay.
        scratch = tempfile.TemporaryDirectory(prefix="metriccd-", ignore_cleanup_errors=True)
        with (
            scratch as folder,
            dask.config.set(CONFIG | {"temporary-directory": folder}),
            contextlib.ExitStack() as stack,
        ):
            if self.scheduler is None:
                client = stack.enter_context(_embedded(self.workers, self.device))
            else:
                client = stack.enter_context(_existing(self.scheduler))
                _require_alike(client, self.scheduler, out)
            yield client


class Warm(WorkerPlugin):
    """What a worker of ours does first: it imports."""

    name = "metriccd"

    def setup(self, worker: Any) -> None:  # noqa: ARG002 — as Dask calls it
        """Called when the worker starts."""
        warm()


def awaited(future: Future[T]) -> T:
    """What a worker returns.

    Raises:
        ClusterError: It died before. Whatever else its work raises is raised here.
    """
    try:
        found: T = future.result()
    except (KilledWorker, CancelledError):
        raise ClusterError(
            "a worker must live until it is done: one was ended by the system, perhaps for want "
            "of memory; what is finished is kept, and the same command goes on; fewer --workers "
            "leave more memory for each"
        ) from None
    return found


def count_workers(client: Client) -> int:
    """Workers that a scheduler has.

    Raises:
        ClusterError: It stands still: calls to it are taken, and wait.
        OSError: It is gone.
    """

    def ask() -> Any:
        return client.nthreads(asynchronous=True)

    try:
        return len(client.sync(ask, callback_timeout=STILL))
    except TimeoutError:
        raise ClusterError(
            f"the scheduler must answer: it did not for {STILL:.0f} s; what is finished is kept, "
            "and the same command goes on when it does"
        ) from None


def cores() -> int:
    """Cores that this process may use."""
    # Not all systems tell which; all of them then.
    own = getattr(os, "sched_getaffinity", None)
    return len(own(0)) if own else os.cpu_count() or 1


def gpus(device: str) -> list[str]:
    """Names of the GPUs that CUDA would use, as CUDA_VISIBLE_DEVICES has them."""
    if device not in {"auto", "cuda"} or not torch.cuda.is_available():
        return []
    named = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
    return named or [str(number) for number in range(torch.cuda.device_count())]


@contextlib.contextmanager
def _embedded(workers: int | None, device: str) -> Iterator[Client]:
    """Processes of this machine."""
    cards = gpus(device)
    count = workers or len(cards) or cores()
    _require_room(count, max(cores(), len(cards)))
    threads = max(cores() // count, 1)
    security = Security.temporary() if find_spec("cryptography") else None
    spoken = {} if security is None else {"protocol": "tls", "security": security}
    specs = {
        number: {
            "cls": Nanny,
            "options": {
                "nthreads": 1,
                "memory_limit": max(int(MEMORY_LIMIT / count), 2 << 30),
                "env": {"CUDA_VISIBLE_DEVICES": cards[number % len(cards)]} if cards else {},
                "host": HERE,
                "plugins": (Warm(),),
                "silence_logs": logging.CRITICAL,
                **spoken,
                **WITHOUT_PAGE,
            },
        }
        for number in range(count)
    }
    scheduler = {
        "cls": Scheduler,
        "options": {"host": HERE, "port": 0, "allowed_failures": 0, **spoken, **WITHOUT_PAGE},
    }
    before = set(multiprocessing.active_children())
    with contextlib.ExitStack() as stack:
        stack.enter_context(_inherited(_environment(threads)))
        loop = stack.enter_context(_deaf_loop())
        try:
            with _starting():
                cluster = SpecCluster(
                    specs,
                    scheduler=scheduler,
                    security=security,
                    silence_logs=logging.CRITICAL,
                    loop=loop,
                    # Half started, it cannot be.
                    shutdown_on_close=False,
                )
                stack.enter_context(cluster)
                client = stack.enter_context(Client(cluster, set_as_default=False))
            yield client
        except KeyboardInterrupt:
            # Closing would wait for what workers do, and asyncio tell of each that it is gone.
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            for each in set(multiprocessing.active_children()) - before:
                each.kill()
            raise


def _require_room(count: int, useful: int) -> None:
    """Refuses more processes than there are cores where memory cannot hold them.

    Raises:
        ClusterError: They would take more than this machine has.
    """
    most = max(int(MEMORY_LIMIT // LEAST), useful)
    if count > most:
        raise ClusterError(
            f"--workers must fit into this machine's memory: {count} take {LEAST / 2**30:.0f} GiB "
            f"or more each, of {MEMORY_LIMIT / 2**30:.1f} GiB; ask for {most} at most, and for "
            f"{useful} to use all its cores"
        )


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Tells in one line why workers of this machine do not start.

    Raises:
        ClusterError: They do not.
    """
    try:
        yield
    except Exception as error:
        # Dask says that a nanny failed, and why in what that was raised from.
        causes = [error]
        while isinstance(cause := causes[-1].__cause__, Exception):
            causes.append(cause)
        reasons = dict.fromkeys(str(each).rstrip(".") or type(each).__name__ for each in causes)
        raise ClusterError(
            f"workers must start on this machine: {': '.join(reasons)[:300]}; ask for fewer "
            "--workers, or raise the limits (ulimit -n, ulimit -u, ulimit -v)"
        ) from None


@contextlib.contextmanager
def _deaf_loop() -> Iterator[IOLoop]:
    """A thread for Dask in which Ctrl-C is not heard, nor by processes that it starts.

    A terminal sends it to all of them; the command alone decides what it means.
    """
    # Whichever thread starts that hears Ctrl-C again.
    _start_tracker()
    runner = LoopRunner()
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        runner.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
    try:
        yield runner.loop
    finally:
        runner.stop()


def _start_tracker() -> None:
    """Starts the process that knows what processes share, deaf to the end of a terminal.

    Python makes it deaf to other signals. It outlives all that share something: those who find it
    gone say so in a warning and tracebacks.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment(threads: int) -> dict[str, str]:
    """What all workers find in their environment when they start.

    Fewer threads are taken where the user asks for fewer.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(threads, int(asked)) if asked.isdecimal() and int(asked) else threads
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) | {
        "GOMP_SPINCOUNT": SPINS,
        "MPLBACKEND": "agg",
        # Dask has workers give all memory back at once: zeroing it anew for each array of a tile
        # takes a third of their time, and more of the memory that all of them share.
        "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        # GDAL would take all cores for each file.
        "GDAL_NUM_THREADS": str(threads),
    }


@contextlib.contextmanager
def _inherited(surroundings: Mapping[str, str]) -> Iterator[None]:
    """Lets processes that are started meanwhile inherit an environment.

    Libraries look at it when they are imported, which is before Dask sets what is a worker's own.
    """
    before = dict(os.environ)
    os.environ.update(surroundings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _existing(address: str) -> Iterator[Client]:
    """The workers of a scheduler that others started."""
    try:
        _greet(address)
        # A client looks for a scheduler that went away as long as for one that never was there.
        Client(address, timeout=ANSWERS, set_as_default=False).close()
        client = Client(address, timeout=LOST, set_as_default=False)
    except Exception as error:
        # Dask raises whatever there is at addresses of kinds that are not set up, as tls:// is.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ClusterError(
            f"--scheduler must answer within {ANSWERS:.0f} s: {address[:200]}: {reason}; check the "
            "address, that it runs, and that its version of distributed is near to this one's"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=COMES)
        except TimeoutError:
            raise ClusterError(
                f"the scheduler must have workers: {address} had none for {COMES:.0f} s; "
                "start some: dask worker ADDRESS --nthreads 1"
            ) from None
        yield client


def _greet(address: str) -> None:
    """Gives an address up that takes calls and does not answer: clients wait for ever.

    Raises:
        TimeoutError: It is one.
    """

    async def greeted() -> None:
        told = Security().get_connection_args("client")
        calls = connect(address, timeout=ANSWERS, **told)
        comm = await asyncio.wait_for(calls, 2 * ANSWERS)
        comm.abort()

    LoopRunner().run_sync(greeted)


def _require_alike(client: Client, address: str, out: Path) -> None:
    """Refuses workers that could not do, or would do something else.

    Raises:
        ClusterError: They lack metriccd, run another, or do not see OUT.
    """

    def ask() -> Any:
        return client.run(_account, str(out), asynchronous=True)

    try:
        told = client.sync(ask, callback_timeout=SAY)
    except TimeoutError:
        raise ClusterError(
            f"workers must answer: not all of {address} did within {SAY:.0f} s; end those that hang"
        ) from None
    except Exception as error:
        reason = str(error).splitlines()[0][:200]
        raise ClusterError(
            f"workers must run the metriccd of this machine, on this Python: those of {address} "
            f"do not: {type(error).__name__}: {reason}"
        ) from None
    for worker, (theirs, sees) in told.items():
        if theirs != software():
            raise ClusterError(
                f"workers must run the metriccd of this machine, with the same libraries: {worker} "
                "does not; install the same versions there"
            )
        if not sees:
            raise ClusterError(
                f"workers must see OUT where this machine does: {worker} does not find {out}; "
                "choose a folder on a disk that all share"
            )


def _account(out: str) -> tuple[str, bool]:
    """What a worker says of itself: its software, and whether it sees a folder."""
    return software(), Path(out).is_dir()
