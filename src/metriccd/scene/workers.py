"""Several windows at once, each on its share of the threads.

One tile after the other, every small operation waits for its slowest thread, and NumPy has but
one. Tiles beside each other wait for nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

# A tile and its context take up to half a gigabyte while they are measured.
WORKERS = 2

Given = TypeVar("Given")
Made = TypeVar("Made")


@contextmanager
def workers(tasks: int) -> Iterator[Executor]:
    """Threads for a number of tasks; torch's own threads are shared out among them meanwhile."""
    threads = torch.get_num_threads()
    count = max(min(WORKERS, tasks, threads), 1)
    pool = ThreadPoolExecutor(
        count, initializer=torch.set_num_threads, initargs=(threads // count,)
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def map_ahead(
    work: Callable[[Given], Made], given: Iterable[Given], *, pool: Executor, ahead: int = WORKERS
) -> Generator[Made, None, None]:
    """Results in order, while the next `ahead` of them are worked on.

    `Executor.map` takes all that is given at once, which may not fit into memory.
    """
    pending: deque[Future[Made]] = deque()
    for item in given:
        pending.append(pool.submit(work, item))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
