"""Packs the plugin into the zip that QGIS installs: `make qgis`.

Run as `python3 qgis/pack.py FOLDER`; prints the name of the zip.
"""

from __future__ import annotations

import sys
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

PLUGIN = Path(__file__).with_name("metriccd_qgis")
LICENSE = Path(__file__).parents[1] / "LICENSE"
# A zip entry needs a time; one that tells nothing keeps the bytes the same from run to run.
NO_TIME = (1980, 1, 1, 0, 0, 0)


def pack(folder: Path) -> Path:
    """Writes the zip of this version into a folder, and returns its name."""
    metadata = ConfigParser()
    metadata.read(PLUGIN / "metadata.txt", encoding="utf-8")
    target = folder / f"{PLUGIN.name}-{metadata['general']['version']}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    files = [path for path in sorted(PLUGIN.iterdir()) if path.is_file()]
    with ZipFile(target, "w") as archive:
        for path in (*files, LICENSE):
            entry = ZipInfo(f"{PLUGIN.name}/{path.name}", NO_TIME)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return target


if __name__ == "__main__":
    sys.stdout.write(f"{pack(Path(sys.argv[1]))}\n")
