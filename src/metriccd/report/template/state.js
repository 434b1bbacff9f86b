const $ = (id) => document.getElementById(id);
const P = JSON.parse($("payload").textContent);

// What the user sets, in one place; whoever shows some of it watches it by name.
// threshold: index of a position. at: [row, column] in the middle and columns across, in pixels of
// the scene; null: all of it. chosen: index in the list.
const state = {
  threshold: P.own, swipe: 50, show: "outline", score: 0, stretch: "one",
  off: new Set(P.kinds.filter((kind) => P.off.includes(kind.name)).map((kind) => kind.value)),
  list: "largest", at: null, chosen: null,
};
const watchers = [];
const watch = (names, act) => watchers.push([names, act]);
let changed = new Set();

function set(values) {
  if (!changed.size) requestAnimationFrame(tell);
  for (const [name, value] of Object.entries(values)) {
    state[name] = value;
    changed.add(name);
  }
}
function tell() {
  const now = changed;
  changed = new Set();
  for (const [names, act] of watchers) if (names.some((name) => now.has(name))) act(now);
}

// The position nearest to a score.
function nearest(score) {
  let best = 0;
  P.positions.forEach((value, i) => { if (Math.abs(value - score) < Math.abs(P.positions[best] - score)) best = i; });
  return best;
}

// The address keeps what differs from how the page opens, so that it can be shared.
const kindNamed = (name) => P.kinds.find((kind) => kind.name === name)?.value;
const kept = {
  t: [() => state.threshold !== P.own && String(P.positions[state.threshold]), (text) => ({ threshold: text === undefined ? P.own : nearest(Number(text) || 0) })],
  swipe: [() => state.swipe !== 50 && String(Math.round(state.swipe)), (text) => ({ swipe: text === undefined ? 50 : within(Number(text), 0, 100) })],
  show: [() => state.show !== "outline" && state.show, (text) => ({ show: ["outline", "kind", "fill", "none"].includes(text) ? text : "outline" })],
  score: [() => state.score > 0 && String(state.score), (text) => ({ score: within(Number(text), 0, 100) })],
  stretch: [() => state.stretch !== "one" && state.stretch, (text) => ({ stretch: text === "each" && P.stretch ? "each" : "one" })],
  off: [() => offNames() !== initiallyOff && (offNames() || "none"), (text) => ({ off: new Set((text ?? initiallyOff).split(",").map(kindNamed).filter((value) => value !== undefined)) })],
  list: [() => state.list !== "largest" && state.list, (text) => ({ list: text === "uncertain" ? text : "largest" })],
  at: [() => state.at?.map((value) => Math.round(value * 10) / 10).join(","), (text) => ({ at: placeIn(text) })],
};
const within = (value, low, high) => Math.min(high, Math.max(low, Number.isFinite(value) ? value : low));
const offNames = () => P.kinds.filter((kind) => state.off.has(kind.value)).map((kind) => kind.name).join(",");
const initiallyOff = offNames();
function placeIn(text) {
  const numbers = (text ?? "").split(",").map(Number);
  return numbers.length === 3 && numbers.every(Number.isFinite) && numbers[2] > 0 ? numbers : null;
}

let writing = 0;
watch(Object.keys(state), () => {
  clearTimeout(writing);
  writing = setTimeout(() => {
    const words = Object.entries(kept).map(([name, [write]]) => [name, write()]).filter(([, text]) => text);
    const hash = words.map(([name, text]) => `${name}=${encodeURIComponent(text).replaceAll("%2C", ",")}`).join("&");
    history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
  }, 150);
});
function recall() {
  const found = new URLSearchParams(location.hash.slice(1));
  set(Object.assign({}, ...Object.entries(kept).map(([name, [, read]]) => read(found.get(name) ?? undefined))));
}
addEventListener("hashchange", recall);

const grouped = (n, digits = 0) => n.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (share) => (share > 0 && share < 0.001 ? (100 * share).toFixed(4) : (100 * share).toFixed(2)) + " %";
const short = (value, digits = 6) => String(Number(value.toPrecision(digits)));
// For those who do not see the page.
const say = (text) => { $("said").textContent = text; };
