"""What a run is made of: the content of its inputs, which must not change while it goes on."""

from __future__ import annotations

import hashlib
import re
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any

from torch import nn

from metriccd.errors import DataError, WeightsError
from metriccd.output import told_beside
from metriccd.pair import ImagePair
from metriccd.raster import Band, Raster, Shapes
from metriccd.result import input_of, sha256_of, weights_file
from metriccd.stages import Stages
from metriccd.trust import Stamp, remembered

# Seconds that a server has to say how old its file is.
PATIENCE = 10
CURL = "/vsicurl/"
# Of what GDAL keeps beside a raster: names of bands, which are known from the bands themselves.
BESIDE = ".aux.xml"
NAMES = re.compile(rb"<Description>[^<]*</Description>")


# The SHA-256 of a file; several images of a series, or masks and weights of a batch, are in many
# pairs, and a pair is looked at more than once.
digest_of = remembered(sha256_of, most=256)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The files of a pair, its masks and its weights, with checksums of what they held at first.

    Checksums, and not dates, are what another run has in common with this one: it goes on after
    files were copied or touched, and does not after they were replaced.

    Attributes:
        files: Of t1, of t2, and of each mask.
        weights: File of the extractor, if it has one of its own.
        checkpoint: File of a supervised method.
        elsewhere: What else they are made of, that is not on this machine.
        digests: SHA-256 of each file, once it was read.
        contents: What pixels depend on of each, then.
        stamps: Of each file when it was.
    """

    files: tuple[tuple[Path, ...], ...]
    weights: Path | None
    checkpoint: Path | None = None
    elsewhere: tuple[str, ...]
    digests: dict[Path, str] = field(default_factory=dict, repr=False)
    contents: dict[Path, str] = field(default_factory=dict, repr=False)
    stamps: dict[Path, Stamp | None] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, pair: ImagePair, extractor: str | nn.Module, checkpoint: str | None = None
    ) -> Inputs:
        """Finds the files.

        Raises:
            WeightsError: There is no such checkpoint.
        """
        if checkpoint is not None and not Path(checkpoint).is_file():
            raise WeightsError(f"a checkpoint must exist: got {checkpoint}; check the path")
        found = [each.parts for each in _sources(pair)]
        return cls(
            files=tuple(files for files, _ in found),
            weights=weights_file(extractor) if isinstance(extractor, str) else None,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            elsewhere=tuple(name for _, names in found for name in names),
        )

    def read(self, stages: Stages) -> None:
        """Makes the checksums, where they are not made yet: before pixels of the files are read."""
        learned = [(each,) for each in (self.weights, self.checkpoint) if each is not None]
        every = [*self.files, *learned]
        if self.digests.keys() >= {path for files in every for path in files}:
            return
        with stages.stage("checksums", len(every)) as advance:
            for files in every:
                for path in files:
                    self.stamps[path] = Stamp.of(path)
                    self.digests[path] = digest_of(path)
                    self.contents[path] = _content_of(path, self.digests[path])
                advance(1)

    @property
    def known(self) -> bool:
        """Whether their content can be told; of what a server has to say nothing about, it cannot.

        Of a server this means asking it.
        """
        return all(_version_of(name) is not None for name in self.elsewhere)

    def require_unchanged(self) -> None:
        """Refuses files that are no longer what they were; those that look otherwise are read.

        Raises:
            DataError: One changed, or is gone.
        """
        for path, stamp in self.stamps.items():
            now = Stamp.of(path)
            if now == stamp:
                continue
            content = "" if now is None else _content_of(path, sha256_of(path))
            if content != self.contents[path]:
                what = "is gone" if now is None else "changed"
                raise DataError(
                    f"inputs must stay as they are while they are read: {path} {what} since the "
                    "run began; run it again when nobody writes it"
                )
            self.stamps[path] = now

    def record(self, pair: ImagePair) -> dict[str, Any]:
        """What the record says of them, and of when the images were taken."""
        inputs = [
            input_of(source, [(path, self.digests[path]) for path in files])
            for source, files in zip(_sources(pair), self.files, strict=True)
        ]
        learned = {}
        if self.checkpoint is not None:
            digest = self.digests[self.checkpoint]
            learned = {"checkpoint": {"path": str(self.checkpoint), "sha256": digest}}
        dates = [None if date is None else date.as_record() for date in pair.dates]
        return {
            "inputs": {"t1": inputs[0], "t2": inputs[1]},
            "masks": inputs[2:],
            "dates": {"t1": dates[0], "t2": dates[1]},
            **learned,
        }

    def content(self, pair: ImagePair, extractor: str | nn.Module) -> list[Any]:
        """What all pixels and weights depend on; never the same where nobody can tell."""
        found: list[Any] = [_version_of(name) or uuid.uuid4().hex for name in self.elsewhere]
        for source, files in zip(_sources(pair), self.files, strict=True):
            found.append([each for path in files if (each := self.contents[path])])
            if isinstance(source, Shapes):
                found.append((hashlib.sha256(source.wkb()).hexdigest(), str(source.crs)))
                continue
            if source.memory is not None:
                found.append(hashlib.sha256(source.memory.getbuffer()).hexdigest())
            found.append((str(source.nodata), _nameless(source.bands)))
        found += [(mask.classes, mask.outside, mask.dilation, mask.date) for mask in pair.masks]
        if isinstance(extractor, nn.Module):
            found.append(_state_of(extractor))
        elif self.weights is not None:
            found.append(self.digests[self.weights])
        if self.checkpoint is not None:
            found.append(self.digests[self.checkpoint])
        return found


def _content_of(path: Path, digest: str) -> str:
    """What pixels depend on of a file's content: its checksum.

    Programs that show a raster leave statistics of it beside it, which come and go while others
    read it: only what else stands there counts, and "" is where nothing does.
    """
    if not path.name.endswith(BESIDE):
        return digest
    told = told_beside(NAMES.sub(b"", path.read_bytes()))
    return hashlib.sha256(told).hexdigest() if told else ""


def _sources(pair: ImagePair) -> Sequence[Raster | Shapes]:
    return (pair.t1, pair.t2, *(mask.source for mask in pair.masks))


def _nameless(bands: Sequence[Band]) -> list[Band]:
    """Bands with numbers for the names of their files, which do not matter."""
    paths = list(dict.fromkeys(band.path for band in bands))
    return [replace(band, path=str(paths.index(band.path))) for band in bands]


def _state_of(extractor: nn.Module) -> str:
    """What tells a module and its weights from others."""
    digest = hashlib.sha256(f"{type(extractor).__qualname__} {extractor}".encode())
    for name, value in extractor.state_dict().items():
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()


def _version_of(name: str) -> str | None:
    """What a server says of a file's age and size; None where it does not."""
    address = name.removeprefix(CURL)
    if address.startswith(("http://", "https://")):
        request = urllib.request.Request(address, method="HEAD")  # http, as checked
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                told = [answer.headers.get(each) for each in ("ETag", "Last-Modified")]
                size = answer.headers.get("Content-Length")
        except (OSError, HTTPException, ValueError):
            told, size = [None], None
        if any(told):
            return f"{address} {told} {size}"
    return None
