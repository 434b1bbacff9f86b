"""From a score or difference image to a change map, without labels.

A rule takes the `Histogram` of a scene's valid values and returns a threshold t: change is
value > t. The rules on gray levels work on 256 equal levels from minimum to maximum, as the
literature does. Where all values are equal nothing changed: t is that value, or +inf when there
are no values at all.

`vector_kmeans` is for difference images whose bands are not to be merged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import chdtri, expit, xlogy
from skimage.filters import threshold_otsu, threshold_yen

from metriccd.scene import Histogram

Rule = Callable[[Histogram], float]


def otsu(histogram: Histogram) -> float:
    """Largest variance between the classes, on 256 levels (Otsu 1979), by scikit-image."""
    if histogram.constant:
        return histogram.ceiling
    # scikit-image leaves the function unannotated
    return float(threshold_otsu(hist=histogram.uniform()))  # type: ignore[no-untyped-call]


def yen(histogram: Histogram) -> float:
    """Largest entropic correlation, on 256 levels (Yen, Chang & Chang 1995), by scikit-image."""
    if histogram.constant:
        return histogram.ceiling
    # A class of a few pixels in 10⁸ vanishes in scikit-image's float32: log 0, rightly never best.
    with np.errstate(divide="ignore"):
        return float(threshold_yen(hist=histogram.uniform()))  # type: ignore[no-untyped-call]


def kapur(histogram: Histogram) -> float:
    """Largest sum of the entropies of the two classes, on 256 levels.

    H(s) = −Σ_{i≤s} p_i/P ln p_i/P − Σ_{i>s} p_i/(1−P) ln p_i/(1−P), P = Σ_{i≤s} p_i
    (Kapur, Sahoo & Wong 1985, "A new method for gray-level picture thresholding").
    """
    if histogram.constant:
        return histogram.ceiling
    counts, centers = histogram.uniform()
    share = counts / counts.sum()
    entropies = _entropy_so_far(share)[:-1] + _entropy_so_far(share[::-1])[-2::-1]
    return float(centers[entropies.argmax()])


def rosin(histogram: Histogram) -> float:
    """Corner of a unimodal histogram with the no-change peak low, on 256 levels.

    The level farthest from the straight line between the peak and the first empty level after
    the last filled one (Rosin 2001, "Unimodal thresholding"). Without a corner nothing changed.
    """
    if histogram.constant:
        return histogram.ceiling
    counts, centers = histogram.uniform()
    corner = _corner(np.append(counts, 0), counts.size)
    return float(centers[corner]) if corner < counts.size else histogram.ceiling


def triangle(histogram: Histogram) -> float:
    """Corner between the peak and the farther end of 256 levels (Zack, Rogers & Latt 1977).

    Equals `skimage.filters.threshold_triangle`, which takes no histogram. It differs from `rosin`
    where the peak lies in the upper half: the corner is then sought below the peak.
    """
    if histogram.constant:
        return histogram.ceiling
    counts, centers = histogram.uniform()
    last = counts.size - 1
    return float(centers[_corner(counts, last if counts.argmax() < last - counts.argmax() else 0)])


def kmeans(histogram: Histogram) -> float:
    """Middle between the means of the two classes with the least variance within (k-means, k = 2).

    The exact optimum on the fine bins of the histogram: in one dimension classes are intervals,
    so every split is tried.
    """
    if histogram.constant:
        return histogram.ceiling
    values, counts = histogram.values, histogram.counts
    number = np.cumsum(counts)[:-1]
    total = np.cumsum(values * counts)
    lower, upper = total[:-1] / number, (total[-1] - total[:-1]) / (histogram.count - number)
    best = (number * (histogram.count - number) * (upper - lower) ** 2).argmax()
    return float((lower[best] + upper[best]) / 2)


def gmm(histogram: Histogram) -> float:
    """Where the upper of two Gaussian components becomes the more probable one.

    Expectation-maximization on the histogram from the k-means classes, until the mean
    log-likelihood gains less than 1e-7 or 1000 steps (the use of Bruzzone & Prieto 2000 for
    difference images). Where the posteriors do not cross, there are no two classes to tell apart
    and nothing changed.
    """
    if histogram.constant:
        return histogram.ceiling
    coarse = histogram.coarsened(2**12)
    values, share = coarse.values, coarse.counts / coarse.count
    # A component on a single value keeps some width.
    floor = 1e-6 * _Component.fit(values, share, 0.0).variance
    upper, gain, previous = (values > kmeans(coarse)).astype(float), math.inf, -math.inf
    for _ in range(1000):
        components = [_Component.fit(values, share * part, floor) for part in (1 - upper, upper)]
        if gain < 1e-7 or not all(component.weight for component in components):
            break
        log_low, log_high = (component.log_density(values) for component in components)
        upper = expit(log_high - log_low)
        likelihood = float(share @ np.logaddexp(log_low, log_high))
        gain, previous = likelihood - previous, likelihood
    return _crossing(components, histogram.ceiling)


def chi2(degrees_of_freedom: int, *, alpha: float = 0.01) -> Rule:
    """The rule for chi-square statistics: change where the p-value 1 − F(value) < alpha.

    For MAD and IR-MAD the statistic is Σ_i (M_i / σ_i)² and its degrees of freedom the number of
    variates (Nielsen 2007). Values are first divided by their `chi2_inflation`: without that,
    IR-MAD's p-values are far too small.

    Raises:
        ValueError: `degrees_of_freedom` < 1, or `alpha` is not between 0 and 1.
    """
    if degrees_of_freedom < 1:
        raise ValueError(
            f"degrees of freedom are at least 1, got {degrees_of_freedom}: "
            "give the number of variates (bands)"
        )
    if not 0 < alpha < 1:
        raise ValueError(f"a p-value lies between 0 and 1, got {alpha}: give for example 0.01")
    quantile = float(chdtri(degrees_of_freedom, alpha))
    return lambda histogram: quantile * chi2_inflation(histogram, degrees_of_freedom)


def chi2_inflation(histogram: Histogram, degrees_of_freedom: int) -> float:
    """How many times the median of a chi-square distribution the values' median is.

    Most pixels are taken to be unchanged, so that the median is theirs, a little raised by change.
    1 where the median is 0, or there are no values: then it says nothing about their spread.
    """
    median = histogram.quantile(0.5)
    return median / float(chdtri(degrees_of_freedom, 0.5)) if median > 0 else 1.0


def fixed(value: float) -> Rule:
    """The rule that always gives `value`.

    Raises:
        ValueError: `value` is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"a threshold is a finite number, got {value}: give for example 0.5")
    return lambda _: float(value)


def _entropy_so_far(share: Float64[np.ndarray, " level"]) -> Float64[np.ndarray, " level"]:
    """Entropy of the levels up to each one, as a distribution of their own.

    −Σ p/P ln p/P = ln P − Σ p ln p / P. The first level must not be empty.
    """
    mass = np.cumsum(share)
    entropy: Float64[np.ndarray, " level"]
    entropy = np.log(mass) - np.cumsum(xlogy(share, share)) / mass
    return entropy


def _corner(counts: Int64[np.ndarray, " level"], end: int) -> int:
    """Level farthest below the line from (end, 0) to the peak, sought from `end` towards it."""
    peak = int(counts.argmax())
    width = abs(end - peak)
    steps = np.arange(width)
    levels = end + steps * (1 if peak > end else -1)
    # The distance times the line's length: scaling an axis does not move its maximum.
    return int(levels[np.argmax(int(counts[peak]) * steps - width * counts[levels])])


class _Component(NamedTuple):
    """A weighted normal distribution."""

    weight: float
    mean: float
    variance: float

    @classmethod
    def fit(
        cls, values: Float64[np.ndarray, " bin"], share: Float64[np.ndarray, " bin"], floor: float
    ) -> _Component:
        """Moments of values with these shares, the variance widened by `floor`."""
        weight = float(share.sum())
        if weight == 0:
            return cls(0.0, math.nan, math.nan)
        mean = float(share @ values) / weight
        return cls(weight, mean, float(share @ (values - mean) ** 2) / weight + floor)

    def log_density(self, values: Float64[np.ndarray, " bin"]) -> Float64[np.ndarray, " bin"]:
        """Log of the density times the weight, but for a constant common to all."""
        height = math.log(self.weight) - 0.5 * math.log(self.variance)
        density: Float64[np.ndarray, " bin"]
        density = height - (values - self.mean) ** 2 / (2 * self.variance)
        return density


def _crossing(components: Sequence[_Component], ceiling: float) -> float:
    """Where the component with the higher mean becomes the denser one; `ceiling` if it never does.

    With x counted from the lower mean, the difference of the log-densities is a x² + b x + c. It
    rises through 0 at −2c / (b + √(b² − 4ac)), whatever the sign of a.
    """
    if not all(component.weight for component in components):
        return ceiling
    low, high = sorted(components, key=lambda component: component.mean)
    distance = high.mean - low.mean
    a, b = 0.5 / low.variance - 0.5 / high.variance, distance / high.variance
    c = math.log(high.weight / low.weight) + 0.5 * math.log(low.variance / high.variance)
    c -= distance * b / 2
    root = b * b - 4 * a * c
    if distance <= 0 or root < 0:
        return ceiling
    return low.mean - 2 * c / (b + math.sqrt(root))
