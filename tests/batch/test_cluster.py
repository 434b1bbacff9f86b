"""The cluster: processes of this machine that no other machine reaches, on their share of cores."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
import torch

from metriccd.batch import cluster
from metriccd.batch.cluster import Cluster, cores, gpus
from metriccd.errors import ClusterError, fault_of

TRIM = "MALLOC_TRIM_THRESHOLD_"


def environment() -> dict[str, object]:
    """What a worker tells of itself."""
    names = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "GDAL_NUM_THREADS", "MPLBACKEND", TRIM)
    return {name: os.environ.get(name) for name in names} | {"torch": torch.get_num_threads()}


def listening() -> set[str]:
    """Addresses at which this process and those below it wait for others."""
    here = psutil.Process()
    found = [each.net_connections() for each in (here, *here.children(recursive=True))]
    return {each.laddr.ip for every in found for each in every if each.status == psutil.CONN_LISTEN}


@pytest.mark.parametrize("encrypted", [True, False])
def test_workers_are_reached_from_this_machine_only_and_share_its_cores(
    encrypted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not encrypted:
        monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("GOMP_SPINCOUNT", "20000")
    before, surroundings = listening(), dict(os.environ)
    with Cluster(workers=1, device="cpu").opened(tmp_path) as client:
        assert listening() - before <= {"127.0.0.1"}
        (told,) = client.run(environment).values()
        assert list(client.nthreads().values()) == [1]
        assert client.scheduler.address.startswith("tls:" if encrypted else "tcp:")
    assert dict(os.environ) == surroundings
    threads = str(cores())
    assert (told["OMP_NUM_THREADS"], told["GDAL_NUM_THREADS"]) == (threads, threads)
    assert told["torch"] == cores()
    assert int(told["GOMP_SPINCOUNT"]) <= 1000
    assert told["MPLBACKEND"] == "agg"
    # Dask's own is 64 KiB.
    assert int(told[TRIM]) >= 1 << 30


def test_there_is_a_worker_for_each_gpu_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpus("cpu") == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")
    assert gpus("auto") == gpus("cuda") == ["3", "GPU-5"]
    assert gpus("cpu") == []


def test_more_workers_than_memory_holds_are_refused_before_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "MEMORY_LIMIT", (cores() + 2) << 30)
    asked, before = Cluster(workers=cores() + 3, device="cpu"), listening()
    with (
        pytest.raises(ClusterError, match=rf"ask for {cores() + 2} at most, and for {cores()}"),
        asked.opened(tmp_path),
    ):
        pass
    assert listening() == before


@pytest.mark.parametrize(
    "address",
    [
        *("", "nonsense", "foo://x", "inproc://1/2/3", "tls://127.0.0.1:1", "ucx://127.0.0.1:1"),
        *("tcp://127.0.0.1:999999", "tcp://[::1", "tcp://a\nb:1", "tcp://\udcff:1", "x" * 5000),
    ],
)
def test_what_is_no_address_of_a_scheduler_is_refused_in_one_line(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ANSWERS", 0.2)
    with (
        pytest.raises(ClusterError, match=r"--scheduler must answer within 0 s: ") as refused,
        Cluster(scheduler=address).opened(tmp_path),
    ):
        pass
    assert len(fault_of(refused.value).line) < 600
