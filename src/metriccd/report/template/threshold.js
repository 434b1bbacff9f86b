// The folder that the page lies in, where the address tells; else its name.
function here() {
  if (location.protocol !== "file:") return P.folder;
  const path = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "");
  return path.replace(/^\/([A-Za-z]:)/, "$1") || "/";
}
const shellWord = (text) => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

async function copy() {
  const code = $("command");
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch { // no clipboard, as in some browsers on local files: the old way
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
  $("copy").textContent = "Copied";
  say("Copied");
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
}

// The command that writes what the page shows; null where none does.
function command() {
  const on = P.kinds.filter((kind) => kind.name && !state.off.has(kind.value)).map((kind) => kind.name);
  const words = ["metriccd", "threshold", shellWord(here()), short(P.positions[state.threshold])];
  if (offNames() !== initiallyOff) {
    const [water, built] = P.alone;
    if (!on.length || on.every((name) => water.includes(name)) || (on.length === built.length && built.includes(on[0]))) return null;
    words.push("--kinds", offNames() ? on.join(",") : "all");
  }
  return words.join(" ");
}

function makeThreshold(S) {
  const slider = $("threshold"), exact = $("exact"), box = $("aboveBox"), line = $("line");
  const bins = Number(box.getAttribute("width")), span = Number(slider.max);
  const ruleAsLoaded = $("rule").textContent, badgeAsLoaded = [$("badge").textContent, $("badge").className];
  const asked = $("exactNote").textContent;
  slider.step = span / (P.positions.length - 1 > 400 ? 500 : P.positions.length - 1);

  function show() {
    const value = P.positions[state.threshold], own = state.threshold === P.own;
    const counts = P.kinds.map((kind, i) => state.off.has(kind.value) ? 0 : S.above(state.threshold, i));
    const changed = counts.reduce((sum, count) => sum + count, 0);
    if (S.valid) $("share").textContent = percent(changed / S.valid);
    $("changed").textContent = P.unit ? `${grouped(changed * P.unit.perPixel, 2)} ${P.unit.name}` : grouped(changed);
    P.kinds.forEach((kind, i) => {
      const output = $(`kind${kind.value}`);
      if (output) output.textContent = counts[i] || !state.off.has(kind.value) ? percent(changed ? counts[i] / changed : 0) : "hidden";
    });
    $("current").textContent = short(value, 4);
    $("rule").textContent = own ? ruleAsLoaded : `${ruleAsLoaded}: ${short(P.positions[P.own], 4)}`;
    [$("badge").textContent, $("badge").className] = own ? badgeAsLoaded : ["set by hand", "badge told"];
    const text = command();
    $("command").textContent = text ?? "";
    $("command").hidden = $("copy").hidden = text === null;
    $("exactNote").textContent = text ? asked : "Water alone and built ground alone are decided by evidence of their own: detect again with --kinds.";
    const at = bins * within(value / span, 0, 1);
    for (const [node, name] of [[line, "x1"], [line, "x2"], [box, "x"]]) node.setAttribute(name, at);
    if (document.activeElement !== slider) slider.value = value;
    slider.setAttribute("aria-valuetext", `${short(value, 4)}: ${$("share").textContent} changed`);
    if (document.activeElement !== exact) exact.value = short(value);
    $("overlay").setAttribute("aria-label", state.show === "none" ? "Change is hidden" : `Change, ${{ outline: "outlined", kind: "in colors of its kinds", fill: "tinted" }[state.show]} on both images: ${$("share").textContent} of the scene`);
  }
  const toNearest = (value) => set({ threshold: nearest(value), chosen: null });
  slider.addEventListener("input", () => toNearest(Number(slider.value)));
  exact.addEventListener("input", () => { if (exact.value !== "" && exact.validity.valid) toNearest(Number(exact.value)); });
  exact.addEventListener("change", () => {
    if (exact.validity.valid && exact.value !== "") exact.value = short(P.positions[state.threshold]);
    else exact.reportValidity();
  });
  $("copy").addEventListener("click", copy);
  $("reset").addEventListener("click", () => set({ threshold: P.own, chosen: null }));
  watch(["threshold", "off", "show"], show);
}
