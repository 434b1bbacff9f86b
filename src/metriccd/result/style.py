"""How results look: class colors, and the QGIS style that shows them."""

from __future__ import annotations

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


def qml() -> str:
    """A QGIS layer style with the two classes of `change.tif` as palette entries."""
    entries = "\n".join(
        f"        <paletteEntry value={quoteattr(str(value))} label={quoteattr(label)}"
        f' color="#{red:02x}{green:02x}{blue:02x}" alpha="{alpha}"/>'
        for value, label in LABELS.items()
        for red, green, blue, alpha in [COLORS[value]]
    )
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.28" styleCategories="Symbology">
  <pipe>
    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">
      <colorPalette>
{entries}
      </colorPalette>
    </rasterrenderer>
    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>
    <huesaturation saturation="0" grayscaleMode="0"/>
    <rasterresampler maxOversampling="2"/>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
"""
