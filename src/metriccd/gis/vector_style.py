"""How polygons look in a GIS: outlined and tinted; zones by their changed share."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

from metriccd.gis import style

# Upper ends of the classes of changed share, and the opacity of their tint.
SHARES = {0.001: 0, 0.01: 40, 0.05: 90, 0.2: 150, 1.0: 220}
EDGE_MM, TINT = 0.4, 50
CHANGED = style.COLORS[style.CHANGE][:3]


def polygons_qml() -> str:
    """A QGIS style of change objects: outlined in the color of change, tinted lightly."""
    return _qml(
        '  <renderer-v2 type="singleSymbol" symbollevels="0" forceraster="0" enableorderby="0">\n'
        f"    <symbols>\n{_symbol(0, TINT)}\n    </symbols>\n  </renderer-v2>"
    )


def zones_qml() -> str:
    """A QGIS style of zones: five classes of the share that changed."""
    ends = [0.0, *SHARES]
    ranges = "\n".join(
        f'      <range lower="{low}" upper="{high}" symbol="{number}" render="true" '
        f"label={quoteattr(f'{low:.1%} – {high:.1%}')}/>"
        for number, (low, high) in enumerate(zip(ends, SHARES, strict=False))
    )
    symbols = "\n".join(_symbol(number, alpha) for number, alpha in enumerate(SHARES.values()))
    return _qml(
        '  <renderer-v2 type="graduatedSymbol" attr="changed_share" symbollevels="0"'
        ' graduatedMethod="GraduatedColor" forceraster="0" enableorderby="0">\n'
        f"    <ranges>\n{ranges}\n    </ranges>\n    <symbols>\n{symbols}\n    </symbols>\n"
        "  </renderer-v2>"
    )


def classed_qml(column: str, colors: Mapping[str, tuple[int, int, int]]) -> str:
    """A QGIS style of polygons that are colored by the words in a column.

    Args:
        column: Its name.
        colors: Word → red, green, blue.
    """
    categories = "\n".join(
        f"      <category value={quoteattr(word)} label={quoteattr(word)}"
        f' symbol="{number}" render="true" type="string"/>'
        for number, word in enumerate(colors)
    )
    symbols = "\n".join(
        _symbol(number, 2 * TINT, color) for number, color in enumerate(colors.values())
    )
    return _qml(
        f'  <renderer-v2 type="categorizedSymbol" attr="{column}" symbollevels="0"'
        ' forceraster="0" enableorderby="0">\n'
        f"    <categories>\n{categories}\n    </categories>\n"
        f"    <symbols>\n{symbols}\n    </symbols>\n  </renderer-v2>"
    )


def polygons_sld(name: str = "change", title: str = "change objects") -> str:
    """The outline and tint for servers (SLD 1.0)."""
    color = "#{:02x}{:02x}{:02x}".format(*style.COLORS[style.CHANGE][:3])
    return style.sld(
        name,
        title,
        f"""          <PolygonSymbolizer>
            <Fill>
              <CssParameter name="fill">{color}</CssParameter>
              <CssParameter name="fill-opacity">{TINT / 255:.2f}</CssParameter>
            </Fill>
            <Stroke>
              <CssParameter name="stroke">{color}</CssParameter>
              <CssParameter name="stroke-width">1.5</CssParameter>
            </Stroke>
          </PolygonSymbolizer>""",
    )


def _symbol(number: int, alpha: int, color: tuple[int, int, int] = CHANGED) -> str:
    red, green, blue = color
    options = {
        "color": f"{red},{green},{blue},{alpha}",
        "style": "solid",
        "outline_color": f"{red},{green},{blue},255",
        "outline_style": "solid",
        "outline_width": f"{EDGE_MM}",
        "outline_width_unit": "MM",
        "joinstyle": "miter",
    }
    rows = "\n".join(
        f'          <Option type="QString" name="{name}" value="{value}"/>'
        for name, value in options.items()
    )
    return f"""      <symbol type="fill" name="{number}" alpha="1" clip_to_extent="1" force_rhr="0">
        <layer class="SimpleFill" enabled="1" locked="0" pass="0">
          <Option type="Map">
{rows}
          </Option>
        </layer>
      </symbol>"""


def _qml(renderer: str) -> str:
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="Symbology">
{renderer}
  <blendMode>0</blendMode>
  <featureBlendMode>0</featureBlendMode>
  <layerOpacity>1</layerOpacity>
</qgis>
"""
