const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
async function inflate(text) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// 0: no score; else 1 + the number of positions that the score is above.
function unpackCodes(planes) {
  const n = P.rows * P.cols, code = new Uint16Array(n);
  for (let r = 0, i = 0; r < P.rows; r++) {
    for (let c = 0; c < P.cols; c++, i++) {
      const folded = planes[i] * 256 + planes[n + i];
      const left = c ? code[i - 1] : 0, above = r ? code[i - P.cols] : 0;
      const plane = left + above - (c && r ? code[i - P.cols - 1] : 0);
      const low = Math.min(left, above), high = Math.max(left, above);
      const expected = plane < low ? low : plane > high ? high : plane;
      code[i] = expected + (folded & 1 ? -(folded + 1) / 2 : folded / 2);
    }
  }
  return code;
}

// Scores of the overview, kinds of them, and pixels of the scene above each position, by kind.
async function scores() {
  const [planes, counts, kinds] = await Promise.all([inflate(P.score), inflate(P.counts), P.kindMap && inflate(P.kindMap)]);
  const above = new Float64Array(counts.buffer), n = P.positions.length;
  const index = new Uint8Array(256);
  P.kinds.forEach((kind, i) => { index[kind.value] = i; });
  const code = unpackCodes(planes), kind = new Uint8Array(code.length);
  if (kinds) for (let i = 0; i < kind.length; i++) kind[i] = index[kinds[i]];
  return {
    code, kind, // kind: index in P.kinds
    above: (position, i) => above[i * n + position],
    valid: P.valid.reduce((sum, count) => sum + count, 0),
    // The middle of where a score may lie.
    at: (i) => {
      const edge = code[i] - 2, low = P.positions[Math.max(edge, 0)], high = P.positions[Math.min(edge + 1, n - 1)];
      return (low + high) / 2;
    },
  };
}
