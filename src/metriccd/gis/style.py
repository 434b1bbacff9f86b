"""How rasters look: colors of classes and scores, and the styles that show them in a GIS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import quoteattr

NO_CHANGE, CHANGE, NODATA = 0, 1, 255
# Class value → (red, green, blue, alpha). Unchanged ground stays visible below the layer; magenta
# is the hue rarest in imagery of land and sea, so a tint of it is not mistaken for either.
COLORS = {
    NO_CHANGE: (255, 255, 255, 0),
    CHANGE: (240, 0, 140, 255),
    NODATA: (0, 0, 0, 0),
}
LABELS = {NO_CHANGE: "no change", CHANGE: "change"}
# Which way: what is new in t2 in warm, what is gone from t1 in cold color.
APPEARED, DISAPPEARED = 1, 2
DIRECTION_COLORS = {
    NO_CHANGE: (255, 255, 255, 0),
    APPEARED: (230, 97, 1, 255),
    DISAPPEARED: (94, 60, 153, 255),
    NODATA: (0, 0, 0, 0),
}
DIRECTION_LABELS = {NO_CHANGE: "no change", APPEARED: "appeared", DISAPPEARED: "disappeared"}

# Clusters, from 1: hues of ColorBrewer's Dark2, which are not those of the kinds.
CLUSTER_COLORS = {
    NO_CHANGE: (255, 255, 255, 0),
    **{
        value: (*rgb, 255)
        for value, rgb in enumerate(
            (
                (27, 158, 119),
                (217, 95, 2),
                (117, 112, 179),
                (231, 41, 138),
                (102, 166, 30),
                (230, 171, 2),
                (166, 118, 29),
                (102, 102, 102),
            ),
            start=1,
        )
    },
    NODATA: (0, 0, 0, 0),
}

# Score → (red, green, blue, alpha): the bright half of viridis, which begins transparent and fades
# in, so that unchanged ground stays visible and nothing gets darker. The magenta of outlines is no
# color of it.
SCORE_STOPS = {
    0.0: (33, 145, 140, 0),
    0.25: (34, 168, 132, 70),
    0.5: (68, 191, 112, 170),
    0.75: (155, 217, 60, 215),
    1.0: (253, 231, 37, 240),
}
TITLES = {
    "change": "change map",
    "score": "change score",
    "kind": "kinds of change",
    "cluster": "clusters of change",
    "direction": "direction of change",
}
Colors = Mapping[int, tuple[int, int, int, int]]


def classes_qml(labels: Sequence[str] | Mapping[int, str], colors: Colors) -> str:
    """A QGIS layer style of a raster of classes: a palette.

    Args:
        labels: Of the classes from 0 on, or of each class.
        colors: Class → red, green, blue, alpha.
    """
    named = labels if isinstance(labels, Mapping) else dict(enumerate(labels))
    entries = "\n".join(
        f"        <paletteEntry value={quoteattr(str(value))} label={quoteattr(label)}"
        f' color="{_hex(colors[value])}" alpha="{colors[value][3]}"/>'
        for value, label in named.items()
    )
    return _raster_qml(
        f"""    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">
      <colorPalette>
{entries}
      </colorPalette>
    </rasterrenderer>"""
    )


def score_qml() -> str:
    """A QGIS layer style of `score.tif`: green to yellow from 0 to 1, fading in."""
    items = "\n".join(
        f'          <item value="{value}" label="{value:g}" color="{_hex(color)}"'
        f' alpha="{color[3]}"/>'
        for value, color in SCORE_STOPS.items()
    )
    return _raster_qml(
        f"""    <rasterrenderer type="singlebandpseudocolor" band="1" opacity="1" alphaBand="-1"
        nodataColor="" classificationMin="0" classificationMax="1">
      <rastershader>
        <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0"
            minimumValue="0" maximumValue="1" labelPrecision="2">
{items}
        </colorrampshader>
      </rastershader>
    </rasterrenderer>"""
    )


def image_qml() -> str:
    """A QGIS layer style of a picture: red, green and blue as they are, its mask transparent."""
    return _raster_qml(
        """    <rasterrenderer type="multibandcolor" redBand="1" greenBand="2" blueBand="3"
        opacity="1" alphaBand="4" nodataColor=""/>"""
    )


def classes_sld(name: str, labels: Sequence[str], colors: Colors) -> str:
    """The same for GeoServer and other servers (SLD 1.0)."""
    entries = [(value, label, colors[value]) for value, label in enumerate(labels)]
    return _raster_sld(name, "values", entries)


def score_sld() -> str:
    """Colors of `score.tif` for servers (SLD 1.0)."""
    return _raster_sld("score", "ramp", [(v, f"{v:g}", c) for v, c in SCORE_STOPS.items()])


def _raster_qml(renderer: str) -> str:
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="Symbology">
  <pipe>
{renderer}
    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>
    <huesaturation saturation="0" grayscaleMode="0"/>
    <rasterresampler maxOversampling="2"/>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
"""


def _raster_sld(
    name: str, kind: str, entries: Sequence[tuple[float, str, tuple[int, int, int, int]]]
) -> str:
    rows = "\n".join(
        f'              <ColorMapEntry color="{_hex(color)}" quantity="{value:g}"'
        f' opacity="{color[3] / 255:.3g}" label={quoteattr(label)}/>'
        for value, label, color in entries
    )
    rules = f"""          <RasterSymbolizer>
            <ColorMap type="{kind}">
{rows}
            </ColorMap>
          </RasterSymbolizer>"""
    return sld(name, TITLES[name], rules)


def sld(name: str, title: str, symbolizer: str) -> str:
    """A style of one layer and one rule (SLD 1.0)."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<StyledLayerDescriptor version="1.0.0" xmlns="http://www.opengis.net/sld"
    xmlns:ogc="http://www.opengis.net/ogc" xmlns:xlink="http://www.w3.org/1999/xlink"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:schemaLocation="http://www.opengis.net/sld StyledLayerDescriptor.xsd">
  <NamedLayer>
    <Name>{name}</Name>
    <UserStyle>
      <Title>{title}</Title>
      <FeatureTypeStyle>
        <Rule>
          <Name>{title}</Name>
{symbolizer}
        </Rule>
      </FeatureTypeStyle>
    </UserStyle>
  </NamedLayer>
</StyledLayerDescriptor>
"""


def _hex(color: tuple[int, int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color[:3])
