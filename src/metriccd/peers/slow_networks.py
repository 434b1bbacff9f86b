"""Deep slow features: two small networks, fitted to the pair, whose outputs differ little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from scipy.linalg import eigh
from skimage.filters import threshold_otsu
from torch import Tensor

from metriccd.pair import Block
from metriccd.peers.standard import Standard, only
from metriccd.scene import Fitted
from metriccd.storage import storable

# Units of the layers and the regularization, as in the authors' code.
UNITS, RIDGE = (128, 128, 6), 1e-4
# Ours: pixels that are learnt from, and steps of Adam.
SAMPLE, STEPS, RATE = 1000, 100, 3e-4
# Pixels at most over which the last linear step is fitted, and pixels measured at once.
SCENE, CHUNK = 2**18, 2**15
# A standard deviation below is rounding.
FLAT = 1e-5

Network = tuple[Float32[Tensor, "..."], ...]


def fit_slow_networks(
    parts: Sequence[Block], *, seed: int, steps: int = STEPS, device: str = "cpu"
) -> Fitted:
    """Deep slow feature analysis, DSFA (Du, Ru, Wu & Zhang 2019).

    1. Both dates are standardized band by band. Pixels whose change vector is shorter than Otsu's
       threshold count as unchanged; `SAMPLE` of them, drawn at random, are learnt from.
    2. A network for each date, three dense layers with softsign between them, is fitted to tr(M²),
       M = B⁻¹A: A is the mean product of the differences of outputs, B that of the outputs
       themselves, the mean of both dates. Slow is what differs little where nothing changed.
    3. Over the scene, A·w = λ·B·w gives the slow features; the difference between the dates in
       each, over its standard deviation, squared and summed, is χ². The image is its root.

    Ours learns from `SAMPLE` pixels by `STEPS` steps of Adam, the authors' code from 3,000 by 2,000
    of plain gradient descent, ten times over. Outputs are centered, as slow feature analysis
    wants them: without, the slowest are constants. And the generalized eigenproblem is solved,
    where their code hands a matrix that is not symmetric to a solver for symmetric ones. The two
    networks start from different weights: so identical dates do differ, and the order counts.

    Args:
        parts: Windows that stand for a scene, with valid pixels.
        seed: Of the pixels, and the networks' weights.
        steps: Of the fit.
        device: Where to compute.

    Returns:
        What measures windows, with the curve of the fit's loss.
    """
    standard = Standard.of(parts)
    pixels = np.concatenate([standard(part)[:, :, part.valid] for part in parts], axis=2)
    random = np.random.default_rng(seed)
    unchanged = np.flatnonzero(_still(pixels))
    step = max(-(-pixels.shape[2] // SCENE), 1)
    scene = torch.from_numpy(np.ascontiguousarray(pixels[:, :, ::step])).to(device)
    chosen = random.choice(unchanged, min(SAMPLE, len(unchanged)), replace=False)
    generator = torch.Generator().manual_seed(int(random.integers(2**31)))
    sample = torch.from_numpy(pixels[:, :, np.sort(chosen)]).to(device)
    networks, curve = _learnt(sample, generator, steps, device)
    mean, slow = _slow(networks, scene)
    return Fitted(
        measure=SlowNetworks(
            standard=standard, networks=networks, mean=mean, slow=slow, device=device
        ),
        merge=only,
        history={"loss": curve},
    )


@storable
@dataclass(frozen=True, kw_only=True)
class SlowNetworks:
    """Root of χ².

    Attributes:
        standard: Brings both dates to mean 0 and standard deviation 1.
        networks: Of t1 and of t2: weights and offsets of the layers, one after the other.
        mean: Of the difference between their outputs over the scene.
        slow: Outputs → features over the standard deviation of their differences.
        device: Where to compute.
    """

    standard: Standard
    networks: tuple[Network, Network]
    mean: Float32[Tensor, " output"]
    slow: Float32[Tensor, "output feature"]
    device: str

    def __call__(self, block: Block) -> Float32[np.ndarray, "1 row col"]:
        """Of a window."""
        dates = torch.from_numpy(self.standard(block)).to(self.device).flatten(2)
        with torch.inference_mode():
            lengths = [
                torch.linalg.vector_norm(
                    (_difference(self.networks, part) - self.mean) @ self.slow, dim=1
                )
                for part in torch.split(dates, CHUNK, dim=2)
            ]
        image: Float32[np.ndarray, "1 row col"]
        image = torch.cat(lengths).cpu().numpy().reshape(1, *block.valid.shape)
        return image


def _still(pixels: Float32[np.ndarray, "2 band pixel"]) -> np.ndarray:
    """Where change vectors are no longer than Otsu's threshold."""
    length = np.linalg.norm(pixels[1] - pixels[0], axis=0)
    otsu = float(threshold_otsu(length))  # type: ignore[no-untyped-call]  # of scikit-image
    still: np.ndarray = length <= otsu
    return still


def _learnt(
    sample: Float32[Tensor, "2 band pixel"], generator: torch.Generator, steps: int, device: str
) -> tuple[tuple[Network, Network], tuple[float, ...]]:
    """Networks of both dates fitted to unchanged pixels, and the loss of each step."""
    networks = tuple(_network(sample.shape[1], generator, device) for _ in range(2))
    weights = [each.requires_grad_(True) for network in networks for each in network]
    optimizer = torch.optim.Adam(weights, lr=RATE)
    curve = []
    for _ in range(steps):
        outputs = [_output(*each) for each in zip(networks, sample, strict=True)]
        between, within = _moments(outputs[0], outputs[1])
        slowness = torch.linalg.solve(within, between)
        loss = (slowness * slowness.T).sum().clamp(min=0).add(1e-12).sqrt()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(float(loss.detach()) / UNITS[-1])
    fitted = tuple(tuple(each.detach() for each in network) for network in networks)
    return (fitted[0], fitted[1]), tuple(curve)


def _network(bands: int, generator: torch.Generator, device: str) -> Network:
    """Weights of standard deviation .1 without tails, offsets of .1, as in the authors' code."""
    sides = (bands, *UNITS)
    network = []
    for inputs, outputs in pairwise(sides):
        weights = torch.empty(inputs, outputs)
        torch.nn.init.trunc_normal_(weights, std=0.1, a=-0.2, b=0.2, generator=generator)
        network += [weights.to(device), torch.full((outputs,), 0.1, device=device)]
    return tuple(network)


def _output(
    network: Network, pixels: Float32[Tensor, "band pixel"]
) -> Float32[Tensor, "pixel output"]:
    values = pixels.T
    layers = list(zip(network[::2], network[1::2], strict=True))
    for number, (weights, offset) in enumerate(layers):
        values = torch.addmm(offset, values, weights)
        if number + 1 < len(layers):
            values = values / (1 + values.abs())
    return values


def _moments(
    one: Float[Tensor, "pixel output"], other: Float[Tensor, "pixel output"]
) -> tuple[Float[Tensor, "output output"], Float[Tensor, "output output"]]:
    """A, of the differences, and B, of the outputs, each centered: means of products."""
    one, other = one - one.mean(dim=0), other - other.mean(dim=0)
    change = one - other
    within = (one.T @ one + other.T @ other) / (2 * len(one))
    ridge = RIDGE * torch.eye(len(within), device=one.device, dtype=one.dtype)
    return change.T @ change / len(one), within + ridge


def _difference(
    networks: tuple[Network, Network], dates: Float32[Tensor, "2 band pixel"]
) -> Float32[Tensor, "pixel output"]:
    return _output(networks[0], dates[0]) - _output(networks[1], dates[1])


def _slow(
    networks: tuple[Network, Network], scene: Float32[Tensor, "2 band pixel"]
) -> tuple[Float32[Tensor, " output"], Float32[Tensor, "output feature"]]:
    """Mean difference of outputs, and slow features over the scene, see `SlowNetworks`."""
    with torch.inference_mode():
        one, other = (_output(*each).double() for each in zip(networks, scene, strict=True))
        between, within = (each.cpu().numpy() for each in _moments(one, other))
        _, axes = eigh(between, within)
        change = one - other
        spread = (change.cpu().numpy() @ axes).std(axis=0)
        counts = spread > FLAT
        slow: Float64[np.ndarray, "output feature"]
        slow = axes * np.where(counts, 1 / np.where(counts, spread, 1), 0)
        mean = change.mean(dim=0).float()
    return mean, torch.from_numpy(slow.astype(np.float32)).to(scene.device)
