"""Accuracy and area from a sample of points, as accuracy assessments are made.

Olofsson, Foody, Herold, Stehman, Woodcock and Wulder, "Good practices for estimating area and
assessing accuracy of land change", Remote Sensing of Environment 148 (2014), equations 1 to 11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from metriccd.errors import DataError

Z95 = 1.96


@dataclass(frozen=True, kw_only=True)
class SampleEstimates:
    """Estimates from a stratified sample whose strata are the classes of the map.

    Attributes:
        oa, oa_error: Overall accuracy and its standard error.
        ua, ua_error: User's accuracy of each class.
        pa, pa_error: Producer's accuracy of each class.
        share, share_error: Share of the whole area that each class has by the reference.
    """

    oa: float
    oa_error: float
    ua: Float64[np.ndarray, " class"]
    ua_error: Float64[np.ndarray, " class"]
    pa: Float64[np.ndarray, " class"]
    pa_error: Float64[np.ndarray, " class"]
    share: Float64[np.ndarray, " class"]
    share_error: Float64[np.ndarray, " class"]

    def area(self, total: float, which: int) -> tuple[float, float, float, float]:
        """Area of a class, its standard error and both ends of its 95 % interval.

        Args:
            total: Area of the whole map, in any unit.
            which: The class.
        """
        area, error = total * float(self.share[which]), total * float(self.share_error[which])
        return area, error, area - Z95 * error, area + Z95 * error


def estimate(
    counts: Int64[np.ndarray, "class class"], mapped: Float64[np.ndarray, " class"]
) -> SampleEstimates:
    """Stratified estimates of accuracy and area with their standard errors.

    Args:
        counts: Points by map class (rows) and reference class (columns).
        mapped: Pixels, or area, of each class of the map.

    Raises:
        DataError: A class of the map has fewer than two points.
    """
    n_i = counts.sum(axis=1).astype(float)
    if (n_i < 2).any():
        raise DataError(
            f"a sample needs two points in every class of the map: got {int(n_i.min())} in class "
            f"{int(n_i.argmin())}; add points there"
        )
    weight = mapped / mapped.sum()
    rate = counts / n_i[:, None]
    share = weight @ rate  # eq. 9
    ua = np.diag(rate)  # eq. 2
    ua_variance = ua * (1 - ua) / (n_i - 1)  # eq. 6
    spread = rate * (1 - rate) / (n_i - 1)[:, None]
    share_error = np.sqrt((weight**2) @ spread)  # eq. 10
    with np.errstate(divide="ignore", invalid="ignore"):
        pa = weight * ua / share  # eq. 3
        of_others = np.array(
            [
                ((np.delete(mapped, j) ** 2) * np.delete(spread[:, j], j)).sum()
                for j in range(len(mapped))
            ]
        )
        pa_variance = (mapped**2 * (1 - pa) ** 2 * ua_variance + pa**2 * of_others) / (
            share * mapped.sum()
        ) ** 2  # eq. 7
    return SampleEstimates(
        oa=float(weight @ ua),  # eq. 1
        oa_error=float(np.sqrt(weight**2 @ ua_variance)),  # eq. 5
        ua=ua,
        ua_error=np.sqrt(ua_variance),
        pa=pa,
        pa_error=np.sqrt(pa_variance),
        share=share,
        share_error=share_error,
    )
