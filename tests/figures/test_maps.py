"""Maps of a result: where they lie, what they say, and that they leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from io import BytesIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from rasterio.transform import array_bounds

import metriccd as mcd
from metriccd import figures
from metriccd.gis import COLORS
from metriccd.kinds import KINDS


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_map_lies_where_its_raster_does(found) -> None:
    ax = figures.plot(found.change)
    rows, cols = found.change.grid.shape
    west, south, east, north = array_bounds(rows, cols, found.change.grid.transform)
    assert (*ax.get_xlim(), *ax.get_ylim()) == (west, east, south, north)
    assert ax.images[0].get_extent() == [west, east, south, north]
    assert ax.get_aspect() == 1
    assert "EPSG:32632" in ax.get_xlabel()


@pytest.mark.parametrize("show", ["change", "score", "t1", "t2"])
def test_a_map_has_dates_and_a_scale_bar_and_no_data_is_transparent(found, show) -> None:
    ax = figures.plot(found.change, show=show)
    title = ax.get_title("left")
    assert {"t1": "2016-05-01", "t2": "2018-08-15"}.get(show, "2016-05-01 to 2018-08-15") in title
    assert [text.get_text() for text in ax.artists[0].findobj(mpl.text.Text)] == ["500 m"]
    # As it is drawn: the page shows through in the corner without data, and nowhere else.
    drawn, _, _, _ = ax.images[0].make_image(ax.figure.canvas.get_renderer(), unsampled=True)
    missing = ~found.change.valid
    assert missing.any()
    np.testing.assert_array_equal(drawn[..., 3] == 0, missing)


def test_what_changed_is_told_and_drawn_in_the_color_of_the_gis_styles(found) -> None:
    ax = found.change.plot()
    (told,) = labels(ax)
    hectares = found.change.map.sum() * 100 / 1e4
    share = found.change.map.sum() / found.change.valid.sum()
    # The scale of UTM makes areas up to a thousandth larger here.
    assert told.startswith(f"change: {share:.2%}, ")
    assert float(told.split()[-2]) == pytest.approx(hectares, rel=2e-3)
    (patch,) = ax.get_legend().get_patches()
    assert mpl.colors.to_hex(patch.get_facecolor()) == "#{:02x}{:02x}{:02x}".format(*COLORS[1][:3])


def test_the_threshold_is_marked_in_the_bar_of_the_score(found) -> None:
    ax = figures.plot(found.change, show="score")
    (bar,) = ax.child_axes
    assert {line.get_ydata()[0] for line in bar.get_lines()[-2:]} == {found.change.threshold}
    assert f"{found.change.threshold:.2g}" in bar.get_ylabel()


def test_kinds_are_named_with_their_areas_and_colors(found) -> None:
    ax = figures.plot_kinds(found.change)
    kinds = found.change.kinds
    counts = {name: int((kinds == kind.value).sum()) for name, kind in KINDS.items()}
    order = sorted((n for n in counts if counts[n]), key=lambda name: -counts[name])
    assert len(order) > 1
    assert [label.split(":")[0] for label in labels(ax)] == order
    for label, patch in zip(labels(ax), ax.get_legend().get_patches(), strict=True):
        name, size = label.split(": ")
        assert float(size.split()[0]) == pytest.approx(counts[name] / 100, abs=0.06)
        assert (np.array(patch.get_facecolor()[:3]) * 255).round().tolist() == [*KINDS[name].color]
        rows, cols = np.nonzero(kinds == KINDS[name].value)
        assert ax.images[0].get_array()[rows[0], cols[0], :3].tolist() == [*KINDS[name].color]


def test_a_result_without_kinds_says_so(found) -> None:
    with pytest.raises(mcd.DataError, match="none of them; detect again"):
        figures.plot_kinds(replace(found.change, potential=None))


def test_nothing_of_matplotlib_is_changed_and_axes_that_are_given_are_drawn_on(found) -> None:
    settings, elsewhere = dict(mpl.rcParams), plt.figure().gca()
    figure = Figure()
    for draw in (figures.plot, figures.plot_kinds):
        ax = figure.add_subplot()
        assert draw(found.change, ax) is ax
        assert plt.gca() is elsewhere
    assert len(plt.get_fignums()) == 1
    assert dict(mpl.rcParams) == settings
    for kind in ("pdf", "svg", "png"):
        figure.savefig(BytesIO(), format=kind)


def test_axes_that_are_given_need_no_pyplot(found, tmp_path) -> None:
    found.change.save(tmp_path / "out")
    script = (
        "import sys; import metriccd as mcd; from metriccd import figures\n"
        "from matplotlib.figure import Figure\n"
        "change = mcd.open(sys.argv[1]); before = 'matplotlib.pyplot' in sys.modules\n"
        "figures.plot(change, Figure().add_subplot(), show='score')\n"
        "figures.plot_kinds(change, Figure().add_subplot())\n"
        "assert ('matplotlib.pyplot' in sys.modules) == before == False"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "out")], check=True)


def test_something_else_to_show_is_refused(found) -> None:
    with pytest.raises(ValueError, match="a map shows change, score, t1, t2: got 'kind'"):
        figures.plot(found.change, show="kind")
