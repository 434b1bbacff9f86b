"""Rules for kinds of change: spectral indices of both dates, thresholds from the pair itself.

Water is seen by the modified difference water index (Xu, 2006) or, without short-wave infrared, by
the difference water index (McFeeters, 1996); vegetation by NDVI (Rouse et al., 1974) or, in plain
colors, by normalized excess green (Woebbecke et al., 1995). Thresholds are Otsu's over both dates,
kept between bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from scipy.ndimage import gaussian_filter
from scipy.special import expit
from skimage.filters import threshold_otsu

from metriccd.kinds.legend import KINDS, NODATA, OTHER
from metriccd.pair import Block
from metriccd.storage import storable

# Pixels of smoothing before water is looked for, and the context that a window needs for it.
SIGMA, HALO = 2.0, 8
# Bounds of Otsu's threshold of each index.
GREEN_BOUNDS, EXCESS_BOUNDS, WET_BOUNDS = (0.3, 0.6), (0.02, 0.15), (-0.2, 0.1)
# Without short-wave infrared, soil and roofs come near water.
WET_BOUNDS_NIR = (0.0, 0.1)
# No less evidence than this is water; it fades as the index falls from 0 to minus DRY.
WATER_LEAST, DRY = 0.1, 0.4
# Built ground: the color that it has at most, as a share of its brightest band, and how gradually
# ground stops being green, of excess green and of NDVI.
COLORED, FADING, FADING_NIR = 0.2, 0.03, 0.1
# A change of brightness is unusual beyond this many deviations of what most pixels share.
UNUSUAL, FAR = 2.0, 8.0
# The largest gap between bands of a white pixel, as a share of its brightness.
WHITE = 0.5

Roles = Mapping[str, int]
Plane = Float[np.ndarray, "row col"]


@storable
@dataclass(frozen=True, kw_only=True)
class KindRules:
    """Rules with the thresholds of one pair.

    Attributes:
        roles: Role → position of its band.
        softness: Added to the denominator of the water index, in the images' unit; None without
            bands that show water.
        water: Evidence above it is water gained, or, with the dates swapped, lost.
        wet: The water index of water is above it.
        green: A vegetation index above it is green; None without bands that show vegetation.
        brightness: Of log t2/t1: what most pixels share, and its robust deviation.
        field: Of red, or of all brightness, where both dates are green.
        bright: Brightness above which a pixel is far brighter than the scene.
    """

    roles: Roles
    softness: float | None
    water: tuple[float, float]
    wet: float
    green: float | None
    brightness: tuple[float, float]
    field: tuple[float, float]
    bright: float

    @classmethod
    def of(cls, blocks: Sequence[Block], roles: Roles) -> KindRules:
        """Finds the thresholds on parts that stand for a scene."""
        softness = _softness(blocks, roles)
        draft = cls(
            roles=roles,
            softness=softness,
            water=(WATER_LEAST, WATER_LEAST),
            wet=0.0,
            green=_green_level(blocks, roles),
            brightness=(0.0, 1.0),
            field=(0.0, 1.0),
            bright=np.inf,
        )
        logs, fields, light = [], [], []
        gained, lost, wet = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
        for block in blocks:
            ratio = draft.log_ratio(block, red=False)
            logs.append(ratio[block.valid])
            green = draft.greens(block)
            if green is not None:
                fields.append(draft.log_ratio(block, red=True)[green[0] & green[1] & block.valid])
            light += [_light(image, roles)[block.valid] for image in (block.t1, block.t2)]
            if softness is not None:
                gained.append(draft.water_evidence(block)[block.valid])
                lost.append(draft.water_evidence(_swapped(block))[block.valid])
                wet += [water[block.valid] for water in draft.waters(block)]
        center, spread = _robust(np.concatenate(light))
        bounds = WET_BOUNDS if "swir1" in roles else WET_BOUNDS_NIR
        return cls(
            roles=roles,
            softness=softness,
            water=(_water_level(np.concatenate(gained)), _water_level(np.concatenate(lost))),
            wet=float(np.clip(_otsu(np.concatenate(wet)), *bounds)),
            green=draft.green,
            brightness=_robust(np.concatenate(logs)),
            field=_robust(np.concatenate([np.zeros(0), *fields])),
            bright=center + FAR * spread,
        )

    @property
    def seen(self) -> frozenset[str]:
        """The kinds that the bands can show."""
        hidden = set()
        if self.softness is None:
            hidden |= {"water-gained", "water-lost"}
        if self.green is None:
            hidden |= {"vegetation-lost", "vegetation-gained", "seasonal"}
        if "swir1" not in self.roles and "nir" not in self.roles:
            hidden.add("cloud")
        return frozenset(KINDS) - hidden

    @property
    def weak(self) -> bool:
        """Whether vegetation is told by plain colors only."""
        return "nir" not in self.roles

    def label(self, block: Block) -> UInt8[np.ndarray, "row col"]:
        """The kind of every pixel, as if it had changed; `NODATA` where it is not valid.

        The first rule that holds decides, in the order of `docs/kinds.md`.
        """
        ratio = self.log_ratio(block, red=False)
        center, spread = self.brightness
        brighter, darker = ratio > center + spread, ratio < center - UNUSUAL * spread
        label = np.full(block.valid.shape, OTHER, np.uint8)
        label[darker] = KINDS["darkened"].value
        green = self.greens(block)
        label[brighter] = KINDS["built"].value
        if green is not None:
            one, other = green
            label[other & ~one] = KINDS["vegetation-gained"].value
            label[one & ~other] = KINDS["vegetation-lost"].value
            if self.weak:  # plain colors do not tell lawns from roofs at t1
                label[(ratio > center) & ~other] = KINDS["built"].value
            shared, deviation = self.field
            unusual = self.log_ratio(block, red=True) > shared + UNUSUAL * deviation
            label[one & other & ~unusual] = KINDS["seasonal"].value
            label[one & other & unusual] = OTHER
        if "cloud" in self.seen:
            label[self._clouds(block)] = KINDS["cloud"].value
        if self.softness is not None:
            wet1, wet2 = (water > self.wet for water in self.waters(block))
            lost = self.water_evidence(_swapped(block)) > self.water[1]
            label[wet1 & lost] = KINDS["water-lost"].value
            gained = self.water_evidence(block) > self.water[0]
            label[wet2 & gained] = KINDS["water-gained"].value
        label[~block.valid] = NODATA
        return label

    def evidence(self, block: Block, kind: str) -> Float32[np.ndarray, "row col"]:
        """How much speaks for a kind of water."""
        return self.water_evidence(block if kind == "water-gained" else _swapped(block))

    def water_evidence(self, block: Block) -> Float32[np.ndarray, "row col"]:
        """Water gained: (Δw − n/2)·(1 + w₂/0.4), neither factor below 0, the second at most 1.

        w is the water index and n the relative change of near infrared, where there is such a band.
        """
        wet1, wet2 = self.waters(block)
        found = wet2 - wet1
        if "nir" in self.roles:
            one, other = (_smooth(image, block.valid, self.roles["nir"]) for image in block[:2])
            found -= _ratio(other, one, self.softness or 1) / 2
        evidence: Float32[np.ndarray, "row col"] = np.maximum(found, 0) * np.clip(
            1 + wet2 / DRY, 0, 1
        )
        return evidence.astype(np.float32)

    def built_evidence(self, block: Block) -> Float32[np.ndarray, "row col"]:
        """Built, from 0 to 1: brighter than what is shared, gray at t2, and not green then."""
        center, spread = self.brightness
        gained = expit((self.log_ratio(block, red=False) - center) / max(spread, 1e-6))
        visible = [self.roles[name] for name in ("red", "green", "blue") if name in self.roles]
        bands = block.t2[visible] if visible else block.t2
        brightest = np.maximum(bands.max(axis=0), 1e-6)
        gray = np.exp(-(brightest - bands.min(axis=0)) / brightest / COLORED)
        evidence: Float32[np.ndarray, "row col"] = (gained * gray).astype(np.float32)
        if self.green is not None:
            fading = FADING if self.weak else FADING_NIR
            over = _greenness(block.t2, self.roles) - self.green
            evidence *= expit(-over / fading).astype(np.float32)
        return evidence

    def waters(
        self, block: Block
    ) -> tuple[Float[np.ndarray, "row col"], Float[np.ndarray, "row col"]]:
        """The smoothed water index of each date."""
        green, dry = self.roles["green"], self.roles["swir1" if "swir1" in self.roles else "nir"]
        one, other = (
            _ratio(
                _smooth(image, block.valid, green),
                _smooth(image, block.valid, dry),
                self.softness or 1,
            )
            for image in block[:2]
        )
        return one, other

    def greens(
        self, block: Block
    ) -> tuple[Bool[np.ndarray, "row col"], Bool[np.ndarray, "row col"]] | None:
        """Where each date is green."""
        if self.green is None:
            return None
        one, other = (_greenness(image, self.roles) for image in (block.t1, block.t2))
        return one > self.green, other > self.green

    def log_ratio(self, block: Block, *, red: bool) -> Float[np.ndarray, "row col"]:
        """Logarithm of t2/t1, of brightness or of the red band where there is one."""
        roles = {"red": self.roles["red"]} if red and "red" in self.roles else self.roles
        one, other = (_light(image, roles) for image in (block.t1, block.t2))
        ratio: Plane = np.log((np.maximum(other, 0) + 1e-6) / (np.maximum(one, 0) + 1e-6))
        return ratio

    def _clouds(self, block: Block) -> Bool[np.ndarray, "row col"]:
        """Far brighter than the scene and white at one date only."""
        one, other = (_white(image, self.roles, self.bright) for image in (block.t1, block.t2))
        clouds: Bool[np.ndarray, "row col"] = one ^ other
        return clouds


def _smooth(
    image: Float32[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"], band: int
) -> Plane:
    """A band, smoothed over valid pixels only."""
    weight = gaussian_filter(valid.astype(np.float32), SIGMA, truncate=HALO / SIGMA) + 1e-6
    smooth: Plane = gaussian_filter(image[band] * valid, SIGMA, truncate=HALO / SIGMA) / weight
    return smooth


def _white(
    image: Float32[np.ndarray, "band row col"], roles: Roles, bright: float
) -> Bool[np.ndarray, "row col"]:
    bands = image[sorted(roles.values())]
    light = bands.mean(axis=0)
    gap = bands.max(axis=0) - bands.min(axis=0)
    white: Bool[np.ndarray, "row col"] = (_light(image, roles) > bright) & (gap < WHITE * light)
    return white


def _light(image: Float32[np.ndarray, "band row col"], roles: Roles) -> Plane:
    """Brightness: the mean of the visible bands, or of all."""
    visible = [roles[name] for name in ("red", "green", "blue") if name in roles]
    light: Plane = image[visible].mean(axis=0) if visible else image.mean(axis=0)
    return light


def _greenness(image: Float32[np.ndarray, "band row col"], roles: Roles) -> Plane:
    """NDVI, with green for red where there is no red; excess green of plain colors."""
    if "nir" in roles:
        low = image[roles["red" if "red" in roles else "green"]]
        return _ratio(image[roles["nir"]], low, 1e-6)
    red, green, blue = (image[roles[name]] for name in ("red", "green", "blue"))
    excess: Plane = (2 * green - red - blue) / (red + green + blue + 1e-6)
    return excess


def _green_level(blocks: Sequence[Block], roles: Roles) -> float | None:
    if "nir" in roles and roles.keys() & {"red", "green"}:
        bounds = GREEN_BOUNDS
    elif roles.keys() >= {"red", "green", "blue"}:
        bounds = EXCESS_BOUNDS
    else:
        return None
    values = [
        _greenness(image, roles)[block.valid] for block in blocks for image in (block.t1, block.t2)
    ]
    return float(np.clip(_otsu(np.concatenate(values)), *bounds))


def _softness(blocks: Sequence[Block], roles: Roles) -> float | None:
    """Half the median sum of both bands of the water index over both dates."""
    if "green" not in roles or not roles.keys() & {"swir1", "nir"}:
        return None
    pair = [roles["green"], roles["swir1" if "swir1" in roles else "nir"]]
    sums = [
        image[pair].sum(axis=0)[block.valid] for block in blocks for image in (block.t1, block.t2)
    ]
    return max(float(np.median(np.concatenate(sums))) / 2, 1e-6)


def _water_level(evidence: Float[np.ndarray, " pixel"]) -> float:
    return max(_otsu(evidence), WATER_LEAST)


def _otsu(values: Float[np.ndarray, " pixel"]) -> float:
    if not values.size or values.min() == values.max():
        return float(values[0]) if values.size else 0.0
    return float(threshold_otsu(values))  # type: ignore[no-untyped-call]


def _robust(values: Float[np.ndarray, " pixel"]) -> tuple[float, float]:
    """Median, and the deviation that a normal distribution of the same median gap has."""
    if not values.size:
        return 0.0, 0.0
    center = float(np.median(values))
    return center, 1.4826 * float(np.median(np.abs(values - center)))


def _ratio(one: Plane, other: Plane, soft: float | np.floating) -> Plane:
    ratio: Plane = (one - other) / (one + other + soft)
    return ratio


def _swapped(block: Block) -> Block:
    return Block(block.t2, block.t1, block.valid)
