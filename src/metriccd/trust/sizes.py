"""How much: pixels that a file declares against what is allowed, bytes against what is free."""

from __future__ import annotations

from pathlib import Path

from metriccd.errors import DataError
from metriccd.trust.policy import trusted

# Pixels a second that `fast` measures on two cores, for a word on how long others would take.
RATE = 0.3e6
# Thinner images are read and computed as if they were so wide: each window costs something.
THIN = 128
CGROUP = Path("/sys/fs/cgroup")


def require_size(height: int, width: int, label: str) -> None:
    """Refuses more pixels than are allowed.

    Args:
        height: Rows that must be read.
        width: Columns.
        label: What has them.

    Raises:
        DataError: There are more than `Trust.max_pixels`.
    """
    pixels, most = max(height, THIN) * max(width, THIN), trusted().max_pixels
    if pixels > most:
        raise DataError(
            f"at most {most:,} pixels are compared: {label} has {height:,} rows × {width:,} "
            f"columns to read, which takes {_duration(pixels / RATE)}; compare a part with "
            f"--bbox or --aoi, or allow it with --max-pixels {pixels}"
        )


def require_memory(needed: float, what: str, remedy: str) -> None:
    """Refuses what would take more memory than is free.

    Args:
        needed: Bytes.
        what: What takes them.
        remedy: What to do instead.

    Raises:
        DataError: They are not free.
    """
    free = free_mib()
    if free is not None and needed / 2**20 > free:
        raise DataError(
            f"memory must suffice: {what} takes {needed / 2**30:,.1f} GiB, and {free / 2**10:,.1f} "
            f"GiB are free; {remedy}"
        )


def free_mib() -> float | None:
    """Memory that is free, in MiB: of the machine, or of the container; None where nobody says."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    rows = dict(line.split(":") for line in text.splitlines())
    if "MemAvailable" not in rows:
        return None
    free = float(rows["MemAvailable"].split()[0]) / 2**10
    try:
        most = float((CGROUP / "memory.max").read_text(encoding="ascii"))
        used = float((CGROUP / "memory.current").read_text(encoding="ascii"))
        counts = (CGROUP / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return free
    # What the kernel would give back: files that it keeps in memory.
    kept = float(counts[counts.index("inactive_file") + 1]) if "inactive_file" in counts else 0.0
    return min(free, (most - used + kept) / 2**20)


def _duration(seconds: float) -> str:
    """Minutes, hours, days or years, whichever reads well."""
    if seconds < 5400:
        return "under a minute" if seconds < 60 else f"about {seconds / 60:.0f} min"
    hours = seconds / 3600
    if hours < 48:
        return f"about {hours:.1f} hours"
    days = hours / 24
    return f"about {days:,.0f} days" if days < 730 else f"about {days / 365:,.0f} years"
