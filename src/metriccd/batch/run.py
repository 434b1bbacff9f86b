"""A batch: pairs are handed to workers as these get free, and what comes back is written down."""

from __future__ import annotations

import contextlib
import queue
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distributed import CancelledError, Client, Future, KilledWorker

from metriccd.batch.cluster import LOST, Cluster, count_workers
from metriccd.batch.content import key_of, still_done
from metriccd.batch.journal import Journal
from metriccd.batch.manifest import Manifest, Row
from metriccd.batch.place import Place
from metriccd.batch.scenes import Scenes
from metriccd.batch.standing import Running, Show, Standing
from metriccd.batch.summary import write_summary
from metriccd.batch.thumbnail import draw_thumbnail
from metriccd.batch.work import BEGINS, Part, Task, detect_pair, do_part
from metriccd.errors import ClusterError

# Pixels above which a scene is shared out: opening it in each worker, and fitting it in one while
# others wait, pays from a minute on.
SPLIT = 16_000_000
# Seconds between two looks at what is going on, and between two counts of workers.
TICK, RECOUNT = 0.25, 5.0
# The summary is written when that much time has passed, and that many times what writing takes.
OFTEN, SHARE = 60.0, 50.0
# Seconds for a worker to end that does not answer.
RESTART = 20.0
# How often a pair may be with a worker that dies before it is begun: that may be why it dies.
WAITS = 5
# Seconds to fetch what a worker found, a few hundred bytes.
FETCH = 30.0
# Topic on which Dask tells that it ended a worker for want of memory.
MEMORY = "worker-restart-memory"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """What a batch puts up with.

    Attributes:
        split: Pixels above which a scene is shared out among the workers; 0 for never.
        retries: How often a pair is tried again whose worker died or whose disk failed.
        timeout: Seconds for a pair; None for what is foretold of it, generously.
    """

    retries: int = 2
    timeout: float | None = None
    split: int = SPLIT


def run_batch(
    manifest: Manifest,
    out: Path,
    *,
    cluster: Cluster | None = None,
    patience: Patience | None = None,
    show: Show = lambda _: None,
) -> Standing:
    """Detects change in many pairs; what OUT holds of an earlier run is not done again.

    The first interrupt lets the running pairs end and begins no others; the second ends at once.
    The same call goes on after either, and after any crash.

    Args:
        manifest: The pairs.
        out: Folder: new, or a batch to go on with.
        cluster: Where they are measured; processes of this machine by default.
        patience: What is put up with.
        show: Called with how the batch stands, a few times a second.

    Returns:
        How it stands at the end: all pairs are done or have failed unless it was interrupted.

    Raises:
        OutputError: OUT holds something else, cannot be written, or another batch writes it.
        ClusterError: There are no workers.
        KeyboardInterrupt: The second interrupt.
    """
    rows = manifest.rows
    with Place.opened(out) as place, Journal(out) as journal:
        manifest.write_items()
        batch = _Batch(
            place=place,
            journal=journal,
            patience=patience or Patience(),
            show=show,
            standing=Standing(total=len(rows)),
        )
        tasks = batch.tasks(rows)
        # A cluster takes seconds to start: not where nothing is left to do.
        first = next(tasks, None)
        try:
            if first is not None:
                with (cluster or Cluster()).opened(out) as client, _draining(batch.standing):
                    batch.run(client, first, tasks, rows)
        finally:
            write_summary(rows, journal, place)
        return batch.standing


@dataclass
class _Batch:
    """The state of a run.

    Attributes:
        place: OUT.
        journal: What is known of each pair.
        patience: What is put up with.
        show: Who watches.
        standing: How it stands.
        pending: Tasks that the cluster has.
        names: Keys of futures that have not ended → tasks.
        ended: Futures that are finished, in whatever way.
        told: What workers said: topic and message.
        starved: Workers that were ended for want of memory → bytes they had.
        scenes: Large ones, which many workers share.
        waited: Tasks → how often a worker died before it said that it begins them.
    """

    place: Place
    journal: Journal
    patience: Patience
    show: Show
    standing: Standing
    pending: dict[str, tuple[Task | Part, Future[Any]]] = field(default_factory=dict)
    names: dict[Any, str] = field(default_factory=dict)
    ended: queue.SimpleQueue[Future[Any] | None] = field(default_factory=queue.SimpleQueue)
    told: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    starved: dict[str, int] = field(default_factory=dict)
    waited: Counter[str] = field(default_factory=Counter)
    scenes: Scenes = field(default_factory=Scenes)

    def tasks(self, rows: Sequence[Row]) -> Iterator[Task]:
        """What is left to do, in the order of the manifest."""
        for row in rows:
            if self.finished(row):
                self.standing.kept += 1
                continue
            yield Task(
                id=row.id,
                t1=row.t1,
                t2=row.t2,
                arguments=row.arguments,
                folder=str(self.place.result(row.id)),
                thumbnail=str(self.place.thumbnail(row.id)),
                timeout=self.patience.timeout,
                split=self.patience.split or None,
            )

    def finished(self, row: Row) -> bool:
        """Whether a pair is done, of the same images and settings, and its result is there."""
        entry, key = self.journal.find(row.id), key_of(row.t1, row.t2, row.arguments)
        found = entry and still_done(entry, key, self.place.result(row.id))
        if found and found != entry:
            # So that it need not be read the next time.
            draw_thumbnail(self.place.result(row.id), self.place.thumbnail(row.id))
            self.journal.add(found)
        return bool(found)

    def run(self, client: Client, first: Task, tasks: Iterator[Task], rows: Sequence[Row]) -> None:
        """Keeps the workers busy until nothing is left."""
        self.subscribe(client)
        self.submit(client, first)
        counted = written = time.monotonic()
        cost, more = 0.0, True
        self.standing.workers = len(client.nthreads())
        while self.pending or ((more or self.scenes.parts) and not self.standing.draining):
            if client.status != "running":
                self.wait_for_scheduler(client)
            now = time.monotonic()
            if now - counted > RECOUNT:
                counted, self.standing.workers = now, self.count(client)
            # Twice as many as there are workers: a free one never waits for this loop.
            while self.room() and not self.standing.draining and (more or self.scenes.parts):
                # What is begun first: it holds disk.
                task = self.scenes.parts.popleft() if self.scenes.parts else next(tasks, None)
                more = more and task is not None
                if task is not None:
                    self.submit(client, task)
            self.listen()
            if self.standing.draining:
                self.withdraw()
            self.collect(client)
            self.end_hung(client)
            self.standing.parts = self.scenes.counts()
            self.show(self.standing)
            if now - written > max(OFTEN, SHARE * cost):
                write_summary(rows, self.journal, self.place)
                written = time.monotonic()
                cost = written - now

    def subscribe(self, client: Client) -> None:
        """Listens to what workers say."""
        for topic in (BEGINS, MEMORY):
            client.subscribe_topic(topic, lambda event, topic=topic: self.told.put((topic, event)))

    def wait_for_scheduler(self, client: Client) -> None:
        """Waits until the scheduler is there again; what it had is lost to it, and tried again.

        Raises:
            ClusterError: It is not there for too long.
        """
        since = time.monotonic()
        while client.status != "running":
            if time.monotonic() - since > LOST or client.status == "closed":
                raise ClusterError(
                    "the scheduler must stay: it is gone; what is finished is kept, and the same "
                    "command goes on when it is back"
                )
            self.show(self.standing)
            time.sleep(TICK)
        self.standing.running.clear()
        self.subscribe(client)

    def room(self) -> bool:
        """Whether another task may be handed over."""
        return len(self.pending) < 2 * max(self.standing.workers, 1) + 2

    def count(self, client: Client) -> int:
        """Workers that are there now; as many as before where the scheduler is gone."""
        try:
            return count_workers(client)
        except (OSError, ValueError):
            return self.standing.workers

    def submit(self, client: Client, task: Task | Part) -> None:
        """Hands a task to the cluster."""
        # Schedulers keep the first word of a key for ever: one for all, not one for each pair.
        key = (type(task).__name__, task.name, task.attempt, time.monotonic_ns())
        work: Callable[[Any], dict[str, Any]] = do_part if isinstance(task, Part) else detect_pair
        future = client.submit(work, task, key=key, pure=False)
        self.names[key] = task.name
        self.pending[task.name] = (task, future)
        future.add_done_callback(self.ended.put)

    def withdraw(self) -> None:
        """Takes back what no worker has begun."""
        for name, (_, future) in list(self.pending.items()):
            if name not in self.standing.running:
                del self.pending[name]
                future.cancel()

    def listen(self) -> None:
        """Notes what workers said."""
        with contextlib.suppress(queue.Empty):
            while True:
                topic, (_, said) = self.told.get_nowait()
                if topic == MEMORY:
                    self.starved[said["worker"]] = said.get("rss", 0)
                elif said["name"] in self.pending:
                    known = self.standing.running.get(said["name"])
                    since = time.monotonic()
                    began = said["attempt"], said["worker"]
                    if known is not None and (known.attempt, known.worker) == began:
                        # Its images are open, and what it takes is foretold.
                        since = known.since
                    self.standing.running[said["name"]] = Running(
                        id=said["name"],
                        attempt=said["attempt"],
                        worker=said["worker"],
                        since=since,
                        limit=said["limit"],
                    )

    def collect(self, client: Client) -> None:
        """Writes down what has ended, or tries it again."""
        ended = []
        future = self.ended_soon(TICK)
        while future is not None:
            ended.append(future)
            future = self.ended_soon(0)
        found = self.fetched(client, ended)
        for future in ended:
            # One of an earlier attempt may end as well.
            name = self.names.pop(future.key, "")
            if name in self.pending and self.pending[name][1].key == future.key:
                self.settle(client, self.pending[name][0], future, found.get(future.key))

    def fetched(self, client: Client, ended: Sequence[Future[Any]]) -> dict[Any, dict[str, Any]]:
        """What workers found, by key: all at once, as each asked alone costs a round trip.

        Where one does not come, none does: they are asked one by one then.
        """
        finished = {future.key: future for future in ended if future.status == "finished"}

        async def gathered() -> dict[Any, Any]:
            found: dict[Any, Any] = await client.gather(finished, errors="skip", asynchronous=True)
            return found

        if not finished:
            return {}
        try:
            told: dict[Any, dict[str, Any]] = client.sync(gathered, callback_timeout=FETCH)
        except (OSError, TimeoutError, CancelledError):
            return {}
        return told

    def ended_soon(self, seconds: float) -> Future[Any] | None:
        try:
            return self.ended.get(timeout=seconds) if seconds else self.ended.get_nowait()
        except queue.Empty:
            return None

    def settle(
        self, client: Client, task: Task | Part, future: Future[Any], found: dict[str, Any] | None
    ) -> None:
        """What became of a task is its last word, or it is tried again."""
        # The begin of a short pair may be told after its end.
        self.listen()
        del self.pending[task.name]
        begun = self.standing.running.pop(task.name, None) is not None
        if not begun:
            self.waited[task.name] += 1
            begun = self.waited[task.name] > WAITS
        entry = found or self.outcome(task, future)
        again = entry.pop("again", False)
        if again and (not begun or task.attempt <= self.patience.retries):
            if not self.standing.draining:
                # What only waited for a worker that died has not been tried.
                self.submit(client, _another(task) if begun else task)
            return
        if entry["status"] == "shared" and isinstance(task, Task):
            self.scenes.share(task, entry, self.standing.workers)
        elif entry["status"] == "part" and isinstance(task, Part):
            whole = self.scenes.end(task, entry["seconds"])
            if whole is not None and not self.standing.draining:
                self.submit(client, whole)
        elif isinstance(task, Task) or self.scenes.knows(task.id):
            self.close(task, entry)

    def close(self, task: Task | Part, entry: Mapping[str, Any]) -> None:
        """Writes the last word on a pair down."""
        seconds = self.scenes.forget(task.id) + entry.get("seconds", 0.0)
        self.journal.add({**entry, "seconds": round(seconds, 3), "attempts": task.attempt})
        if entry["status"] == "done":
            self.standing.done += 1
        else:
            self.standing.fail(task.id, entry["error"])

    def outcome(self, task: Task | Part, future: Future[Any]) -> dict[str, Any]:
        """The entry of the journal on a task that has ended and was not fetched with others."""
        failed = {"id": task.id, "status": "failed", "again": True}
        if future.status == "finished":
            try:
                entry: dict[str, Any] = future.result(timeout=FETCH)
            except (OSError, TimeoutError, CancelledError):
                return failed | {"error": "its worker died before it told what it found"}
            return entry
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker):
            had = self.starved.pop(error.last_worker.address, None)
            if had:
                return failed | {
                    "error": f"its worker was ended at {had / 2**30:.1f} GiB, its share of this "
                    "machine's memory; fewer --workers leave more for each"
                }
            return failed | {
                "error": "its worker died: ended by the system, perhaps for want of memory"
            }
        if error is None:
            return failed | {"error": "the scheduler lost it"}
        line = f"{type(error).__name__}: {error}".splitlines()[0][:400]
        return failed | {"error": f"the worker could not run it: {line}"}

    def end_hung(self, client: Client) -> None:
        """Ends workers whose pair takes too long: nothing else interrupts a read that hangs."""
        now = time.monotonic()
        for running in list(self.standing.running.values()):
            if now - running.since <= running.limit or running.id not in self.pending:
                continue
            task, future = self.pending.pop(running.id)
            del self.standing.running[running.id]
            future.cancel()
            # It may be gone already, or have no nanny.
            with contextlib.suppress(OSError, TimeoutError, ValueError, KeyError):
                client.restart_workers([running.worker], timeout=RESTART, raise_for_error=False)
            line = f"took more than {running.limit:,.0f} s; allow it more with --timeout"
            if isinstance(task, Task) or self.scenes.knows(task.id):
                self.close(task, {"id": task.id, "status": "failed", "error": line})


def _another(task: Task | Part) -> Task | Part:
    return replace(task, attempt=task.attempt + 1)


@contextlib.contextmanager
def _draining(standing: Standing) -> Iterator[None]:
    """Turns the first interrupt into a wish, and leaves the second one what it is."""

    def interrupted(_number: int, _frame: Any) -> None:
        if standing.draining:
            raise KeyboardInterrupt
        standing.draining = True

    names = (signal.SIGINT, signal.SIGTERM)
    before = {}
    with contextlib.suppress(ValueError):
        # Only the main thread hears signals.
        before = {
            name: signal.signal(name, interrupted)
            for name in names
            # Whoever started us so, as a shell does with what runs behind, wants it so.
            if signal.getsignal(name) is not signal.SIG_IGN
        }
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
