// What all parts of the page need.
export const $ = (id) => document.getElementById(id);
export const base = location.pathname;

export async function ask(path, sent) {
  const options = sent === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(sent) };
  const response = await fetch(base + path, options);
  const found = await response.json().catch(() => ({ error: "The viewer gave no answer: is it still running?" }));
  if (!response.ok) throw new Error(found.error ?? response.statusText);
  return found;
}

export function alarm(error) {
  $("notice").className = "alarm";
  $("notice").textContent = error.message === "Failed to fetch" ? "The viewer has ended: nothing is kept from now on." : error.message;
}

export const grouped = (n, digits = 0) => n.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

export function sized(scene, size) {
  if (scene.sized === "px") return `${grouped(Math.round(size))} px`;
  if (size >= 1e7) return `${grouped(size / 1e6, 2)} km²`;
  if (size >= 1e4) return `${grouped(size / 1e4, 2)} ha`;
  if (size >= 10) return `${grouped(Math.round(size))} m²`;
  return size >= 0.1 ? `${grouped(size, 2)} m²` : `${grouped(1e4 * size, 1)} cm²`;
}

export const counted = (n) => `${grouped(n)} ${n === 1 ? "object" : "objects"}`;

export function element(name, text, ...children) {
  const made = document.createElement(name);
  made.append(...(text === undefined ? [] : [text]), ...children);
  return made;
}

export const kindOf = (scene, value) => scene.kinds.find((kind) => kind.value === value);

export function swatch(scene, value) {
  const box = document.createElement("span");
  box.className = "swatch";
  const color = value === "change" ? scene.colors.change : kindOf(scene, value)?.color;
  if (color) box.style.background = css(color);
  return box;
}

// A color of the server, whose parts are bytes, opacity too.
export const css = ([r, g, b, a = 255]) => `rgba(${r}, ${g}, ${b}, ${a / 255})`;

// Pixels of a side of a tile, and where tiles of a date are: the address tells what they show.
export const TILE = 256;
export const datesOf = (at, scene, date, stretch = "one") => `${at}tiles/${date}/{z}/{x}/{y}?v=${scene.stamp}-${scene.shown}&stretch=${stretch}`;
