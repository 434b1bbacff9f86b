"""Checkpoints: what was learned from references, in safetensors, and a card that says of what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from metriccd.errors import WeightsError, one_line
from metriccd.storage import whole_file
from metriccd.supervised.scaling import Ranges
from metriccd.supervised.siamese import Siamese
from metriccd.supervised.unet import UNet

METADATA = "metriccd supervised"
# Figures of the held-out parts; all others are of the training.
HELD_OUT = ("AP", "F1 at 0.5", "share of change")
# Method → what it is, for the card.
TAUGHT: Mapping[str, str] = {
    "unet": "an early-fusion U-Net (after Daudt et al. 2018, FC-EF), all of it learned",
    "seco_rand": "a siamese ResNet-18 of random weights, frozen, and a learned decoder "
    "(after Mañas et al. 2021, SeCo)",
    "seco_pre": "a siamese ResNet-18 with SeCo's published weights, frozen, and a learned decoder "
    "(after Mañas et al. 2021)",
}
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, RecursionError, SafetensorError)


@dataclass(frozen=True, kw_only=True)
class About:
    """What a checkpoint was made of.

    Attributes:
        method: Key of `TAUGHT`.
        bands: Names of the bands of a date, in the order that the network takes them.
        ranges: Values of each band that become 0 and 1; empty: whole-image z-scores.
        dataset: What references it was taught by.
        places: Of them.
        data: SHA-256 of all pixels and references.
        settings: Of the training.
        figures: What came of it, on the held-out parts of these places.
        versions: Of the software.
    """

    method: str
    bands: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    dataset: str
    places: tuple[str, ...]
    data: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.bands)
        if self.method not in TAUGHT:
            raise ValueError(f"no supervised method {self.method!r}")
        wanted = (0,) if self.method == "unet" else (count,)
        if not count or len(self.ranges) not in wanted or (count != 3 and self.method != "unet"):
            raise ValueError(f"{count} bands with {len(self.ranges)} ranges")
        if not all(isinstance(each, str) for each in (*self.bands, *self.places, self.dataset)):
            raise ValueError("names of bands, places and data set that are no text")
        # Networks see float32: so large a width is one there, too.
        if not all(0 < high - low < 1e38 and abs(low) < 1e38 for low, high in self.ranges):
            raise ValueError("ranges of which no low end lies below a high one")

    @property
    def scaling(self) -> Ranges | None:
        """How values become inputs; None: by the scene's own means and deviations."""
        return Ranges.of(self.ranges) if self.ranges else None

    @property
    def sentence(self) -> str:
        """What a result must say that was made with it."""
        shown = ", ".join(self.places[:6]) + (", …" if len(self.places) > 6 else "")
        return (
            f"supervised: {self.method} was trained on references of {len(self.places)} places "
            f"({one_line(f'{self.dataset}: {shown}', 300)}); its figures are not label-free"
        )


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained network.

    Attributes:
        about: What it was made of.
        network: In evaluation mode; (t1, t2) → logits of change.
    """

    about: About
    network: UNet | Siamese = field(repr=False)

    def save(self, path: Path) -> None:
        """Writes it, and its card beside it; each appears whole or not at all.

        Raises:
            OSError: They cannot be written.
        """
        tensors = {
            name: value.detach().cpu().contiguous()
            for name, value in self.network.state_dict().items()
        }
        told = {METADATA: json.dumps(asdict(self.about), default=str)}
        with whole_file(path) as stream:
            stream.write(save(tensors, metadata=told))
        with whole_file(card_of(path)) as stream:
            stream.write(_card(self.about, path.name).encode())


def network_for(method: str, bands: int) -> UNet | Siamese:
    """An untrained network of a method."""
    return UNet(bands) if method == "unet" else Siamese()


def card_of(path: Path) -> Path:
    """Where the model card of a checkpoint lies."""
    return path.with_suffix(".md")


def load_checkpoint(path: Path, method: str | None = None) -> Checkpoint:
    """Reads what `Checkpoint.save` wrote; nothing in it can run.

    Args:
        path: The safetensors file.
        method: What it must have been trained as; None: anything.

    Raises:
        WeightsError: There is no such file, it is no checkpoint, or one of another method.
    """
    if not path.is_file():
        what = "be a file" if path.exists() else "exist"
        raise WeightsError(f"a checkpoint must {what}: got {path}; check the path")
    try:
        about, tensors = _read(path)
        # Without memory or random numbers: of whatever size a file says that it is.
        with torch.device("meta"):
            network = network_for(about.method, len(about.bands))
        _require_fit(network, tensors)
        network.load_state_dict(tensors, assign=True)
    except _UNREADABLE as error:
        reason = one_line(str(error), 200)
        raise WeightsError(
            f"a checkpoint must be one that 'metriccd train' wrote: got {path.name} ({reason}); "
            "train it again"
        ) from error
    if method is not None and about.method != method:
        raise WeightsError(
            f"method {method} needs a checkpoint of its own: got {path.name} of {about.method}; "
            f"choose --method {about.method}, or another checkpoint"
        )
    return Checkpoint(about=about, network=network.eval())


def about_checkpoint(path: Path) -> About:
    """What a checkpoint was made of.

    Raises:
        WeightsError: There is no such file, or it is no checkpoint.
    """
    return load_checkpoint(path).about


def _read(path: Path) -> tuple[About, dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        told = json.loads((file.metadata() or {})[METADATA])
        # A copy: the file stays mapped into memory otherwise.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    if not all(isinstance(told[name], list) for name in ("bands", "places")):
        raise ValueError("bands or places that are no list")
    told |= {name: tuple(told[name]) for name in ("bands", "places")}
    told["ranges"] = tuple((float(low), float(high)) for low, high in told["ranges"])
    return About(**told), tensors


def _require_fit(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Raises unless tensors are those of a network, and finite."""
    own = network.state_dict()
    if own.keys() != tensors.keys():
        raise ValueError(f"other tensors: {min(own.keys() ^ tensors.keys())}")
    for name, value in tensors.items():
        if value.shape != own[name].shape or value.dtype != own[name].dtype:
            raise ValueError(f"{name} is {value.dtype} of shape {tuple(value.shape)}")
        if not torch.isfinite(value).all():
            raise ValueError(f"{name} is not finite")


def _card(about: About, name: str) -> str:
    """What people should know of a checkpoint before they use it."""
    rows = [
        ("references", f"{about.dataset}: {', '.join(about.places)}"),
        ("pixels and references, SHA-256", about.data),
        ("bands", ", ".join(about.bands)),
        ("values", "fixed ranges" if about.ranges else "z-scores of each whole image"),
        *((f"setting: {key}", value) for key, value in about.settings.items() if value is not None),
        *(
            (f"{'held out' if key in HELD_OUT else 'training'}: {key}", value)
            for key, value in about.figures.items()
        ),
        *((key, value) for key, value in about.versions.items()),
    ]
    # Names are those of folders: a bar would end a cell.
    cells = ((key, one_line(str(value)).replace("|", "\\|")) for key, value in rows)
    table = "\n".join(f"| {key} | {value} |" for key, value in cells)
    return (
        f"# {name}: {about.method}\n\n"
        f"**Supervised.** This is {TAUGHT[about.method]}. It has seen references of the places "
        "below: its figures there mean nothing, and nowhere are they label-free.\n\n"
        f"| what | value |\n|---|---|\n{table}\n\n"
        "The held-out figures are of the lowest fifth of the rows of the same places, which chose "
        "the epoch: they flatter; an AP of the share of change is that of chance. Who shares this "
        "file minds the terms of the references. Measure on places that it has not seen:\n\n"
        "```\nmetriccd benchmark plain --root DIR --methods "
        f"{about.method},default --checkpoint {name} -o OUT\n```\n"
    )
