// The score, once; change over it, anew for each threshold and each view.
function makeLayers(S, view) {
  const table = bytes(P.colors), heat = $("heat");
  const canvasOf = (canvas, paintInto) => {
    [canvas.width, canvas.height] = [P.cols, P.rows];
    const context = canvas.getContext("2d"), picture = context.createImageData(P.cols, P.rows);
    paintInto(picture.data);
    context.putImageData(picture, 0, 0);
  };
  const paintHeat = () => canvasOf(heat, (data) => {
    for (let i = 0; i < S.code.length; i++) {
      if (!S.code[i]) continue;
      const k = 4 * Math.min(255, Math.floor(256 * S.at(i) / P.limit));
      for (let band = 0; band < 4; band++) data[4 * i + band] = table[k + band];
    }
  });
  if (S.code.includes(0)) {
    canvasOf($("void"), (data) => { for (let i = 0; i < S.code.length; i++) if (!S.code[i]) data.set([...P.nodataColor, 255], 4 * i); });
    $("void").hidden = false;
  }
  watch(["score"], () => {
    // Painted when somebody first asks for it.
    if (state.score && heat.width !== P.cols) paintHeat();
    heat.hidden = !state.score;
    heat.style.opacity = state.score / 100;
    $("opacity").value = state.score;
  });
  $("opacity").addEventListener("input", () => set({ score: Number($("opacity").value) }));

  const overlay = $("overlay"), mask = $("mask");
  let levels = marks(S), later = 0, marked = null;
  const paintOverlay = () => {
    // More pixels than these cost more time than they show detail.
    const ratio = Math.min(devicePixelRatio, Math.sqrt(1.6e6 / Math.max(1, view.port.clientWidth * view.port.clientHeight)));
    const [width, height] = [view.port.clientWidth, view.port.clientHeight].map((side) => Math.max(1, Math.round(side * ratio)));
    if (overlay.width !== width || overlay.height !== height) [overlay.width, overlay.height] = [width, height];
    const seen = view.seen(width);
    paint(overlay, levels, seen, Math.max(1, Math.round(1.6 * ratio)));
    if (marked) frame(overlay.getContext("2d"), seen, ratio);
  };
  // Corners around the object that was asked for.
  function frame(context, seen, ratio) {
    const [top, left, bottom, right] = marked, gap = 8 * ratio, arm = 12 * ratio;
    const x = (col) => (col * P.cols / P.fullCols - seen.left) / seen.across, y = (row) => (row * P.rows / P.fullRows - seen.top) / seen.down;
    const sides = [[x(left) - gap, 1], [x(right) + gap, -1]], ends = [[y(top) - gap, 1], [y(bottom) + gap, -1]];
    context.beginPath();
    for (const [at, dx] of sides) for (const [to, dy] of ends) { context.moveTo(at + dx * arm, to); context.lineTo(at, to); context.lineTo(at, to + dy * arm); }
    for (const [style, width] of [["#000", 4], ["#fff", 2]]) { context.strokeStyle = style; context.lineWidth = width * ratio; context.stroke(); }
  }
  // What paper shows: all of the scene.
  const paintMask = () => {
    const rows = Math.round(P.rows * P.tall), step = Math.max(1, Math.max(P.cols, rows) / 1400);
    [mask.width, mask.height] = [Math.ceil(P.cols / step), Math.ceil(rows / step)];
    paint(mask, levels, { left: 0, top: 0, across: P.cols / mask.width, down: P.rows / mask.height }, Math.max(1, Math.round(Math.max(mask.width, mask.height) / 350)));
  };
  watch(["threshold", "off"], () => { levels = marks(S); });
  watch(["threshold", "off", "show", "at"], paintOverlay);
  watch(["threshold", "off", "show"], () => { clearTimeout(later); later = setTimeout(paintMask, 100); });
  addEventListener("beforeprint", paintMask);
  watch(["show"], () => {
    document.documentElement.dataset.show = state.show;
    for (const radio of document.getElementsByName("show")) radio.checked = radio.value === state.show;
  });
  watch(["stretch"], () => {
    document.documentElement.classList.toggle("each", state.stretch === "each");
    for (const radio of document.getElementsByName("stretch")) radio.checked = radio.value === state.stretch;
  });
  for (const name of ["show", "stretch", "list"]) {
    for (const radio of document.getElementsByName(name)) radio.addEventListener("change", () => set({ [name]: radio.value }));
  }
  return { levels: () => levels, mark: (box) => { marked = box; paintOverlay(); } };
}
