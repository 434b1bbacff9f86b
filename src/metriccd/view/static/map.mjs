// The map: both dates with a divider, what lies over them, and outlines. The scene lies on MapLibre's
// world pixel by pixel, so that a scene needs no CRS and nothing is warped.
import * as maplibre from "/static/vendor/maplibre-gl.mjs";
import { css, datesOf, TILE } from "/static/common.mjs";
import { MARGIN } from "/static/first.mjs";

const SHIFT = 32768;
const TOP = 65534;
const PARTS = 1000;
// Of outlines that were answered; the rest are as in the report.
const ANSWERED = { accepted: "#00d5c0", relabeled: "#00d5c0", rejected: "#ffffff" };

// Where a pixel of the scene lies on the world, and back.
function plane(scene) {
  const lngLat = (col, row) => new maplibre.MercatorCoordinate((col + scene.origin) / scene.world, (row + scene.origin) / scene.world, 0).toLngLat();
  const pixel = (place) => {
    const at = maplibre.MercatorCoordinate.fromLngLat(place);
    return [at.x * scene.world - scene.origin, at.y * scene.world - scene.origin];
  };
  const box = ([left, top, right, bottom]) => {
    const [a, b] = [lngLat(left, bottom), lngLat(right, top)];
    return [a.lng, a.lat, b.lng, b.lat];
  };
  return { lngLat, pixel, box };
}

// Draws only on the left of the divider what lies between both layers of it.
function scissors(divider) {
  const layer = (id, render) => ({ id, type: "custom", renderingMode: "2d", render });
  return [
    layer("scissors", (gl) => {
      const { width, height } = gl.canvas;
      gl.enable(gl.SCISSOR_TEST);
      gl.scissor(0, 0, Math.round(width * divider.at), height);
    }),
    layer("whole", (gl) => gl.disable(gl.SCISSOR_TEST)),
  ];
}

function relief(stops) {
  return ["interpolate", ["linear"], ["elevation"], ...stops.flat()];
}

// The colors of the score, at its numbers; all beyond the limit are the last.
function ramp({ score, limit }) {
  return score.map((color, k) => [1 + Math.ceil((limit * k * TOP) / (score.length - 1)) - SHIFT, css(color)]);
}

export function makeMap(scene, base) {
  const divider = { at: 0.5 };
  const place = plane(scene);
  const bounds = place.box([0, 0, scene.cols, scene.rows]);
  let current = scene;
  let stretch = "one";
  const date = (name) => datesOf(base, current, name, stretch);
  const layer = (name) => `${base}tiles/${name}/{z}/{x}/{y}?v=${scene.stamp}`;
  const tiles = { tileSize: TILE, minzoom: 2, maxzoom: scene.finest, bounds };
  const numbers = (name) => ({ type: "raster-dem", encoding: "terrarium", tiles: [layer(name)], ...tiles });
  const raster = (name) => ({ type: "raster", tiles: [date(name)], ...tiles });
  const hidden = { visibility: "none" };
  const over = (id, source, stops) => ({ id, type: "color-relief", source, layout: hidden, paint: { "color-relief-color": relief(stops), "color-relief-opacity": 0.8, resampling: "nearest" } });
  const layers = [
    { id: "t2", type: "raster", source: "t2", paint: { "raster-fade-duration": 0 } },
    { id: "t1", type: "raster", source: "t1", paint: { "raster-fade-duration": 0 } },
    over("score", "score", [[-SHIFT, "rgba(0,0,0,0)"], ...ramp(scene.colors)]),
    over("above", "score", [[-SHIFT, "rgba(0,0,0,0)"], [0, "rgba(0,0,0,0)"]]),
    over("change", "change", [[0, "rgba(0,0,0,0)"], [1, css(scene.colors.change)], [2, "rgba(0,0,0,0)"], [255, "rgba(0,0,0,0)"]]),
  ];
  const sources = {
    t1: raster("t1"),
    t2: raster("t2"),
    score: numbers("score"),
    change: numbers("change"),
  };
  if (scene.layers.includes("kind")) {
    sources.kind = numbers("kind");
    layers.push(over("kind", "kind", [[0, "rgba(0,0,0,0)"], [255, "rgba(0,0,0,0)"]]));
  }
  const map = new maplibre.Map({
    container: "map",
    style: { version: 8, sources, layers, transition: { duration: 0 } },
    bounds,
    fitBoundsOptions: { padding: MARGIN },
    minZoom: 1,
    maxZoom: scene.finest + 4,
    renderWorldCopies: false,
    attributionControl: false,
    dragRotate: false,
    touchPitch: false,
    pitchWithRotate: false,
    fadeDuration: 0,
    maxPitch: 0,
    cancelPendingTileRequestsWhileZooming: true,
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.getCanvas().setAttribute("aria-label", "Both dates of the scene. Arrow keys move, plus and minus zoom.");
  map.on("load", () => {
    const [open, close] = scissors(divider);
    map.addLayer(open, "t1");
    map.addLayer(close, map.getLayer("score") ? "score" : undefined);
  });
  // Pixels are squares when they are seen as such.
  const sharp = () => {
    const way = current.shown === "originals" && map.getZoom() > scene.finest - 0.4 ? "nearest" : "linear";
    for (const id of ["t1", "t2"]) if (map.getPaintProperty(id, "raster-resampling") !== way) map.setPaintProperty(id, "raster-resampling", way);
  };
  map.on("zoomend", sharp);

  // Outlines follow, when the server has read the objects.
  function showObjects() {
    map.addSource("objects", { type: "vector", tiles: [`${base}outlines/{z}/{x}/{y}?v=${scene.stamp}`], minzoom: 1, maxzoom: scene.finest - 1, bounds });
    // Both take the worker, which the first picture does not wait for.
    map.addSource("current", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
    const answer = (name) => ["==", ["feature-state", "answer"], name];
    const outline = (id, paint) => ({ id, type: "line", source: "objects", "source-layer": "objects", layout: { "line-join": "round" }, paint });
    const wide = (far, near) => ["interpolate", ["linear"], ["zoom"], scene.finest - 3, far, scene.finest, near];
    for (const layer of [
      { id: "inside", type: "fill", source: "objects", "source-layer": "objects", paint: { "fill-opacity": 0 } },
      outline("casing", { "line-color": "rgba(0,0,0,.55)", "line-width": wide(0.6, 3.4) }),
      outline("line", {
        "line-color": ["case", answer("accepted"), ANSWERED.accepted, answer("relabeled"), ANSWERED.relabeled, answer("rejected"), ANSWERED.rejected, css(scene.colors.change)],
        "line-width": wide(1, 1.8),
        "line-opacity": ["case", answer("rejected"), 0.55, 1],
      }),
      { id: "current-casing", type: "line", source: "current", paint: { "line-color": "rgba(0,0,0,.7)", "line-width": 4 } },
      { id: "current", type: "line", source: "current", paint: { "line-color": "#fff", "line-width": 2, "line-dasharray": [3, 2] } },
    ]) map.addLayer(layer);
  }

  const state = { overlay: "none", moved: false };
  function showOverlay() {
    const { overlay, moved } = state;
    const shown = { score: overlay === "score", above: overlay === "change" && moved, change: overlay === "change" && !moved, kind: overlay === "kind" };
    for (const [id, on] of Object.entries(shown)) if (map.getLayer(id)) map.setLayoutProperty(id, "visibility", on ? "visible" : "none");
  }

  return {
    map,
    place,
    showObjects,
    fit: () => map.fitBounds(bounds, { padding: MARGIN, duration: 300 }),
    divide(at) {
      divider.at = Math.min(Math.max(at, 0), 1);
      map.triggerRepaint();
    },
    overlay(name) {
      state.overlay = name;
      showOverlay();
    },
    opacity(value) {
      for (const id of ["score", "above", "change", "kind"]) if (map.getLayer(id)) map.setPaintProperty(id, "color-relief-opacity", value);
    },
    // Score above k / PARTS; moved: this is not the threshold of the map.
    threshold(k, moved) {
      const edge = Math.floor((k / PARTS) * TOP) + 1 - SHIFT;
      map.setPaintProperty("above", "color-relief-color", relief([[-SHIFT, "rgba(0,0,0,0)"], [edge, "rgba(0,0,0,0)"], [edge + 1, css(scene.colors.change)]]));
      state.moved = moved;
      showOverlay();
    },
    // Outlines of objects above a score, of some kinds; the raster of kinds follows.
    filter(k, kinds) {
      const wanted = ["all", [">", ["get", "score"], k], ["in", ["get", "kind"], ["literal", kinds]]];
      for (const id of ["inside", "casing", "line"]) map.setFilter(id, wanted);
      if (map.getLayer("kind")) {
        const stops = scene.kinds.map((kind) => [kind.value, kinds.includes(kind.value) ? css(kind.color) : "rgba(0,0,0,0)"]);
        map.setPaintProperty("kind", "color-relief-color", relief([[0, "rgba(0,0,0,0)"], ...stops, [stops.length + 1, "rgba(0,0,0,0)"], [255, "rgba(0,0,0,0)"]]));
      }
    },
    outlines(on) {
      for (const id of ["inside", "casing", "line"]) map.setLayoutProperty(id, "visibility", on ? "visible" : "none");
    },
    dates(shown, way) {
      current = { ...current, shown };
      stretch = way;
      for (const id of ["t1", "t2"]) map.getSource(id).setTiles([date(id)]);
      sharp();
    },
    answered(id, name) {
      map.setFeatureState({ source: "objects", sourceLayer: "objects", id }, { answer: name ?? "open" });
    },
    // A dashed box around an object, some pixels away from it.
    mark(object) {
      const features = [];
      if (object) {
        const [left, top, right, bottom] = object.box;
        const away = Math.max(3, 0.12 * Math.max(right - left, bottom - top));
        const corners = [[left - away, top - away], [right + away, top - away], [right + away, bottom + away], [left - away, bottom + away], [left - away, top - away]];
        features.push({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: corners.map(([c, r]) => place.lngLat(c, r).toArray()) } });
      }
      map.getSource("current").setData({ type: "FeatureCollection", features });
    },
    goTo(object) {
      const [left, top, right, bottom] = object.box;
      const away = Math.max(24, 0.9 * Math.max(right - left, bottom - top));
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const jump = { padding: 20, maxZoom: scene.finest + 2, duration: calm ? 0 : 250 };
      map.fitBounds(place.box([left - away, top - away, right + away, bottom + away]), jump);
    },
  };
}
