"""Which kinds of change a user asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metriccd.errors import DataError, choices
from metriccd.kinds.legend import KINDS

# Kinds whose own evidence ranks pixels better than the score does, so that it decides.
WATER, BUILT = frozenset({"water-gained", "water-lost"}), frozenset({"built"})


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The kinds that count as change.

    Attributes:
        names: Of the kinds.
        named: True where they were asked for, False where others were left out.
    """

    names: frozenset[str]
    named: bool = True

    @property
    def by_evidence(self) -> bool:
        """Whether the evidence of the kinds takes the place of the score."""
        return bool(self.names) and (self.names <= WATER or self.names == BUILT)

    @property
    def values(self) -> list[int]:
        """Of the kinds in `kind.tif`."""
        return sorted(KINDS[name].value for name in self.names)

    def require(self, seen: frozenset[str]) -> None:
        """Refuses kinds that were asked for by name and that the bands do not show.

        Raises:
            DataError: There is one.
        """
        hidden = sorted(self.names - seen)
        if hidden and self.named:
            raise DataError(
                f"bands must show the kinds asked for: {hidden[0]} is not seen in these bands; "
                "water takes green and nir or swir1, cloud nir or swir1, vegetation nir or colors: "
                "name them in the file, or ask for other kinds"
            )


def wanted_kinds(asked: str | Sequence[str]) -> Wanted | None:
    """What "water-gained,built" or "!seasonal" means; None where every change counts.

    Args:
        asked: Kinds parted by commas, or as a sequence; with "!" before each, all but these.

    Raises:
        ValueError: No such kind, or some with "!" and some without.
    """
    listed = asked.split(",") if isinstance(asked, str) else asked
    names = [name.strip() for name in listed if name.strip()]
    if not names:
        return None
    without = [name for name in names if name.startswith("!")]
    if without and len(without) != len(names):
        raise ValueError(
            f"kinds are either asked for or left out with '!': got {','.join(names)}; "
            "give all with '!' or none"
        )
    plain = {name.removeprefix("!") for name in names}
    unknown = sorted(plain - KINDS.keys())
    if unknown:
        raise ValueError(f"no kind {unknown[0]!r}: choose from {choices(unknown[0], KINDS)}")
    names_left = KINDS.keys() - plain if without else plain
    return Wanted(names=frozenset(names_left), named=not without)
