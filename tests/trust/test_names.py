"""Names that lead to other machines are known by any spelling, and no other names are."""

from __future__ import annotations

import pytest

from metriccd.trust import is_remote


@pytest.mark.parametrize(
    "name",
    [
        *("https://host/a.tif", "HTTP://host/a.tif", "s3://bucket/a.tif", "gs://bucket/a.tif"),
        *("/vsicurl/https://host/a.tif", "/vsicurl?url=x", "/vsis3/bucket/a.tif"),
        *("/vsis3_streaming/b/a", "/vsizip//vsicurl/https://host/a.zip/a.tif"),
        *("/vsizip/{/vsis3/b/a.zip}/a.tif", "zip+https://host/a.zip!a.tif"),
        *('NETCDF:"http://host/a.nc":v', "vrt:///vsicurl/http://host/a.tif", "WMS:http://host/"),
    ],
)
def test_names_on_other_machines(name: str) -> None:
    assert is_remote(name)


@pytest.mark.parametrize(
    "name",
    [
        *("a.tif", "/data/https/a.tif", "file:///a.tif", "zip://a.zip!b.tif", "/vsizip/a.zip/b"),
        *("vrt://a.tif?bands=1", 'HDF5:"a.h5"://group/band', "HDF5:a.h5://band", "/vsimem/a.tif"),
        *("/data/vsicurly/a.tif", "C:/a.tif", "/vsigzip/a.tif.gz"),
    ],
)
def test_names_on_this_machine(name: str) -> None:
    assert not is_remote(name)
