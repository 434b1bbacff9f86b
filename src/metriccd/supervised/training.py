"""Training: the published settings, from patches of places with references; resumable, seeded."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from metriccd.errors import DataError, WeightsError
from metriccd.nets import autocast, place
from metriccd.storage import restored, store
from metriccd.supervised.checkpoint import About, Checkpoint, network_for
from metriccd.supervised.importing import NAME, installed_seco
from metriccd.supervised.samples import Place, Sample, patches, share_of_change
from metriccd.supervised.scaling import Ranges, Standard, ranges_of
from metriccd.supervised.siamese import Siamese

CURVES = ("loss", "held-out AP", "held-out F1")


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is taught.

    Attributes:
        method: "unet", "seco_rand" or "seco_pre".
        epochs: At most.
        minutes: No epoch begins later; None: as long as epochs last.
        patience: Epochs without a better held-out AP after which training stops.
        side: Of a patch, in pixels.
        stride: From one patch to the next.
        batch: Patches a step.
        learning_rate: Adam's.
        decay: Factor on the learning rate after each epoch.
        weight_decay: Adam's.
        false_alarms: Weight of the classes: that of no change is so many times the share of
            change, that of change the share of the other, both twice (Daudt's code); None: none.
        seed: Of weights, order, turns and dropout.
    """

    method: str
    epochs: int
    minutes: float | None = None
    patience: int = 10
    side: int = 96
    stride: int = 96
    batch: int = 32
    learning_rate: float = 1e-3
    decay: float = 0.95
    weight_decay: float = 1e-4
    false_alarms: float | None = None
    seed: int = 0

    @classmethod
    def of(cls, method: str) -> Training:
        """The published settings of a method."""
        if method == "unet":
            return cls(method=method, epochs=50, stride=47, false_alarms=10.0)
        return cls(method=method, epochs=100)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a training is.

    Attributes:
        epoch: Epochs done.
        epochs: Epochs at most.
        loss: Mean of the last one's batches.
        ap: Average precision on the held-out parts.
        best: The best of them so far.
        seconds_left: At most, by the pace so far.
    """

    epoch: int
    epochs: int
    loss: float
    ap: float
    best: float
    seconds_left: float


@dataclass
class _State:
    """What an interrupted training goes on with: all that is known after an epoch."""

    net: dict[str, Tensor]
    optimizer: dict[str, Any]
    kept: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    seconds: float = 0.0
    curves: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CURVES})

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.curves[CURVES[0]])

    def best(self, curve: str) -> float:
        """A curve in the epoch that is kept."""
        return self.curves[curve][self.best_epoch - 1]


def train(
    places: Sequence[Place],
    path: Path,
    training: Training,
    *,
    dataset: str,
    versions: Mapping[str, str] | None = None,
    device: str = "cpu",
    begin: Callable[[int], None] = lambda _: None,
    tell: Callable[[Standing], None] = lambda _: None,
) -> About:
    """Teaches a network change by references, and writes its checkpoint and card.

    The lowest fifth of the rows of each place is never learned from: its average precision chooses
    the epoch that is kept. After an interrupt the same call goes on with the last whole epoch; the
    result is that of a training that was not interrupted, unless `minutes` ended it.

    Args:
        places: Pairs with references, of one kind of bands.
        path: Where the checkpoint goes; what an interrupted training keeps lies beside it.
        training: How.
        dataset: What the card calls the references.
        versions: Of software, for the card.
        device: Where to compute.
        begin: Called before the first epoch, with how many an interrupted training left.
        tell: Called after each epoch.

    Returns:
        What the checkpoint was made of.

    Raises:
        DataError: The places have different bands, or no change to learn, or to choose by.
        WeightsError: "seco_pre", and SeCo's weights were not imported.
    """
    about = _about(places, training, dataset, versions or {})
    samples = [_sample(each, about) for each in places]
    learned, held_out = zip(*(each.split() for each in samples), strict=True)
    share = share_of_change(held_out, "choose the epoch by, the lowest fifth of their rows")
    weights = _class_weights(learned, training)
    with torch.random.fork_rng():
        torch.manual_seed(training.seed % 2**63)
        network = network_for(training.method, len(about.bands))
        if training.method == "seco_pre":
            assert isinstance(network, Siamese)
            network.encoder.load_state_dict(_published())
    network = place(network, device)  # type: ignore[assignment]  # it is the one that came
    own = [each for each in network.parameters() if each.requires_grad]
    optimizer = torch.optim.Adam(own, lr=training.learning_rate, weight_decay=training.weight_decay)
    key = hashlib.sha256(repr((replace(training, minutes=None), about.data, device)).encode())
    kept = path.with_name(f"{path.name}.partial")
    state = _resumed(kept, key.hexdigest(), network, optimizer)
    begin(state.epoch)
    while _goes_on(state, training):
        start = time.monotonic()
        loss = _epoch(network, optimizer, learned, training, weights, state.epoch, device)
        point = (loss, *_held_out(network, held_out, device))
        for name, figure in zip(CURVES, point, strict=True):
            state.curves[name].append(figure)
        if not state.best_epoch or point[1] > state.best("held-out AP"):
            state.best_epoch = state.epoch
            state.kept = {name: value.clone() for name, value in network.state_dict().items()}
        state.net, state.optimizer = network.state_dict(), optimizer.state_dict()
        state.seconds += time.monotonic() - start
        store(_stored(state, key.hexdigest()), kept)
        tell(_standing(state, training))
    network.load_state_dict(state.kept)
    figures = {
        "AP": round(state.best("held-out AP"), 4),
        "F1 at 0.5": round(state.best("held-out F1"), 4),
        "share of change": round(share, 4),
        "epoch kept": state.best_epoch,
        "epochs": state.epoch,
        "seconds": round(state.seconds),
        "parameters learned": sum(each.numel() for each in own),
    }
    about = replace(about, figures=figures)
    Checkpoint(about=about, network=network.cpu().eval()).save(path)
    kept.unlink(missing_ok=True)
    return about


def _about(
    places: Sequence[Place], training: Training, dataset: str, versions: Mapping[str, str]
) -> About:
    """What a checkpoint is made of, before it is."""
    if not places:
        raise DataError("training needs places with references: got none; check the folder")
    first = places[0]
    for each in places:
        if each.bands != first.bands:
            raise DataError(
                f"places must have the same bands: got {', '.join(each.bands)} at {each.name} and "
                f"{', '.join(first.bands)} at {first.name}; choose --bands"
            )
    bands, ranges = first.bands, []
    if len(bands) == 3 or training.method != "unet":
        # Three bands are red, green and blue, in this order, of whatever is measured.
        bands = tuple(first.bands[band] for band in first.rgb)
    if training.method != "unet":
        largest = max(float(max(each.t1.max(), each.t2.max())) for each in places)
        ranges = ranges_of(list(bands), largest)
    digest = hashlib.sha256("".join(each.digest for each in places).encode())
    return About(
        method=training.method,
        bands=bands,
        ranges=tuple(ranges),
        dataset=dataset,
        places=tuple(each.name for each in places),
        data=digest.hexdigest(),
        settings={name: value for name, value in asdict(training).items() if name != "method"},
        versions=versions,
    )


def _sample(place: Place, about: About) -> Sample:
    """A place as a network sees it."""
    bands = list(place.rgb if len(about.bands) == 3 else range(len(place.bands)))
    dates = []
    for image in (place.t1[bands], place.t2[bands]):
        scaled: Standard | Ranges
        scaled = about.scaling or Standard.of([(image, place.valid)])
        dates.append(torch.from_numpy(scaled(image, place.valid)))
    target, weight = (
        torch.from_numpy(each.astype(np.float32)) for each in (place.changed, place.judged)
    )
    return Sample(dates[0], dates[1], target, weight)


def _class_weights(samples: Sequence[Sample], training: Training) -> tuple[float, float]:
    """What a pixel of no change and one of change count."""
    share = share_of_change(samples)
    if training.false_alarms is None:
        return 1.0, 1.0
    return 2 * training.false_alarms * share, 2 * (1 - share)


def _published() -> dict[str, Tensor]:
    path = installed_seco()
    if path is None:
        raise WeightsError(
            "seco_pre needs SeCo's published weights: none were imported; run 'metriccd weights "
            f"import {NAME} FILE' with a checkpoint of Zenodo 4728033, or take --encoder random"
        )
    return load_file(path)


def _goes_on(state: _State, training: Training) -> bool:
    """Whether another epoch begins; the first one always does."""
    if not state.epoch:
        return True
    late = training.minutes is not None and state.seconds >= 60 * training.minutes
    stale = state.epoch - state.best_epoch >= training.patience
    return state.epoch < training.epochs and not late and not stale


def _epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    samples: Sequence[Sample],
    training: Training,
    weights: tuple[float, float],
    epoch: int,
    device: str,
) -> float:
    """Teaches all patches once; returns the mean loss of the batches."""
    # From the seed and the number of the epoch alone, so that a resumed training draws the same.
    seed = int.from_bytes(hashlib.sha256(f"{training.seed} {epoch}".encode()).digest()[:7])
    random = torch.Generator().manual_seed(seed)
    for group in optimizer.param_groups:
        group["lr"] = training.learning_rate * training.decay**epoch
    losses = []
    network.train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for drawn in _batches(samples, training, random, device):
            optimizer.zero_grad()
            with autocast(device):
                logit = network(drawn.t1, drawn.t2)
            loss = _loss(logit, drawn, weights)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            optimizer.step()
            losses.append(loss.detach())
    network.eval()
    return float(torch.stack(losses).mean())


def _batches(
    samples: Sequence[Sample], training: Training, random: torch.Generator, device: str
) -> Iterator[Sample]:
    """Patches on a device, channels last."""
    drawn = patches(
        samples,
        side=training.side,
        stride=training.stride,
        batch=training.batch,
        random=random,
    )
    for each in drawn:
        t1, t2 = (
            image.to(device, memory_format=torch.channels_last) for image in (each.t1, each.t2)
        )
        yield Sample(t1, t2, each.target.to(device), each.weight.to(device))


def _loss(
    logit: Float[Tensor, "batch row col"], drawn: Sample, weights: tuple[float, float]
) -> Float[Tensor, ""]:
    """Logistic loss, averaged over pixels that count by the weights of their classes."""
    unchanged, changed = weights
    weight = drawn.weight * (drawn.target * changed + (1 - drawn.target) * unchanged)
    total = functional.binary_cross_entropy_with_logits(
        logit, drawn.target, weight, reduction="sum"
    )
    return total / weight.sum().clamp(min=1e-6)


def _held_out(network: nn.Module, samples: Sequence[Sample], device: str) -> tuple[float, float]:
    """Average precision, and F1 at 0.5, of the pixels of all held-out parts together."""
    scores, truths = [], []
    with torch.inference_mode():
        for each in samples:
            with autocast(device):
                logit = network(each.t1[None].to(device), each.t2[None].to(device))
            counts = each.weight > 0
            scores.append(logit[0].cpu()[counts])
            truths.append(each.target[counts])
    score, truth = torch.cat(scores), torch.cat(truths)
    found = (score > 0).float()
    both = float(found.sum() + truth.sum())
    hits = truth[score.argsort(descending=True, stable=True)].double().cumsum(0)
    precision = hits / torch.arange(1, len(hits) + 1)
    gained = hits.diff(prepend=hits.new_zeros(1)) / hits[-1:].clamp(min=1)
    return float((precision * gained).sum()), 2 * float((found * truth).sum()) / max(both, 1.0)


def _standing(state: _State, training: Training) -> Standing:
    pace = state.seconds / state.epoch
    left = pace * (training.epochs - state.epoch)
    if training.minutes is not None:
        # The epoch that the limit falls into is finished.
        begun = math.ceil(max(60 * training.minutes - state.seconds, 0) / pace)
        left = min(left, pace * begun)
    return Standing(
        epoch=state.epoch,
        epochs=training.epochs,
        loss=state.curves["loss"][-1],
        ap=state.curves["held-out AP"][-1],
        best=state.best("held-out AP"),
        seconds_left=left,
    )


def _stored(state: _State, key: str) -> dict[str, Any]:
    return {"key": key} | vars(state)


def _resumed(kept: Path, key: str, network: nn.Module, optimizer: torch.optim.Optimizer) -> _State:
    """What an interrupted training of the same settings and pixels left, else a new beginning."""
    state = _State(net=network.state_dict(), optimizer=optimizer.state_dict())
    with suppress(ValueError):
        told = restored(kept)
        if isinstance(told, dict) and told.pop("key", None) == key:
            state = _State(**told)
            network.load_state_dict(state.net)
            slots = {int(number): slot for number, slot in state.optimizer["state"].items()}
            optimizer.load_state_dict(state.optimizer | {"state": slots})
    return state
