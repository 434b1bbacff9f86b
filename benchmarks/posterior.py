"""A posterior on objects from answers, whose prior is what the recipe says today.

The log odds that an object is change are a + b · strength + f(object). Strength is the mean of
ln(distance / threshold). a and b are Gaussian around constants, f is Gaussian around 0: linear in
groups of features, and smooth over the scene. So without answers the order is that of the recipe.
Given answers, all of it is logistic regression in Laplace's approximation, written with the
covariance between objects (Rasmussen & Williams 2006, algorithms 3.1 and 3.2): with n answers it
costs n³ and n times the objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from object_tables import Table
from scipy.spatial.distance import cdist
from scipy.special import expit

GROUPS = ("look", "witness", "kind")
# Features are standardized over the objects of a scene, and cut here.
FAR = 3.0
STEPS, DONE = 50, 1e-6


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is believed before the first answer.

    Attributes:
        slope: Mean of b, and its deviation over objects of usual strength.
        level: Mean of a, and its deviation.
        groups: Deviation of f from each of `GROUPS`, together.
        place: Deviation of what near objects share.
        reach: How far that reaches, as a share of the scene's longer side.
        useful: How likely it is that f tells anything at all.
        least: Answers of either sort, change and none, without which the order stays as it was.
    """

    slope: tuple[float, float]
    level: tuple[float, float]
    groups: tuple[float, ...]
    place: float
    reach: float
    useful: float
    least: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """The objects of a scene as a learner sees them.

    Attributes:
        strength: Mean of ln(distance / threshold).
        usual: The same, standardized.
        groups: Standardized features of each of `GROUPS`, over the root of their number.
        places: Row and column, as shares of the scene's longer side.
    """

    strength: Float[np.ndarray, " object"]
    usual: Float[np.ndarray, "object 1"]
    groups: tuple[Float[np.ndarray, "object _feature"], ...]
    places: Float[np.ndarray, "object 2"]

    @classmethod
    def of(cls, table: Table) -> Scene:
        """From what was measured of them."""
        strength, places = table.columns("strength"), table.columns("place")
        return cls(
            strength=strength[:, 0],
            usual=_standardized(strength),
            groups=tuple(
                _standardized(columns) / np.sqrt(columns.shape[1])
                for columns in map(table.columns, GROUPS)
            ),
            places=places / max(float(np.ptp(places, axis=0).max(initial=0)), 1.0),
        )


def posterior(
    scene: Scene,
    asked: Int64[np.ndarray, " answer"],
    answers: Bool[np.ndarray, " answer"],
    prior: Prior,
) -> Float[np.ndarray, " object"]:
    """How likely each object is change, given some answers.

    Args:
        scene: Its objects.
        asked: Which of them were answered.
        answers: True = change.
        prior: What was believed before.
    """
    mean = prior.level[0] + prior.slope[0] * scene.strength
    if not len(asked) or min(answers.sum(), (~answers).sum()) < prior.least:
        return np.asarray(expit(prior.slope[0] * scene.strength))
    plain, told = _covariances(scene, asked, prior)
    # f tells something, or nothing: both are tried, and count as the answers speak for them.
    found, evidence = [], []
    for covariance, chance in ((plain, 1 - prior.useful), (plain + told, prior.useful)):
        if chance > 0:
            odds, fit = _laplace(covariance, mean, asked, answers)
            found.append(expit(odds))
            evidence.append(fit + np.log(chance))
    weights = np.exp(np.array(evidence) - max(evidence))
    return np.asarray(np.average(found, axis=0, weights=weights))


def _covariances(
    scene: Scene, asked: Int64[np.ndarray, " answer"], prior: Prior
) -> Float[np.ndarray, "2 object answer_and_own"]:
    """Of a and b, and of f: of each object with those answered, and, last, its own."""

    def products(columns: Float[np.ndarray, "object _feature"]) -> Float[np.ndarray, "object _"]:
        own = np.square(columns).sum(axis=1, keepdims=True)
        return np.concatenate([columns @ columns[asked].T, own], axis=1)

    near = np.exp(-cdist(scene.places, scene.places[asked]) / prior.reach)
    told = prior.place**2 * np.concatenate([near, np.ones((len(near), 1))], axis=1)
    for deviation, columns in zip(prior.groups, scene.groups, strict=True):
        if deviation > 0:
            told += deviation**2 * products(columns)
    return np.stack([prior.level[1] ** 2 + prior.slope[1] ** 2 * products(scene.usual), told])


def _laplace(
    covariance: Float[np.ndarray, "object answer_and_own"],
    mean: Float[np.ndarray, " object"],
    asked: Int64[np.ndarray, " answer"],
    answers: Bool[np.ndarray, " answer"],
) -> tuple[Float[np.ndarray, " object"], float]:
    """Log odds, moderated by how unsure they are, and the logarithm of the evidence."""
    cross, own = covariance[:, :-1], covariance[:, -1]
    among, before = cross[asked], mean[asked]
    pull = np.zeros(len(asked))
    for _ in range(STEPS):
        odds = before + among @ pull
        chance = expit(odds)
        root = np.sqrt(np.maximum(chance * (1 - chance), 1e-9))
        inner = np.eye(len(asked)) + root[:, None] * among * root
        target = root**2 * (among @ pull) + answers - chance
        last, pull = pull, target - root * np.linalg.solve(inner, root * (among @ target))
        if np.abs(pull - last).max(initial=0) < DONE:
            break
    odds = before + among @ pull
    fit = -np.logaddexp(0, np.where(answers, -odds, odds)).sum() - pull @ (among @ pull) / 2
    fit -= np.linalg.slogdet(inner)[1] / 2
    seen = root[:, None] * cross.T
    variance = np.maximum(own - (seen * np.linalg.solve(inner, seen)).sum(axis=0), 0)
    # The mean of a logistic function over a Gaussian (MacKay 1992).
    return (mean + cross @ pull) / np.sqrt(1 + np.pi * variance / 8), float(fit)


def _standardized(columns: Float[np.ndarray, "object feature"]) -> np.ndarray:
    spread = columns.std(axis=0)
    centered = columns - columns.mean(axis=0)
    return np.clip(centered / np.where(spread > 1e-9, spread, 1), -FAR, FAR)
