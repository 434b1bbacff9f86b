"""The closed form: distances as PyTorch and SciPy compute them, and no seams."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional

from metriccd.nets import precision
from metriccd.nets.cosine import cosine_distance
from metriccd.nets.features import load_extractor
from metriccd.recipe.closed_form import deep_distance

RNG = np.random.default_rng(0)
T1 = RNG.random((4, 90, 110)).astype(np.float32)
T2 = np.clip(T1 + 0.05 * RNG.standard_normal(T1.shape), 0, 1).astype(np.float32)
ALL = np.ones(T1.shape[1:], bool)


def distance(t1=T1, t2=T2, valid=ALL, **options) -> np.ndarray:
    return deep_distance(
        t1, t2, valid, rgb=(2, 1, 0), extractor=load_extractor("embedded"), **options
    )


def test_it_is_the_mean_of_the_smoothed_sum(monkeypatch) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: False)
    extractor = load_extractor("embedded")
    with torch.inference_mode():
        dates = torch.from_numpy(np.stack([T1[[2, 1, 0]], T2[[2, 1, 0]]]))
        enlarged = [
            functional.interpolate(
                cosine_distance(level[:1], level[1:])[None], scale_factor=factor, mode="bilinear"
            )[0, 0].numpy()
            for level, factor in zip(extractor(dates), (1, 2, 4), strict=True)
        ]
    # A quarter of 90 rows is 22: two rows are left over, and repeat the last one.
    missing = [tuple(np.subtract(ALL.shape, each.shape)) for each in enlarged]
    cosines = [
        np.pad(each, ((0, rows), (0, cols)), mode="edge")
        for each, (rows, cols) in zip(enlarged, missing, strict=True)
    ]
    spectral = np.linalg.norm(T1 - T2, axis=0)
    total = sum(part / part.mean() for part in (spectral, spectral, *cosines))
    expected = (gaussian_filter(total, 1.5, truncate=3) + gaussian_filter(total, 5, truncate=3)) / 2
    # normalized convolution differs from reflection only where the kernel meets the border
    inner = (slice(25, -25), slice(25, -25))
    found = distance(sigmas=(1.5, 5.0))
    np.testing.assert_allclose(found[inner], expected[inner], rtol=1e-4)


def test_identical_images_have_no_distance() -> None:
    assert distance(t2=T1).max() < 0.02
    assert distance().min() > 0.2


def test_it_is_symmetric_in_the_dates() -> None:
    np.testing.assert_allclose(distance(t1=T2, t2=T1), distance(), rtol=1e-5)
