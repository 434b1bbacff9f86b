"""Co-registration: what shift lies between the dates, and whether removing it makes them alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Complex, Float
from scipy.ndimage import gaussian_filter, median_filter

from metriccd.pair.blocks import Block
from metriccd.pair.pair import ImagePair
from metriccd.pair.registration import Registration
from metriccd.pair.shift import Shift, common_shift, likeness, peak, spectra
from metriccd.raster import Window
from metriccd.stages import Stages

# Sides of windows that one shift, and the nodes of a field, are looked for in.
SIDE, NODE_SIDE = 256, 128
# Windows along a side of the scene at most.
LOOKS, NODES = 5, 16
# A peak lower than this may be noise: of 10,000 spectra of noise none reached 7.
SHARP = 8.0
# A standard error above this is no finding.
SURE = 0.4
# Shifts below this are left: the error of the estimate, and what interpolation blurs.
SMALLEST = 0.1
# What removing a shift must add to the correlation of the edges.
MARGIN = 0.002
# Nodes of the field may differ by this much from their neighbors', in pixels.
STRAY = 1.0
# Nodes (standard deviation) over which the field is smoothed.
NODE_SMOOTHING = 0.6


def read_windows(
    pair: ImagePair, *, looks: int = LOOKS, stages: Stages | None = None
) -> list[Block]:
    """Windows of a pair, spread evenly over it; of hundreds of bands as `of_few_bands` has it.

    Args:
        pair: Both dates.
        looks: Windows along a side at most.
        stages: Records time and reports progress.
    """
    return _read(pair, windows(pair.grid.shape, SIDE, looks), stages or Stages())


def shift_of(blocks: Sequence[Block]) -> Shift:
    """How far t2 lies off t1 in windows of one size.

    Returns:
        The shift; its `sharpness` is 0 where nothing could be compared, and it is to be believed
        where that is `SHARP` at least and its error `SURE` at most.
    """
    found = common_shift(spectra(blocks))
    if found is None:
        return Shift(row=0.0, col=0.0, error=float("inf"), sharpness=0.0)
    return found[0]


def coregistered(pair: ImagePair, mode: str | None, stages: Stages | None = None) -> ImagePair:
    """The pair with t2 moved onto t1, where that makes them more alike.

    Args:
        pair: Both dates.
        mode: "global" removes one shift, "local" a smooth field of shifts too; None: nothing.
        stages: Records time and reports progress.

    Raises:
        ValueError: No such mode.
    """
    if mode is None:
        return pair
    if mode not in ("global", "local"):
        raise ValueError(f"no way to co-register {mode!r}: choose global or local")
    stages = stages or Stages()
    found = _global(pair, stages)
    if mode == "local":
        found = _local(pair, found, stages)
    said = (f"not co-registered further: {found.note}",) if found.note else ()
    return replace(pair, registration=found, notes=(*pair.notes, *said))


def _global(pair: ImagePair, stages: Stages) -> Registration:
    """One shift, or none with the reason."""
    looks = windows(pair.grid.shape, SIDE, LOOKS)
    blocks = _read(pair, looks, stages)
    before, shift = likeness(blocks), shift_of(blocks)
    left = Registration(
        mode="none",
        row=shift.row,
        col=shift.col,
        error=min(shift.error, 99.0),
        before=before,
        after=before,
        shape=pair.grid.shape,
    )
    if shift.sharpness < SHARP or shift.error > SURE or shift.length > looks[0].height / 4:
        return replace(left, note="no shift was found that all parts of the images share")
    if shift.length < SMALLEST:
        return replace(left, note=f"t2 lies {shift.length:.2f} pixels off t1, which is on it")
    moved = replace(left, mode="global")
    # What the windows shared of one another's edge pulls to zero: a second look takes it out.
    blocks = _read(replace(pair, registration=moved), looks, stages)
    rest = shift_of(blocks)
    if rest.sharpness >= SHARP and SMALLEST / 4 < rest.length < 1:
        moved = replace(moved, row=shift.row + rest.row, col=shift.col + rest.col)
        blocks = _read(replace(pair, registration=moved), looks, stages)
    after = likeness(blocks)
    if after < before + MARGIN:
        return replace(
            left,
            note=f"moving t2 by {shift.length:.2f} pixels made its edges no more alike "
            f"({before:.3f} before, {after:.3f} after)",
        )
    return replace(moved, after=after)


def _local(pair: ImagePair, found: Registration, stages: Stages) -> Registration:
    """A field of shifts on top of one, or that one with the reason."""
    looks = windows(pair.grid.shape, NODE_SIDE, NODES)
    rows, cols = (len({getattr(look, axis) for look in looks}) for axis in ("row", "col"))
    if min(rows, cols) < 2:
        return replace(found, note=found.note or "the images are too small for a field of shifts")
    blocks = _read(replace(pair, registration=found), looks, stages)
    whole = common_shift(spectra(blocks))
    if whole is None:
        return found
    side = looks[0].height
    nodes = np.zeros((rows * cols, side, side), np.complex64)
    for node, block in zip(nodes, blocks, strict=True):
        for spectrum in spectra([block]).get(whole[1], []):
            node[:] = spectrum
    start = (0.0, 0.0) if found.mode == "none" else (found.row, found.col)
    local = replace(
        found,
        mode="local",
        row=start[0],
        col=start[1],
        shifts=field_of(nodes.reshape(rows, cols, side, side)),
        inset=side / 2,
        note="",
    )
    looks = windows(pair.grid.shape, SIDE, LOOKS)
    after = likeness(_read(replace(pair, registration=local), looks, stages))
    if after < found.after + MARGIN:
        reason = f"{found.after:.3f} before, {after:.3f} after"
        return replace(
            found,
            note=found.note or f"a field of shifts made the edges no more alike ({reason})",
        )
    return replace(local, after=after)


def field_of(
    nodes: Complex[np.ndarray, "node_row node_col row col"],
) -> Float[np.ndarray, "2 node_row node_col"]:
    """A smooth field of shifts from the spectra of nodes.

    Each node's spectrum is added to its neighbors', so that one node in the middle of change, or
    of sea, takes their shift. A node that strays from all around it is not believed.
    """
    rows, cols = nodes.shape[:2]
    kernel = np.array([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]])
    shifts, weights = np.zeros((2, rows, cols)), np.zeros((rows, cols))
    for row, col in np.ndindex(rows, cols):
        top, left = max(row - 1, 0), max(col - 1, 0)
        near = nodes[top : row + 2, left : col + 2]
        share = kernel[top - row + 1 :, left - col + 1 :][: near.shape[0], : near.shape[1]]
        *shifts[:, row, col], sharpness = peak(np.einsum("ij,ijkl->kl", share, near))
        weights[row, col] = max(sharpness - SHARP, 0)
    median = np.stack([median_filter(part, 3, mode="nearest") for part in shifts])
    weights[np.hypot(*(shifts - median)) > STRAY] = 0
    if not weights.any():
        return np.zeros_like(shifts)
    total = gaussian_filter(weights, NODE_SMOOTHING, mode="nearest")
    smooth = [gaussian_filter(part * weights, NODE_SMOOTHING, mode="nearest") for part in shifts]
    return np.asarray(np.stack(smooth) / np.maximum(total, 1e-9))


def windows(shape: tuple[int, int], side: int, most: int) -> list[Window]:
    """Windows of one size from edge to edge, half of each shared where there is room for few."""
    side = min(side, *shape)
    if side > min(shape) // 2:
        side = max(min(shape) // 2, min(64, *shape))
    side -= side % 2
    firsts = []
    for length in shape:
        count = min(max(2 * -(-(length - side) // side), 0) + 1, most)
        firsts.append(np.unique(np.linspace(0, length - side, count).round().astype(int)).tolist())
    return [
        Window(row=row, col=col, height=side, width=side) for row in firsts[0] for col in firsts[1]
    ]


def _read(pair: ImagePair, looks: Sequence[Window], stages: Stages) -> list[Block]:
    blocks = []
    with stages.stage("windows", len(looks)) as advance, pair.of_few_bands().reader() as read:
        for look in looks:
            blocks.append(read(look))
            advance(1)
    return blocks
