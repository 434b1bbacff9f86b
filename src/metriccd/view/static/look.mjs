// Looking: overlays, threshold, kinds, and the list of objects.
import { $, alarm, ask, css, element, grouped, kindOf, sized, swatch } from "/static/common.mjs";

const PARTS = 1000;
const MARKS = { accepted: "✓", rejected: "✕", relabeled: "✎" };

export function makeLook(scene, view, choose) {
  const own = Math.floor(scene.threshold * PARTS);
  let above = own;
  let shown = 0;
  let asked = 0;
  let timer = 0;
  const boxes = new Map();

  const { score, limit } = scene.colors;
  $("ramp").firstElementChild.style.background = `linear-gradient(90deg, ${score.map(css).join(", ")})`;
  $("limit").textContent = limit < 1 ? `${+limit.toPrecision(3)} and above` : "1";
  $("reset").firstElementChild.textContent = String(+scene.threshold.toPrecision(4));
  for (const input of document.querySelectorAll("[name=overlay]")) {
    if (input.value === "kind" && !scene.layers.includes("kind")) input.closest("label").remove();
    input.addEventListener("change", () => overlay(input.value));
  }
  function overlay(name) {
    view.overlay(name);
    $("ramp").hidden = name !== "score";
    $("opacity-row").hidden = name === "none";
  }
  $("opacity").addEventListener("input", () => view.opacity($("opacity").value / 100));
  $("outlines").addEventListener("change", () => view.outlines($("outlines").checked));
  $("stretch").addEventListener("change", () => view.dates("originals", stretch()));
  const stretch = () => ($("stretch").checked ? "each" : "one");

  const kindsShown = () => {
    const off = [...boxes].filter(([, box]) => !box.checked).map(([value]) => value);
    return [0, ...scene.kinds.map((kind) => kind.value)].filter((value) => !off.includes(value));
  };
  for (const kind of scene.kinds.filter((each) => scene.present.includes(each.value))) {
    const box = element("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", changed);
    boxes.set(kind.value, box);
    const name = element("span", kind.name);
    name.title = kind.meaning;
    const label = element("label", box, swatch(scene, kind.value), name, element("small", grouped(scene.counts[kind.value])));
    $("kinds").append(label);
  }
  $("kinds-block").hidden = !boxes.size;

  function setThreshold(k, listed = true) {
    if (!(k >= 0 && k <= PARTS)) return;
    above = k;
    $("threshold").value = k;
    $("exact").value = k === own ? +scene.threshold.toPrecision(4) : k / PARTS;
    const moved = k !== own;
    $("moved").hidden = !moved;
    $("command").textContent = `metriccd threshold ${scene.name} ${k / PARTS}`;
    view.threshold(k, moved);
    if (listed) changed();
    else view.filter(above, kindsShown());
  }
  $("threshold").addEventListener("input", () => setThreshold(Number($("threshold").value)));
  $("exact").addEventListener("change", () => setThreshold(Math.round(Number($("exact").value) * PARTS)));
  $("reset").addEventListener("click", () => setThreshold(own));
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText($("command").textContent).catch(() => getSelection().selectAllChildren($("command")));
  });

  function changed() {
    view.filter(above, kindsShown());
    clearTimeout(timer);
    timer = setTimeout(refresh, 60);
  }

  function area(found) {
    const more = above < own ? " of the map reach it; new ones appear when you decide so" : above > own ? " reach above it" : " as decided";
    $("area").replaceChildren(element("b", `${grouped(found.count)} objects`), `${more}, ${sized(scene, found.size)} in all.`);
    if (above !== own) {
      const pixels = found.pixels === null ? "Pixels above it are being counted …" : `Above it: ${measured(found.pixels)}.`;
      $("area").append(element("br"), pixels);
    }
  }
  function measured(pixels) {
    const share = scene.valid ? ` (${((100 * pixels) / scene.valid).toFixed(2)} %)` : "";
    return scene.pixelArea ? `${sized(scene, pixels * scene.pixelArea)}${share}` : `${grouped(pixels)} px${share}`;
  }

  function row(object) {
    const size = sized(scene, object.size);
    const score = `score ${object.score.toFixed(2)}`;
    const mark = element("span", MARKS[object.answer] ?? "");
    mark.className = `mark ${object.answer ?? ""}`;
    const kind = kindOf(scene, object.kind)?.name ?? "kind unknown";
    const name = [grouped(object.id), ...(object.kind ? [kind] : [])].join(" · ");
    const button = element("button", swatch(scene, object.kind), element("span", name), element("small", `${size} · ${object.score.toFixed(2)}`), mark);
    button.type = "button";
    button.dataset.id = object.id;
    button.title = `${size}, ${score}`;
    button.setAttribute("aria-label", `Object ${object.id}, ${size}, ${score}, ${kind}${object.answer ? `, ${object.answer}` : ""}`);
    button.addEventListener("click", () => {
      choose(object.id);
      for (const each of $("list").querySelectorAll("button")) each.setAttribute("aria-current", each === button);
    });
    return element("li", button);
  }

  async function load(from) {
    const ticket = ++asked;
    const query = new URLSearchParams({ above, kinds: kindsShown().join(","), order: $("order").value, state: $("state").value, from });
    try {
      const found = await ask(`objects?${query}`);
      if (ticket !== asked) return;
      if (!from) $("list").replaceChildren();
      $("list").append(...found.rows.map(row));
      shown = from + found.rows.length;
      $("more").hidden = shown >= found.count;
      $("count").textContent = `${grouped(found.count)} ${found.count === 1 ? "object" : "objects"}`;
      area(found);
    } catch (error) {
      alarm(error);
    }
  }
  const refresh = () => load(0);
  $("order").addEventListener("change", refresh);
  $("state").addEventListener("change", refresh);
  $("more").addEventListener("click", () => load(shown));
  known(scene);
  setThreshold(own, false);

  function known(state) {
    $("stretch-row").hidden = state.shown !== "originals" || !scene.oneStretch;
  }

  return {
    refresh,
    known,
    stretch,
    toggleOutlines: () => $("outlines").click(),
    nextOverlay() {
      const all = [...document.querySelectorAll("[name=overlay]")];
      const next = all[(all.findIndex((input) => input.checked) + 1) % all.length];
      next.checked = true;
      overlay(next.value);
    },
  };
}
