"""A synthetic pair of images that looks like land, with changes that are known exactly.

The land is painted as a map of patches on cells half a pixel wide. A patch is one variant of a
material and has a reflectance per date and band: a season changes the palette, never the paint,
so the reference is exactly what was painted over before the second date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Complex128, Float32, Shaped, UInt16
from numpy.random import Generator
from scipy import ndimage, sparse
from skimage import draw

BANDS = ("red", "green", "blue", "nir")
SIDES = (64, 4096)  # shortest and longest side of a scene in pixels

_SITE = 1024  # side in cells, two per pixel, of the square that gets one set of changes
_BLOCK = (120, 84)  # a block of parcels in cells, along and across its strips
_VARIANTS = 64  # patches per material
_HASHES = 4096
_NOISE = 0.002  # standard deviation of the sensor noise as reflectance
_polygon: Any = draw.polygon  # scikit-image carries no types

_Cells = Shaped[np.ndarray, "cell_row cell_col"]
_Canvas = UInt16[np.ndarray, "cell_row cell_col"]
_Field = Float32[np.ndarray, "row col"]
_Image = Float32[np.ndarray, "band row col"]
_Palette = Float32[np.ndarray, "patch band"]
_Points = Complex128[np.ndarray, "*points"]  # col + 1j · row in cells, so that a product turns

# Reflectance in red, green, blue and nir in spring, then in late summer; relative spread of
# brightness between patches, then within a patch. Fields come first, then woods, then the rest.
_MATERIALS = {
    "meadow": (0.055, 0.088, 0.044, 0.350, 0.080, 0.098, 0.054, 0.300, 0.10, 0.04),
    "fallow": (0.130, 0.112, 0.068, 0.260, 0.145, 0.124, 0.076, 0.270, 0.10, 0.04),
    "wheat": (0.045, 0.078, 0.038, 0.380, 0.180, 0.150, 0.090, 0.290, 0.10, 0.04),
    "maize": (0.150, 0.118, 0.072, 0.240, 0.048, 0.078, 0.038, 0.360, 0.10, 0.04),
    "orchard": (0.085, 0.092, 0.054, 0.270, 0.080, 0.088, 0.052, 0.280, 0.10, 0.06),
    "rape": (0.115, 0.135, 0.052, 0.400, 0.140, 0.122, 0.072, 0.280, 0.10, 0.04),
    "broadleaf": (0.028, 0.056, 0.028, 0.360, 0.033, 0.052, 0.028, 0.310, 0.06, 0.14),
    "conifer": (0.021, 0.037, 0.023, 0.200, 0.023, 0.036, 0.022, 0.190, 0.06, 0.14),
    "garden": (0.075, 0.092, 0.056, 0.290, 0.086, 0.095, 0.060, 0.270, 0.10, 0.10),
    "water": (0.030, 0.047, 0.036, 0.022, 0.030, 0.047, 0.036, 0.022, 0.00, 0.00),
    "clearing": (0.150, 0.122, 0.076, 0.240, 0.150, 0.122, 0.076, 0.240, 0.10, 0.10),
    "gravel": (0.205, 0.172, 0.112, 0.280, 0.205, 0.172, 0.112, 0.280, 0.10, 0.07),
    "asphalt": (0.098, 0.096, 0.072, 0.145, 0.098, 0.096, 0.072, 0.145, 0.10, 0.04),
    "tile": (0.225, 0.142, 0.088, 0.270, 0.225, 0.142, 0.088, 0.270, 0.10, 0.04),
    "slate": (0.125, 0.122, 0.094, 0.170, 0.125, 0.122, 0.094, 0.170, 0.10, 0.04),
    "metal": (0.320, 0.315, 0.270, 0.350, 0.320, 0.315, 0.270, 0.350, 0.10, 0.04),
    "shadow": (0.030, 0.035, 0.030, 0.070, 0.030, 0.035, 0.030, 0.070, 0.10, 0.04),
}
_FIRST = {name: index * _VARIANTS for index, name in enumerate(_MATERIALS)}
_WOODS = range(_FIRST["broadleaf"], _FIRST["garden"])
_CROP_SHARES = (0.36, 0.16, 0.18, 0.14, 0.12, 0.04)  # of the fields, in the order of the table


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Two images of one place and the changes that matter between them.

    Attributes:
        t1: Image in spring, reflectance × 10,000, from 1 to 10,000.
        t2: Image of the same grid in late summer; 0 in all bands is nodata.
        reference: True where something was built, dug or felled between the dates.
        bands: Name of each band.
        resolution: Side of a pixel in meters.
    """

    t1: UInt16[np.ndarray, "band row col"]
    t2: UInt16[np.ndarray, "band row col"]
    reference: Bool[np.ndarray, "row col"]
    bands: tuple[str, ...] = BANDS
    resolution: float = 10.0


def land_scene(
    height: int = 512,
    width: int = 512,
    *,
    seed: int = 0,
    shift: float = 0.4,
    haze: float = 0.15,
    nodata_corner: bool = False,
) -> Scene:
    """Render farmland with villages, roads, woods and a river at two dates.

    Season, radiometry, haze, noise and misregistration tell the dates apart and are not in the
    reference; a clearing, reservoir, estate, warehouse and road per 512 × 512 pixels are.
    The land depends on size and seed alone, whatever the other settings.

    Args:
        height: Rows of the images, 64 to 4096.
        width: Columns of the images, 64 to 4096.
        seed: Seed of every random choice; the same seed gives the same bytes.
        shift: Distance in pixels by which t2 lies below and to the right of t1, −1 to 1.
        haze: Opacity of the thickest haze over t2 in the blue band, 0 to 1.
        nodata_corner: Whether the upper left corner of t2 is nodata.

    Returns:
        The pair and its reference, true in about 3 % of the pixels.

    Raises:
        ValueError: A size or setting is outside its range.
    """
    sizes = (("height", height, *SIDES), ("width", width, *SIDES))
    for name, value, low, high in (*sizes, ("shift", shift, -1, 1), ("haze", haze, 0, 1)):
        if not low <= value <= high:
            raise ValueError(f"{name} must be {low} to {high}, got {value}: choose in that range")
    land, work, sky = np.random.default_rng(seed).spawn(3)
    before, rows = _land(land, height, width)
    after = _developed(_Brush(rng=work, canvas=before.copy()))
    spring, summer = _palettes(land)
    reference = (after != before).reshape(height, 2, width, 2).mean(axis=(1, 3)) >= 0.5
    grain = _noise(sky, (height, width), 1.3) + 0.6 * _noise(sky, (height, width), 7)
    first = _seen(before, spring, grain, rows)
    grain = 0.9 * grain + 0.5 * _noise(sky, (height, width), 1.3)
    second = _through_haze(sky, _seen(after, summer, grain, 0.5 * rows), haze)
    noisy = np.stack([first, [ndimage.shift(band, shift, mode="mirror") for band in second]])
    noisy += _NOISE * sky.standard_normal(noisy.shape, np.float32)
    t1, t2 = np.clip(np.rint(10_000 * noisy), 1, 10_000).astype(np.uint16)
    if nodata_corner:
        missing = np.add.outer(np.arange(height), np.arange(width)) < min(height, width) // 4
        t2[:, missing] = 0
        reference &= ~missing
    return Scene(t1=t1, t2=t2, reference=reference)


@dataclass(frozen=True, kw_only=True)
class _Brush:
    """What makes shapes by chance and fills them with patches, in cells."""

    rng: Generator
    canvas: _Cells

    @property
    def sites(self) -> int:
        return max(1, round(self.canvas.size / _SITE**2))

    @property
    def unit(self) -> float:
        """Side of the square that gets one set of changes: the scale of all large objects."""
        return float(np.sqrt(self.canvas.size / self.sites))

    def patch(self, *materials: str) -> int:
        return _FIRST[self.rng.choice(materials)] + int(self.rng.integers(_VARIANTS))

    def anywhere(self, count: int, margin: float = 0.0) -> _Points:
        ends = [(min(margin, n / 2), max(n - margin, n / 2)) for n in self.canvas.shape]
        rows, cols = (self.rng.uniform(*end, count) for end in ends)
        return np.asarray(cols + 1j * rows)

    def blob(self, radius: float) -> _Points:
        angle, waves = np.linspace(0, 2 * np.pi, 40, endpoint=False), np.arange(2, 7)
        swell = 0.16 / (waves - 1) * self.rng.standard_normal(5)
        waved = swell * np.cos(np.outer(angle, waves) + self.rng.uniform(0, 2 * np.pi, 5))
        rim = np.maximum(1 + waved.sum(axis=1), 0.4)
        return np.asarray(radius * rim * np.exp(1j * angle))

    def path(self, start: complex, end: complex, wander: float) -> _Points:
        """Line that strays from the straight one by about `wander` of its length."""
        along, waves = np.linspace(0, 1, max(2, round(abs(end - start) / 6))), np.arange(1, 7)
        waved = np.sin(np.pi * np.outer(along, waves)) * self.rng.standard_normal(6) / waves
        return np.asarray(start + (end - start) * (along + 1j * wander * waved.sum(axis=1)))

    def crossing(self, wander: float) -> _Points:
        """Path through the middle of the scene that begins and ends outside."""
        middle = self.anywhere(1, margin=0.3 * min(self.canvas.shape)).item()
        reach = 0.75 * sum(self.canvas.shape) * np.exp(1j * self.rng.uniform(0, np.pi))
        path = self.path(middle - reach, middle + reach, wander)
        return np.asarray(path + middle - path[len(path) // 2])

    def fill(self, outline: _Points, patch: int, only: _Cells | None = None) -> None:
        """Paint inside an outline, and inside a mask if there is one."""
        cells = _polygon(outline.imag, outline.real, self.canvas.shape)
        wanted = True if only is None else only[cells]
        self.canvas[cells] = np.where(wanted, patch, self.canvas[cells])

    def ribbon(self, path: _Points, width: Shaped[np.ndarray, " step"] | float, patch: int) -> None:
        """Fill a quadrilateral per step of the path, long enough to overlap the next."""
        step = np.diff(path) / abs(np.diff(path))
        ahead, aside = np.minimum(width, 4) / 2 * step, np.multiply(width, 0.5j * step)
        start, end = path[:-1] - ahead, path[1:] + ahead
        for outline in np.stack([start - aside, end - aside, end + aside, start + aside], axis=1):
            self.fill(outline, patch)


def _box(center: complex, axis: complex, aspect: float = 1.0) -> _Points:
    """Outline of a box along an axis, as wide as `aspect` times the length of the axis."""
    corners = np.array([-1, 1, 1, -1]) + 1j * aspect * np.array([-1, -1, 1, 1])
    return np.asarray(center + axis / 2 * corners)


def _land(rng: Generator, height: int, width: int) -> tuple[_Canvas, _Field]:
    """Patches of the first date, and the plow lines as relative brightness."""
    canvas, rows = _fields(rng, height, width)
    brush = _Brush(rng=rng, canvas=canvas)
    _plant_woods(brush)
    villages, farms = brush.anywhere(4 * brush.sites), brush.anywhere(12 * brush.sites)
    for center in (*villages, *farms):
        radius = brush.unit * (0.009 if center in farms else rng.uniform(0.025, 0.055))
        brush.fill(center + brush.blob(radius), brush.patch("garden"))
        _settle(brush, center, radius)
    _add_waters(brush)
    _add_roads(brush, villages)
    return canvas, rows


def _fields(rng: Generator, height: int, width: int) -> tuple[_Canvas, _Field]:
    """Blocks of parcels, each cut into up to four strips and every strip once across."""
    district, along, across = _laid_out(rng, height, width)
    table = rng.permutation(_HASHES).astype(np.int32)
    block = _hash(table, district, np.floor(along), np.floor(across))
    along, across = along % 1, across % 1
    cuts = rng.uniform(0.1, 1.3, (3, _HASHES)).astype(np.float32)
    strip = _hash(table, block, *(across > cut[block] for cut in cuts))
    parcel = _hash(table, strip, along > rng.uniform(0.2, 1.7, _HASHES).astype(np.float32)[strip])
    crops = rng.choice(len(_CROP_SHARES), _HASHES, p=_CROP_SHARES) * _VARIANTS
    canvas = (crops + rng.integers(_VARIANTS, size=_HASHES)).astype(np.uint16)[parcel]
    margin = np.minimum(along * _BLOCK[0], across * _BLOCK[1])
    canvas[(margin < 3) & (block % 4 == 0)] = _FIRST["broadleaf"]  # a hedge
    canvas[(margin < 1.6) & (block % 4 == 1)] = _FIRST["gravel"]  # a track
    rows = np.sin(across[::2, ::2] * (_BLOCK[1] * 2 * np.pi / 5.4)) * (parcel[::2, ::2] % 3 == 0)
    return canvas, 0.04 * rows.astype(np.float32)


def _laid_out(rng: Generator, height: int, width: int) -> tuple[_Cells, _Cells, _Cells]:
    """Voronoi districts, and coordinates along and across their parcels, in blocks."""
    count = max(3, round(height * width / 150**2))
    seeds = np.zeros((height, width), np.int32)
    seeds.flat[rng.integers(0, seeds.size, count)] = np.arange(1, count + 1)
    nearest = ndimage.distance_transform_edt(seeds == 0, None, False, True)
    district = seeds[tuple(nearest)].repeat(2, axis=0).repeat(2, axis=1)
    turn = np.exp(1j * rng.uniform(0, np.pi, count + 1)) / rng.uniform(0.7, 1.35, count + 1)
    cos, sin = (part.astype(np.float32)[district] for part in (turn.real, turn.imag))
    row, col = (6 * _noise(rng, district.shape, 110) for _ in range(2))
    row += np.arange(2 * height, dtype=np.float32)[:, None]
    col += np.arange(2 * width, dtype=np.float32)
    return district, (col * cos + row * sin) / _BLOCK[0], (row * cos - col * sin) / _BLOCK[1]


def _hash(table: Shaped[np.ndarray, " hash"], *keys: _Cells) -> _Cells:
    """One well mixed number per cell from several numbers per cell."""
    value = table[0]
    for key in keys:
        value = table[(value + key.astype(np.int32)) % _HASHES]
    return np.asarray(value)


def _plant_woods(brush: _Brush) -> None:
    """Woods end at a parcel as often as within one; the parcel also gives a stand its shade."""
    canvas, stand = brush.canvas, brush.canvas % _VARIANTS
    density = _noise(brush.rng, canvas.shape, 90) + 0.15 * _noise(brush.rng, canvas.shape, 10)
    density += stand * np.float32(0.8 / _VARIANTS)
    species = np.where(stand % 8 < 3, _FIRST["conifer"], _FIRST["broadleaf"])
    np.copyto(canvas, species + stand, "unsafe", density > np.quantile(density[::8, ::8], 0.86))


def _settle(brush: _Brush, center: complex, radius: float) -> None:
    """Crooked streets of houses within a circle."""
    rng, turn = brush.rng, np.exp(1j * brush.rng.uniform(0, np.pi))
    for direction, gap in ((turn, rng.uniform(15, 20)), (turn * 1j, rng.uniform(40, 60))):
        for offset in np.arange(-0.85 * radius, 0.9 * radius, gap):
            half = np.sqrt(radius**2 - offset**2) * rng.uniform(0.7, 1.2) * direction
            middle = center + direction * 1j * offset
            street = brush.path(middle - half, middle + half, 0.04)
            for place in np.repeat(street, 2):
                aside = rng.choice((-1j, 1j)) * rng.uniform(3.8, 5.2) + rng.normal(0, 0.8)
                house = _box(place + direction * aside, direction * rng.uniform(2, 4.6), 0.8)
                brush.fill(house - 0.8 - 1j, _FIRST["shadow"])  # the sun is in the southeast
                brush.fill(house, brush.patch("tile", "tile", "tile", "slate", "slate", "metal"))
            brush.ribbon(street, 1.6, brush.patch("asphalt"))


def _add_waters(brush: _Brush) -> None:
    """A river between its trees, and ponds."""
    river = brush.crossing(0.07)
    width = max(5.0, 0.014 * brush.unit) * (1 + 0.3 * np.sin(np.arange(len(river) - 1) / 15))
    ponds = [place + brush.blob(0.02 * brush.unit) for place in brush.anywhere(2 * brush.sites)]
    for margin, ground in ((6, "broadleaf"), (0, "water")):
        brush.ribbon(river, width + margin, _FIRST[ground])
        for pond in ponds:
            brush.fill(pond, _FIRST[ground])


def _add_roads(brush: _Brush, villages: _Points) -> None:
    """A highway across the scene, and a country road from each village to the nearest so far."""
    road, known = brush.patch("asphalt"), brush.crossing(0.03)
    brush.ribbon(known, 8.0, brush.patch("meadow"))
    brush.ribbon(known, 5.0, road)
    for village in villages:
        nearest = known[np.argmin(abs(known - village))]
        brush.ribbon(brush.path(village, nearest, 0.05), 2.6, road)
        known = np.append(known, village)


def _developed(brush: _Brush) -> _Canvas:
    """The patches of the second date: the reference is where they differ from the first."""
    fields = brush.canvas < _WOODS.start
    woods = (brush.canvas < _WOODS.stop) & ~fields
    for _ in range(brush.sites):
        _open_clearing(brush, woods)
        for develop in (_fill_reservoir, _build_estate, _build_warehouse, _build_road):
            develop(brush, fields)
    return brush.canvas


def _site(
    brush: _Brush, free: _Cells, length: float, aspect: float = 1.0
) -> tuple[complex, complex]:
    """Center and axis of the box, of those tried, that lies most on free cells; these are taken."""
    axes = length * brush.unit * np.exp(1j * brush.rng.uniform(0, np.pi, (512, 1, 1)))
    centers = brush.anywhere(512, margin=0.5 * length * brush.unit)[:, None, None]
    steps = np.linspace(-0.5, 0.5, 9)
    boxes = centers + axes * (steps + 1j * aspect * steps[:, None])
    rows_cols = boxes.imag.astype(int), boxes.real.astype(int)
    covered = free.take(np.ravel_multi_index(rows_cols, free.shape, mode="clip"))
    best = covered.mean(axis=(1, 2)).argmax()
    center, axis = centers[best].item(), axes[best].item()
    _Brush(rng=brush.rng, canvas=free).fill(_box(center, 1.2 * axis, aspect), False)
    return center, axis


def _open_clearing(brush: _Brush, woods: _Cells) -> None:
    center, axis = _site(brush, woods.copy(), 0.1)
    brush.fill(center + brush.blob(abs(axis) / 2), brush.patch("clearing"), only=woods)


def _fill_reservoir(brush: _Brush, fields: _Cells) -> None:
    center, axis = _site(brush, fields, 0.088)
    basin = brush.blob(abs(axis) / 2)
    brush.fill(center + 1.05 * basin, brush.patch("gravel"))
    brush.fill(center + basin, _FIRST["water"])


def _build_estate(brush: _Brush, fields: _Cells) -> None:
    center, axis = _site(brush, fields, 0.084)
    brush.fill(_box(center, axis), brush.patch("clearing"))
    _settle(brush, center, abs(axis) / 2)


def _build_warehouse(brush: _Brush, fields: _Cells) -> None:
    center, axis = _site(brush, fields, 0.08, 0.67)
    brush.fill(_box(center, axis, 0.67), brush.patch("asphalt"))
    brush.fill(_box(center, 0.7 * axis, 0.67), brush.patch("metal"))


def _build_road(brush: _Brush, fields: _Cells) -> None:
    center, axis = _site(brush, fields, 0.35, 0.1)
    path = brush.path(center - axis / 2, center + axis / 2, 0.05)
    for material, width, least in (("gravel", 0.007, 2.4), ("asphalt", 0.004, 1.4)):
        brush.ribbon(path, max(least, width * brush.unit), brush.patch(material))


def _palettes(rng: Generator) -> Float32[np.ndarray, "date patch band"]:
    """Reflectance of each patch; no two parcels of a crop are equally far into the season."""
    table = np.array(list(_MATERIALS.values()))[:, None]
    spring, summer, variety = table[..., :4], table[..., 4:8], table[..., 8:9]
    spread = (len(table), _VARIANTS, 1)
    late = np.stack([rng.uniform(0, 0.35, spread), rng.uniform(0.65, 1, spread)])
    shade = np.maximum(1 + variety * rng.standard_normal(spread), 0.5)
    palettes = (spring + late * (summer - spring)) * shade
    return np.asarray(palettes.reshape(2, -1, len(BANDS)), dtype=np.float32)


def _seen(patch: _Canvas, palette: _Palette, grain: _Field, rows: _Field) -> _Image:
    """Reflectance averaged over pixels, with texture, through optics that blur by 0.45 pixels."""
    coarse = np.repeat([np.float32(row[-1]) for row in _MATERIALS.values()], _VARIANTS)
    field = (np.arange(coarse.size) < _WOODS.start).astype(np.float32)
    quarters = np.stack([patch[row::2, col::2] for row in (0, 1) for col in (0, 1)])
    *bands, coarse, field = (table[quarters].mean(0) for table in (*palette.T, coarse, field))
    texture = 1 + coarse * grain + field * rows
    return np.stack([ndimage.gaussian_filter(band * texture, 0.45) for band in bands])


def _through_haze(rng: Generator, image: _Image, haze: float) -> _Image:
    """Smooth haze, thickest in blue, then a gain, a slight curve and an offset per band."""
    cover = 0.5 + 0.4 * _noise(rng, image.shape[1:], 0.35 * min(image.shape[1:]))
    opacity = np.stack([haze * thickness * cover.clip(0, 1) for thickness in (0.6, 0.8, 1, 0.25)])
    hazy = np.maximum(image * (1 - opacity) + 0.3 * opacity, 0.001)
    drifts = rng.uniform((0.9, 0.95, 0), (1.1, 1.05, 0.01), (len(image), 3)).tolist()
    return np.stack([a * band**c + b for band, (a, c, b) in zip(hazy, drifts, strict=True)])


def _noise(rng: Generator, shape: tuple[int, ...], scale: float) -> _Field:
    """Smooth Gaussian noise of unit spread with features `scale` wide."""
    blends = []
    for size in shape:  # sparse, for a dense product depends on the number of threads
        places, knots = np.arange(size) / scale, np.arange(-3, size / scale + 3)
        weights = np.exp(-(np.subtract.outer(places, knots) ** 2))
        weights[weights < 1e-4] = 0
        weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
        blends.append(sparse.csr_array(weights, dtype=np.float32))
    rows, cols = blends
    drawn = rng.standard_normal((rows.shape[1], cols.shape[1]), dtype=np.float32)
    return np.ascontiguousarray((cols @ (rows @ drawn).T).T)
