"""How sure figures of one scene are: intervals from blocks of pixels drawn again and again.

Neighboring pixels err together, so that whole blocks are drawn, with replacement (Künsch, 1989;
Hall, 1985): 95 % percentile intervals (Efron and Tibshirani, 1993).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

BLOCK, DRAWS, BINS = 64, 1000, 256
SHARES = (2.5, 97.5)


def block_intervals(
    values: Float[np.ndarray, "row col"],
    change: Bool[np.ndarray, "row col"],
    changed: Bool[np.ndarray, "row col"],
    judged: Bool[np.ndarray, "row col"],
    *,
    size: int = BLOCK,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95 % intervals of ua, recall, f1, iou, auc and ap.

    Areas under curves come from 256 levels of the score, which moves them by less than a hundredth.

    Args:
        values: The score.
        change: The change map.
        changed: The reference.
        judged: Pixels that count.
        size: Side of the blocks, in pixels.
        seed: Of the draws.

    Returns:
        Figure → lower and upper end; empty with fewer than two blocks, or without change or
        anything else in the reference.
    """
    known = judged & np.isfinite(values)
    rows, cols = np.nonzero(known)
    across = -(-known.shape[1] // size)
    block = np.unique((rows // size) * across + cols // size, return_inverse=True)[1]
    truth, found, score = changed[known], change[known], values[known]
    blocks = int(block.max(initial=-1)) + 1
    if blocks < 2 or truth.all() or not truth.any():
        return {}
    cells = np.bincount(block * 4 + found * 2 + truth, minlength=4 * blocks).reshape(blocks, 4)
    edges = np.unique(np.quantile(score, np.linspace(0, 1, BINS + 1)[1:-1]))
    # Highest scores first.
    level = len(edges) - np.searchsorted(edges, score, side="left")
    levels = len(edges) + 1
    counts = np.bincount((block * levels + level) * 2 + truth, minlength=2 * blocks * levels)
    ranked = counts.reshape(blocks, levels, 2)
    random = np.random.default_rng(seed)
    times = random.multinomial(blocks, np.full(blocks, 1 / blocks), size=DRAWS)
    figures = _of_maps(times @ cells) | _of_scores(times @ ranked[..., 1], times @ ranked[..., 0])
    with np.errstate(invalid="ignore"):
        ends = {name: np.nanpercentile(drawn, SHARES) for name, drawn in figures.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def _of_maps(cells: Int64[np.ndarray, "draw 4"]) -> dict[str, Float64[np.ndarray, " draw"]]:
    """Figures of maps from counts of true negatives, false negatives, false and true positives."""
    _, fn, fp, tp = cells.astype(float).T
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "ua": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "iou": tp / (tp + fp + fn),
        }


def _of_scores(
    changed: Int64[np.ndarray, "draw level"], unchanged: Int64[np.ndarray, "draw level"]
) -> dict[str, Float64[np.ndarray, " draw"]]:
    """Areas under the curves from counts at falling scores."""
    tp, fp = changed.cumsum(axis=1), unchanged.cumsum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = tp - changed / 2
        auc = (mean * unchanged).sum(axis=1) / (tp[:, -1] * fp[:, -1])
        precision = np.nan_to_num(tp / (tp + fp))
        return {"auc": auc, "ap": (changed * precision).sum(axis=1) / tp[:, -1]}
