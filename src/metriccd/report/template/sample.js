// Change at a position, as a pyramid: 1 + the index of the kind, 0 where nothing changed. A cell of
// a level has what any of its four below has, so that no change is lost from afar.
function marks(S) {
  const data = new Uint8Array(S.code.length);
  const on = P.kinds.map((kind) => !state.off.has(kind.value));
  const edge = state.threshold + 1;
  for (let i = 0; i < data.length; i++) if (S.code[i] > edge && on[S.kind[i]]) data[i] = 1 + S.kind[i];
  const levels = [{ data, rows: P.rows, cols: P.cols }];
  for (let fine = levels[0]; fine.rows > 1 || fine.cols > 1; fine = levels.at(-1)) {
    const rows = fine.rows + 1 >> 1, cols = fine.cols + 1 >> 1, coarse = new Uint8Array(rows * cols);
    for (let r = 0, i = 0; r < fine.rows; r++) {
      for (let c = 0, j = (r >> 1) * cols; c < fine.cols; c++, i++) if (fine.data[i]) coarse[j + (c >> 1)] = fine.data[i];
    }
    levels.push({ data: coarse, rows, cols });
  }
  return levels;
}

// What each pixel of a picture shows. view: where its corner lies (left, top) and how far its pixels
// reach (across, down), in pixels of the overview.
function sample(levels, view, width, height) {
  const found = new Uint8Array(width * height);
  const depth = Math.min(levels.length - 1, Math.max(0, Math.ceil(Math.log2(Math.max(view.across, view.down)) - 1e-9)));
  const { data, rows, cols } = levels[depth], size = 2 ** depth;
  const columns = Int32Array.from({ length: width }, (_, x) => {
    const c = view.left + (x + 0.5) * view.across;
    return c < 0 || c >= P.cols ? -1 : Math.min(cols - 1, Math.floor(c / size));
  });
  for (let y = 0; y < height; y++) {
    const r = view.top + (y + 0.5) * view.down;
    if (r < 0 || r >= P.rows) continue;
    const row = Math.min(rows - 1, Math.floor(r / size)) * cols;
    for (let x = 0; x < width; x++) if (columns[x] >= 0) found[y * width + x] = data[row + columns[x]];
  }
  return found;
}

// The same with what lies within `reach` pixels around it.
function grown(found, width, height, reach) {
  const wide = found.slice();
  for (let i = 0; i < found.length; i++) {
    if (!found[i]) continue;
    const x = i % width;
    if (x && !found[i - 1]) for (let d = 1; d <= Math.min(reach, x); d++) wide[i - d] ||= found[i];
    if (x < width - 1 && !found[i + 1]) for (let d = 1; d <= Math.min(reach, width - 1 - x); d++) wide[i + d] ||= found[i];
  }
  const all = wide.slice();
  for (let i = 0; i < wide.length; i++) {
    if (!wide[i]) continue;
    if (i >= width && !wide[i - width]) for (let d = 1, j = i - width; d <= reach && j >= 0; d++, j -= width) all[j] ||= wide[i];
    if (i + width < wide.length && !wide[i + width]) for (let d = 1, j = i + width; d <= reach && j < all.length; d++, j += width) all[j] ||= wide[i];
  }
  return all;
}

// Paints change into a canvas: outlines around it that hide none of it, and tints.
function paint(canvas, levels, view, reach, how = state.show) {
  const { width, height } = canvas, context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  if (how === "none") return;
  const found = sample(levels, view, width, height), around = grown(found, width, height, reach);
  const picture = context.createImageData(width, height), pixels = new Uint32Array(picture.data.buffer);
  const packed = ([red, green, blue], alpha) => (alpha << 24 | blue << 16 | green << 8 | red) >>> 0;
  const colors = P.kinds.map((kind) => how === "kind" ? kind.color : P.changeColor);
  const line = [0, ...colors.map((color) => packed(color, 255))];
  const tint = [0, ...colors.map((color) => packed(color, { outline: 0, fill: 110, kind: 170 }[how]))];
  for (let i = 0; i < pixels.length; i++) if (around[i]) pixels[i] = found[i] ? tint[found[i]] : line[around[i]];
  context.putImageData(picture, 0, 0);
}
