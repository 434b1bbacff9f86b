"""Names that lead to other machines are known by any spelling, and no other names are."""

from __future__ import annotations

import pytest

from metriccd.trust import is_remote, placed


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


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.tif", "{}/a.tif"),
        ("we:ird.tif", "{}/we:ird.tif"),
        ("vrt://a.tif?bands=1", "vrt://{}/a.tif?bands=1"),
        ("file://a.tif", "file://{}/a.tif"),
        ("zip://a.zip!b.tif", "zip://{}/a.zip!b.tif"),
        ("zip+file://a.zip!b.tif", "zip+file://{}/a.zip!b.tif"),
        ("/vsizip/a.zip/b.tif", "/vsizip/{}/a.zip/b.tif"),
        ("/vsizip/{{a.zip}}/b.tif", "/vsizip/{{{}/a.zip}}/b.tif"),
        ("/vsisubfile/0_99,a.tif", "/vsisubfile/0_99,{}/a.tif"),
        ("vrt:///vsizip/a.zip/b.tif?bands=1", "vrt:///vsizip/{}/a.zip/b.tif?bands=1"),
        ("GTIFF_DIR:2:a.tif", "GTIFF_DIR:2:{}/a.tif"),
        ("GTIFF_DIR:off:8:a.tif", "GTIFF_DIR:off:8:{}/a.tif"),
        ('NETCDF:"a.nc":v', 'NETCDF:"{}/a.nc":v'),
        ("NETCDF:a.nc:v", "NETCDF:{}/a.nc:v"),
        ("HDF5:a.h5://g/b", "HDF5:{}/a.h5://g/b"),
        ('HDF4_EOS:EOS_GRID:"a.hdf":g:x', 'HDF4_EOS:EOS_GRID:"{}/a.hdf":g:x'),
        ("SENTINEL2_L2A:/vsizip/a.zip/m.xml:10m:E", "SENTINEL2_L2A:/vsizip/{}/a.zip/m.xml:10m:E"),
        *((name, name) for name in ("/d/a.tif", "file:///d/a.tif", "vrt:///d/a.tif?bands=1")),
        *((name, name) for name in ("/vsizip//d/a.zip/b", 'NETCDF:"/d/a.nc":v', "/vsimem/a.tif")),
        *((name, name) for name in ("https://h/a.tif", "/vsicurl/http://h/a", "zip+s3://b/a!c")),
    ],
)
def test_a_name_of_any_spelling_is_found_from_anywhere(name: str, found: str) -> None:
    assert placed(name.format(), "/home/of it") == found.format("/home/of it")
