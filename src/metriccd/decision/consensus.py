"""A consensus of rules: the share of a scene that four of them, on average, take for change.

Where one rule fails, in a scene that hardly changed or one that mostly did, others fail otherwise:
Rosin's corner is for few changed pixels, Otsu's two classes for many, and the power of the distance
moves both. The mean of what they say, as log-odds of the share of changed pixels, is nearer to the
truth than any of them, and how far they are apart says how far to trust it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import expit, logit

from metriccd.decision.thresholds import otsu, rosin
from metriccd.scene import Histogram

# Rule and power of the distance (docs/decisions/015-consensus.md).
VOTERS = ((rosin, 1.0), (rosin, 0.5), (otsu, 0.5), (otsu, 0.25))
# A share that a rule may say: log-odds of less or more would outvote the others.
SHARES = (0.0005, 0.98)
# What each operating point adds to the log-odds of the share: the rules say a little too much where
# little changed. And half the width of the interval in which a share as good as the best one lies
# in four of five development pairs.
BALANCED, CAUTIOUS, THOROUGH, DOUBT = -0.2, -0.8, 0.6, 0.8
# Voters further apart than this factor, in shares, have no common corner to speak of.
APART = 8.0


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """What the rules say of a scene.

    Attributes:
        votes: The share of changed pixels by each rule.
    """

    votes: Float64[np.ndarray, " voter"]

    @classmethod
    def of(cls, histogram: Histogram) -> Consensus:
        """Asks every rule; values, distances ≥ 0, must not all be equal."""
        return cls(votes=np.array([_share(histogram, *voter) for voter in VOTERS]))

    def share(self, offset: float = BALANCED) -> float:
        """Share of the scene that is change: the mean log-odds of all votes, and `offset`."""
        return float(expit(logit(self.votes.clip(*SHARES)).mean() + offset))

    def sentence(self) -> str:
        """How sure the rules are, for people."""
        low, high = (_percent(self.share(BALANCED + doubt)) for doubt in (-DOUBT, DOUBT))
        least, most = self.votes.clip(*SHARES).min(), self.votes.clip(*SHARES).max()
        agree = "the rules agree" if most <= APART * least else "the histogram has no clear corner"
        return (
            f"{agree}: alone they say {_percent(least)} to {_percent(most)} changed; of what they "
            f"say together, anything between {low} and {high} may be as good"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def certainty(rule: str, histogram: Histogram) -> str | None:
    """How sure a rule is, in a sentence; None of a rule that does not know."""
    if histogram.constant or rule not in {"consensus", "cautious", "thorough"}:
        return None
    return Consensus.of(histogram).sentence()


def consensus(histogram: Histogram, offset: float = BALANCED) -> float:
    """Threshold that takes the share of pixels on which `VOTERS` agree, on average."""
    if histogram.constant:
        return histogram.ceiling
    return histogram.quantile(1 - Consensus.of(histogram).share(offset))


def cautious(histogram: Histogram) -> float:
    """The consensus leaning towards precision: what is said to be change mostly is."""
    return consensus(histogram, CAUTIOUS)


def thorough(histogram: Histogram) -> float:
    """The consensus leaning towards recall: little of what changed is missed."""
    return consensus(histogram, THOROUGH)


def _share(histogram: Histogram, rule: Callable[[Histogram], float], power: float) -> float:
    """Share of pixels whose value, to a power, lies above what a rule finds on such powers."""
    values = np.power(np.maximum(histogram.values, 0), power).astype(np.float32)
    counts = histogram.counts
    kept, place = np.unique(values, return_inverse=True)
    powers = Histogram.from_counts(kept, np.bincount(place, counts).astype(np.int64))
    return float(counts[values > rule(powers)].sum() / counts.sum())
