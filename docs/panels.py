"""Draws results as the pages show them: both dates, score and change, in the report's colors.

    python docs/panels.py docs/pictures/clouds.jpg paris paris-masked

One result becomes two by two panels with titles, several a row of four each. The commands that
made the results stand on the pages.
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import metriccd
from metriccd.report import COLOR_MAP, NODATA_RGB, color_limit, overlay

# Pixels of a panel in a row of four, and of one of two by two; between panels; above one with a
# title; bytes of a picture.
NARROW, WIDE, GAP, TITLE, MOST = 300, 520, 6, 26, 150_000


def panels(folder: Path, width: int) -> list[Image.Image]:
    """Both dates, score and change of a result."""
    result = metriccd.open(folder)
    score = np.where(result.valid, result.score, np.nan)
    limit = color_limit(score, result.threshold)
    levels = np.uint8(255 * mpl.colormaps[COLOR_MAP](np.nan_to_num(score) / limit)[..., :3])
    levels[~result.valid] = NODATA_RGB
    changed = np.moveaxis(overlay(result.t2_rgb, result.map), 0, -1)
    dates = []
    for image in (result.t1_rgb, result.t2_rgb):
        rgb = np.uint8(np.rint(255 * np.nan_to_num(np.moveaxis(image, 0, -1))))
        rgb[np.isnan(image).any(axis=0)] = NODATA_RGB
        dates.append(rgb)
    size = width, round(width * score.shape[0] / score.shape[1])
    return [Image.fromarray(each).resize(size, 1) for each in (*dates, levels, changed)]


def rows(folders: list[Path]) -> Image.Image:
    """A row of four panels for each result."""
    drawn = [panels(folder, NARROW) for folder in folders]
    height = sum(row[0].height + GAP for row in drawn) - GAP
    sheet = Image.new("RGB", (4 * (NARROW + GAP) - GAP, height), "white")
    top = 0
    for row in drawn:
        for number, panel in enumerate(row):
            sheet.paste(panel, (number * (NARROW + GAP), top))
        top += row[0].height + GAP
    return sheet


def titled(folder: Path) -> Image.Image:
    """Two by two panels of a result, with titles."""
    drawn = panels(folder, WIDE)
    days = [str(day)[:10] for day in metriccd.open(folder).dates]
    high = drawn[0].height + TITLE
    sheet = Image.new("RGB", (2 * WIDE + GAP, 2 * high), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", 17)
    words = (*days, "score: brighter is more likely changed", "outlined: called change")
    for number, (panel, text) in enumerate(zip(drawn, words, strict=True)):
        left, top = (number % 2) * (WIDE + GAP), (number // 2) * high
        pen.text((left + 2, top + 2), text, fill=(40, 40, 40), font=font)
        sheet.paste(panel, (left, top + TITLE))
    return sheet


def main() -> None:
    """Draws what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path, metavar="PICTURE.jpg")
    parser.add_argument("results", type=Path, nargs="+", metavar="OUT")
    told = parser.parse_args()
    sheet = rows(told.results) if len(told.results) > 1 else titled(told.results[0])
    for quality in range(86, 20, -4):
        packed = BytesIO()
        sheet.save(packed, "jpeg", quality=quality, optimize=True)
        if packed.tell() < MOST:
            break
    told.picture.write_bytes(packed.getvalue())


if __name__ == "__main__":
    main()
