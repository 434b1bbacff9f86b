"""When images were taken, and what tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from metriccd.errors import DataError
from metriccd.raster import Raster

Dates = str | Sequence[str]  # "2019-06-01,2020-06-01", or two dates
GIVEN = "--dates"  # what tells a date that the user gave

_DAY = r"(?P<year>(?:19|20)\d{2})(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[T_](?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d))?"
_OF_YEAR = r"(?P<year>(?:19|20)\d{2})(?P<of_year>[0-3]\d{2})"
# The first that is found tells: 2019-06-01; A2019152 (MODIS); 2020209T155956 (HLS);
# LC81960222015122 (Landsat before the collections); 20180211T102141.
PATTERNS = (
    re.compile(
        r"(?<!\d)(?P<year>(?:19|20)\d{2})[-_.](?P<month>0[1-9]|1[0-2])[-_.]"
        r"(?P<day>0[1-9]|[12]\d|3[01])"
        r"(?:[T_ -](?P<hour>[01]\d|2[0-3])[:\-_.]?(?P<minute>[0-5]\d)[:\-_.]?(?P<second>[0-5]\d))?"
        r"(?!\d)"
    ),
    re.compile(rf"(?:^|[._-])A{_OF_YEAR}(?!\d)"),
    re.compile(rf"(?<!\d){_OF_YEAR}T(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d)"),
    re.compile(rf"L[COTEM]\d\d{{6}}{_OF_YEAR}"),
    re.compile(rf"(?<!\d){_DAY}{_CLOCK}(?!\d)"),
)
# Of these the only time is that of the file's making, unless a validity (_V…) is noted too.
MADE = re.compile(r"_OPER_")
VALIDITY = re.compile(r"_V(\d{8}T\d{6})")


@dataclass(frozen=True, kw_only=True)
class Acquired:
    """When an image was taken.

    Attributes:
        time: In UTC; midnight where only the day is known.
        source: What tells it, in words.
    """

    time: datetime
    source: str

    def as_record(self) -> dict[str, str]:
        """As a run's record has it."""
        return {"time": self.time.isoformat(), "source": self.source}


def acquired(raster: Raster) -> Acquired | None:
    """When an image was taken, by its STAC item, coordinates, or names of files and folders.

    Never by when a file was made: that is another time.
    """
    if raster.origin is not None and raster.origin.when is not None:
        return Acquired(time=raster.origin.when.astimezone(UTC), source="its STAC item")
    if raster.acquired is not None:
        time = _iso(raster.acquired)
        return None if time is None else Acquired(time=time, source="the coordinate time")
    own = Path(raster.label)
    paths = [own, *(Path(band.path) for band in raster.bands[:1])]
    names = [path.name for path in paths]
    # Folders of a product, such as a .SAFE, up to where it was put.
    names += [part.name for path in paths for part in list(path.parents)[:4] if _product(part.name)]
    for name in dict.fromkeys(names):
        time = time_in(name)
        if time is not None:
            return Acquired(time=time, source=f"the name {name}")
    return None


def _product(name: str) -> bool:
    return name.upper().endswith(".SAFE") or bool(re.match(r"(?:L1C|L2A|L[COTEM]0\d)_", name))


def time_in(name: str) -> datetime | None:
    """The time of acquisition in a name, or None where it tells none.

    Product names carry several times; the first is the sensing time in Sentinel-2's and
    Landsat's conventions, but in Sentinel-2's old ones (…_OPER_…), which begin with the
    time when the file was made.
    """
    if MADE.search(name):
        validity = VALIDITY.search(name)
        return None if validity is None else time_in(validity[1])
    for pattern in PATTERNS:
        for match in pattern.finditer(name):
            with suppress(ValueError):  # the 31st of February, or a day 366
                return _time(match.groupdict())
    return None


def _time(parts: dict[str, str | None]) -> datetime:
    number = {name: int(value) for name, value in parts.items() if value is not None}
    clock = {name: number.get(name, 0) for name in ("hour", "minute", "second")}
    if "of_year" not in number:
        return datetime(number["year"], number["month"], number["day"], **clock, tzinfo=UTC)
    start = datetime(number["year"], 1, 1, **clock, tzinfo=UTC)
    found = start + timedelta(days=number["of_year"] - 1)
    if found.year != start.year or not number["of_year"]:
        raise ValueError("no such day")
    return found


def dates_given(dates: Dates, count: int = 2) -> tuple[Acquired, ...]:
    """Dates that the user gives, one for each image.

    Raises:
        DataError: There are more or fewer than `count`, or one of them is no date.
    """
    texts = dates.split(",") if isinstance(dates, str) else list(dates)
    times = [_iso(text.strip()) for text in texts]
    found = tuple(Acquired(time=time, source=GIVEN) for time in times if time is not None)
    if not len(found) == len(times) == count:
        such = ",".join(f"{2019 + number}-06-01" for number in range(min(count, 3)))
        raise DataError(
            f"--dates must be {'two' if count == 2 else count} dates such as "
            f"{such}{',…' if count > 3 else ''}: got {','.join(texts)}"
        )
    return found


def order_warning(first: Acquired | None, second: Acquired | None) -> str | None:
    """What to say where the first image was taken after the second one."""
    if first is None or second is None or first.time <= second.time:
        return None
    return (
        f"t1 was taken after t2: {first.time:%Y-%m-%d} ({first.source}) and "
        f"{second.time:%Y-%m-%d} ({second.source}); swap them, or say when with --dates"
    )


def _iso(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text[:26])
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
