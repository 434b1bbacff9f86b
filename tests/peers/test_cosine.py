from __future__ import annotations

import numpy as np
import torch
from peer_scenes import block
from sklearn.metrics.pairwise import paired_cosine_distances
from torch import nn

from metriccd.pair import UnitRange
from metriccd.peers import fit_cosine


class Colors(nn.Module):
    """The image itself as features, at full and at half resolution."""

    stride, halo = 2, 1

    def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return 10 * rgb, 10 * nn.functional.avg_pool2d(rgb, 2).repeat_interleave(2, 1)


def test_it_is_the_mean_cosine_distance_of_the_levels_and_nothing_else() -> None:
    pair = block()
    found = fit_cosine([pair], rgb=(2, 1, 0), network=Colors()).layers(pair)[0]
    t1, t2 = (date[[2, 1, 0]] for date in UnitRange.fit([pair])(*pair))
    fine = paired_cosine_distances(t1.reshape(3, -1).T, t2.reshape(3, -1).T)
    halves = [nn.functional.avg_pool2d(torch.from_numpy(date)[None], 2)[0] for date in (t1, t2)]
    coarse = paired_cosine_distances(*(half.flatten(1).T.numpy() for half in halves))
    coarse = torch.from_numpy(coarse.reshape(1, 1, 28, 24))
    enlarged = nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear")[0, 0].numpy()
    expected = (fine.reshape(56, 48) + enlarged) / 2
    # Every vector has one more, small component, so that black is like black.
    np.testing.assert_allclose(found, expected, atol=5e-3)
