// Objects of a change map as the page sees it: connected cells of the overview, the largest first.
// Areas are shares of what changed, so that they add up to it; exact where the overview is the scene.
function components(S, marked, changed) {
  const { rows, cols, data } = marked, label = new Int32Array(data.length), parent = [0];
  const root = (i) => { while (parent[i] !== i) i = parent[i] = parent[parent[i]]; return i; };
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++, i++) {
      if (!data[i]) continue;
      const near = [c && label[i - 1], r && label[i - cols]];
      if (P.connectivity === 8) near.push(r && c && label[i - cols - 1], r && c < cols - 1 && label[i - cols + 1]);
      let own = 0;
      for (const other of near) {
        if (!other) continue;
        if (!own) own = root(other); else parent[root(other)] = own;
      }
      if (!own) parent.push(own = parent.length);
      label[i] = own;
    }
  }
  const found = new Map(), edge = P.positions[state.threshold];
  const odds = (score) => { const s = within(score, 1e-6, 1 - 1e-6); return Math.log(s / (1 - s)); };
  let cells = 0;
  for (let i = 0; i < data.length; i++) {
    if (!data[i]) continue;
    const of = root(label[i]), r = Math.floor(i / cols), c = i % cols;
    let each = found.get(of);
    if (!each) found.set(of, each = { cells: 0, odds: 0, box: [r, c, r + 1, c + 1], kinds: new Map() });
    each.cells++;
    cells++;
    each.odds += odds(S.at(i));
    each.box = [Math.min(each.box[0], r), Math.min(each.box[1], c), Math.max(each.box[2], r + 1), Math.max(each.box[3], c + 1)];
    each.kinds.set(data[i], (each.kinds.get(data[i]) ?? 0) + 1);
  }
  const perRow = P.fullRows / rows, perCol = P.fullCols / cols, whole = perRow === 1 && perCol === 1;
  const area = P.unit && P.unit.perPixel * { "km²": 1e6, ha: 1e4, "m²": 1 }[P.unit.name];
  return [...found.values()]
    // As the command drops what chance alone would make.
    .filter((each) => !whole || each.cells >= P.least)
    .sort((a, b) => b.cells - a.cells)
    .map((each) => {
      const pixels = changed * each.cells / cells, [kind] = [...each.kinds].sort((a, b) => b[1] - a[1])[0];
      return {
        box: [each.box[0] * perRow, each.box[1] * perCol, each.box[2] * perRow, each.box[3] * perCol],
        pixels: Math.round(pixels), area: area && pixels * area, about: !whole,
        strength: each.odds / each.cells - odds(edge), kind: P.kinds[kind - 1].name,
      };
    });
}
