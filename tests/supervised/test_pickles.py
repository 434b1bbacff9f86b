"""Pickles of torch's: what comes out is what went in, and nothing but numbers and text."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from metriccd.supervised.pickles import RefusedError, Stored, read_pickle


def test_plain_values_and_tensors_come_back_as_torch_wrote_them() -> None:
    plain = {"a": [1, 2.5, None, True, -70_000, 2**40], "b": ("text", ()), 3: {"c": []}}
    named = OrderedDict(d=torch.zeros(2, 3), e=torch.arange(9.0)[3:].half())
    shared = [7]
    stream = io.BytesIO()
    torch.save({"plain": plain, "named": named, "one": shared, "other": shared}, stream)
    with zipfile.ZipFile(stream) as archive:
        found = read_pickle(archive.read("archive/data.pkl"))
    assert found["plain"] == plain
    assert found["one"] == shared
    assert found["one"] is found["other"]
    assert found["named"]["d"] == Stored("0", np.dtype("<f4"), 0, (2, 3))
    assert found["named"]["e"].shape == (6,)


def test_other_pickles_and_names_are_refused() -> None:
    for code in (b"", b"N", pickle.dumps({1: 2}, 4), pickle.dumps({"a"}, 2), b"\x80\x02(."):
        with pytest.raises((ValueError, RefusedError)):
            read_pickle(code)
    with pytest.raises(RefusedError, match=r"^posix\.system$"):
        read_pickle(b"cposix\nsystem\n)R.")
