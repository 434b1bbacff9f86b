"""What the user allows: names elsewhere, and how many pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

# At 0.3 megapixels a second, as `fast` takes on two cores, an hour.
MAX_PIXELS = 10**9


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What the user allows beyond the files that he names himself.

    Attributes:
        allow_remote: Names that a file gives may lead to other machines and out of its folder.
        max_pixels: Most pixels that are compared, or read of one image for it.

    Raises:
        ValueError: `max_pixels` is not positive.
    """

    allow_remote: bool = False
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.max_pixels < 1:
            raise ValueError(f"--max-pixels must be at least 1: got {self.max_pixels}")

    @contextmanager
    def applied(self) -> Iterator[None]:
        """What is opened within the block is judged by this; in this thread, as opening is.

        What has been opened once is read elsewhere without asking again.
        """
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)


DEFAULT = Trust()
_CURRENT = ContextVar("trust", default=DEFAULT)


def trusted() -> Trust:
    """What is allowed here and now; the defaults where nobody said anything."""
    return _CURRENT.get()
