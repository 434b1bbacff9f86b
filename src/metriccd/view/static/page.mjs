// The page of one result: what is known of it, the divider, the read-out, keys and tabs.
import { $, alarm, ask, base, counted, grouped, sized } from "/static/common.mjs";
import { firstLook } from "/static/first.mjs";
import { makeLook } from "/static/look.mjs";
import { printable } from "/static/print.mjs";
import { makeReview } from "/static/review.mjs";

const POLL = 1500;
const REST = 15000;

function head(scene) {
  document.title = `${scene.name} · metriccd view`;
  $("name").textContent = scene.name;
  $("back").hidden = !scene.several;
  $("before").textContent = scene.dates.t1 ?? "before";
  $("after").textContent = scene.dates.t2 ?? "after";
  const objects = scene.objects === undefined ? "" : `${counted(scene.objects)}, ${sized(scene, scene.size)} · `;
  const where = scene.crs ? ` · ${scene.crs}` : " · no CRS: in pixels";
  $("summary").textContent = `${objects}${grouped(scene.rows)} × ${grouped(scene.cols)} pixels${where}${scene.method ? ` · ${scene.method}` : ""}`;
}

function swipe(picture) {
  const divider = $("divider");
  const stage = $("stage");
  let at = 0.5;
  let blink = null;
  let shows = picture;
  function show() {
    const shown = blink ?? at;
    // At the edges it can still be taken.
    divider.style.left = `clamp(12px, ${100 * shown}%, 100% - 12px)`;
    divider.setAttribute("aria-valuenow", Math.round(100 * shown));
    document.querySelector(".tag.before").hidden = shown < 0.02;
    document.querySelector(".tag.after").hidden = shown > 0.98;
    shows.divide(shown);
  }
  const set = (to) => {
    blink = null;
    at = Math.min(Math.max(to, 0), 1);
    show();
  };
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    const move = (e) => set((e.clientX - stage.getBoundingClientRect().left) / stage.clientWidth);
    divider.addEventListener("pointermove", move);
    divider.addEventListener("pointerup", () => divider.removeEventListener("pointermove", move), { once: true });
  });
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1 }[event.key];
    if (step) set(at + step);
    else if (event.key === "Home") set(0);
    else if (event.key === "End") set(1);
    else return;
    event.preventDefault();
  });
  show();
  return { by: (step) => set(at + step), middle: () => set(0.5), blink: () => { blink = blink === 1 ? 0 : 1; show(); }, of(other) { shows = other; show(); } };
}

// Coordinates under the pointer, and in the middle when the map was moved with keys.
function reading(scene, view) {
  const [a, b, c, d, e, f] = scene.transform;
  // As many decimals as a pixel is worth.
  const decimals = Math.max(0, -Math.floor(Math.log10(Math.hypot(a, d))));
  const around = (longitude) => ((((longitude + 180) % 360) + 360) % 360) - 180;
  let timer = 0;
  let last = "";
  function read(place) {
    const [x, y] = view.place.pixel(place);
    const [col, row] = [Math.floor(x), Math.floor(y)];
    if (row < 0 || col < 0 || row >= scene.rows || col >= scene.cols) {
      $("readout").textContent = "";
      return;
    }
    const [east, north] = [a * x + b * y + c, d * x + e * y + f];
    const spot = scene.degrees ? `${north.toFixed(5)}, ${around(east).toFixed(5)} · ` : scene.georeferenced ? `E ${grouped(east, decimals)} N ${grouped(north, decimals)} · ` : "";
    const text = `${spot}row ${row}, col ${col}`;
    $("readout").textContent = text;
    clearTimeout(timer);
    last = text;
    timer = setTimeout(async () => {
      const found = await ask(`pixel/${row}/${col}`).catch(() => ({}));
      if (last !== text) return;
      const kind = scene.kinds.find((each) => each.value === found.kind)?.name;
      $("readout").textContent = [text, found.score === null ? "no data" : found.score === undefined ? "" : `score ${found.score.toFixed(3)}`, kind].filter(Boolean).join(" · ");
    }, 120);
  }
  view.map.on("mousemove", (event) => read(event.lngLat));
  view.map.on("moveend", (event) => { if (event.originalEvent?.type === "keydown") read(view.map.getCenter()); });
}

function scale(scene, map) {
  if (scene.crs && scene.georeferenced) {
    const [, b, , , e] = scene.transform;
    $("north").hidden = false;
    $("north").querySelector("svg").style.transform = `rotate(${(Math.atan2(b, -e) * 180) / Math.PI}deg)`;
  }
  if (!scene.ground) return;
  $("scale").hidden = false;
  const show = () => {
    const meters = scene.ground * 2 ** (scene.finest - 1 - map.getZoom());
    const most = meters * 110;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((n) => n * power).find((n) => n <= most);
    const bar = $("scale").firstElementChild;
    // In parts of the stage, whose width is another one on paper.
    bar.style.width = `${(100 * length) / meters / $("stage").clientWidth}cqw`;
    bar.textContent = length >= 1000 ? `${grouped(length / 1000)} km` : length >= 1 ? `${grouped(length)} m` : `${grouped(100 * length)} cm`;
  };
  map.on("zoom", show);
  map.on("resize", show);
  show();
}

function tabs(changed) {
  const both = ["look", "review"];
  const choose = (name, focus) => {
    for (const each of both) {
      const on = each === name;
      $(`tab-${each}`).setAttribute("aria-selected", on);
      $(`tab-${each}`).tabIndex = on ? 0 : -1;
      $(each).hidden = !on;
    }
    if (focus) $(`tab-${name}`).focus();
    history.replaceState(null, "", name === "review" ? "#review" : base);
    changed(name);
  };
  for (const name of both) {
    $(`tab-${name}`).addEventListener("click", () => choose(name));
    $(`tab-${name}`).addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") choose(both.find((each) => each !== name), true);
    });
  }
  return choose;
}

function help() {
  const keys = $("keys");
  keys.open = !keys.open;
  if (!keys.open) return;
  keys.scrollIntoView();
  keys.firstElementChild.focus();
}

function keys(view, divider, look, review, choose) {
  const actions = {
    "?": help, " ": divider.blink, "[": () => divider.by(-0.1), "]": () => divider.by(0.1), "\\": divider.middle,
    o: look.toggleOutlines, v: look.nextOverlay, f: view.fit, l: () => choose("look"), e: () => choose("review"),
    a: review.accept, r: review.reject, n: review.pass, u: review.undo, z: review.zoom,
  };
  // A key that is held must not answer for objects that nobody has looked at.
  const held = new Set(["[", "]"]);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.repeat && !held.has(event.key)) return;
    const where = event.target;
    const typing = where.matches("input:not([type=checkbox], [type=radio], [type=range]), select, textarea");
    const pressing = event.key === " " && where.matches("button, input, summary, a");
    if (typing || pressing) return;
    const action = /^[1-9]$/.test(event.key) ? () => review.relabel(Number(event.key)) : actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

async function watch(scene, view, look) {
  let known = scene;
  for (;;) {
    await new Promise((done) => setTimeout(done, known.looking || !known.counted ? POLL : REST));
    if (document.hidden) continue;
    try {
      const now = await ask("state");
      if (now.stamp !== scene.stamp) {
        alarm(new Error("This result was replaced on disk: load the page again."));
        return;
      }
      if (now.shown !== known.shown) view.dates(now.shown, look.stretch());
      if (now.counted && !known.counted) look.refresh();
      known = now;
      look.known(now);
      notice(now);
    } catch (error) {
      alarm(error);
    }
  }
}

function notice(state) {
  $("notice").className = "";
  if (state.looking) $("notice").textContent = "Looking for the images …";
  else if (state.shown === "views") $("notice").textContent = `Small pictures only: ${state.why}.`;
  else $("notice").textContent = "";
}

async function start() {
  const facts = await ask("facts");
  head(facts);
  notice(facts);
  const at = new URL(base, location.href).href;
  const first = firstLook(facts, at);
  const divider = swipe(first);
  await first.seen();
  performance.mark("painted");
  // What draws the map is large, and takes as long to start as all that was before.
  const { makeMap } = await import("/static/map.mjs");
  const view = makeMap(facts, at);
  const contents = ask("contents");
  scale(facts, view.map);
  reading(facts, view);
  $("closer").addEventListener("click", () => view.map.zoomIn());
  $("farther").addEventListener("click", () => view.map.zoomOut());
  $("fit").addEventListener("click", view.fit);
  await new Promise((done) => view.map.once("load", done));
  divider.of(view);
  await new Promise((done) => view.map.once("render", done));
  first.end();
  const scene = { ...facts, ...(await contents) };
  head(scene);
  view.showObjects();
  const look = makeLook(scene, view, (id) => review.choose(id));
  const review = makeReview(scene, view, divider.blink);
  const choose = tabs((name) => (name === "review" ? review.open() : look.refresh()));
  keys(view, divider, look, review, choose);
  view.map.on("click", "inside", (event) => {
    review.choose(event.features[0].id);
    choose("review");
  });
  view.map.on("mouseenter", "inside", () => { view.map.getCanvas().style.cursor = "pointer"; });
  view.map.on("mouseleave", "inside", () => { view.map.getCanvas().style.cursor = ""; });
  printable(scene, view);
  choose(location.hash === "#review" ? "review" : "look");
  document.body.dataset.ready = "";
  watch(scene, view, look);
}

start().catch(alarm);
