// Where things are: coordinates, longitude and latitude, and a scale.
function lonLat(row, col) {
  if (P.geographic) return mapped(row, col);
  if (!P.normals) return null;
  // Between the points of a lattice, of vectors up from the ground: they know no seam and no pole.
  const n = P.lattice, r = within(row / P.fullRows, 0, 1) * (n - 1), c = within(col / P.fullCols, 0, 1) * (n - 1);
  const top = Math.min(n - 2, Math.floor(r)), left = Math.min(n - 2, Math.floor(c)), down = r - top, across = c - left;
  const up = [0, 1, 2].map((axis) => {
    const at = (dr, dc) => P.normals[3 * ((top + dr) * n + left + dc) + axis] ?? NaN;
    return (at(0, 0) * (1 - across) + at(0, 1) * across) * (1 - down) + (at(1, 0) * (1 - across) + at(1, 1) * across) * down;
  });
  const degrees = 180 / Math.PI;
  return [Math.atan2(up[1], up[0]) * degrees, Math.atan2(up[2], Math.hypot(up[0], up[1])) * degrees];
}
function mapped(row, col) {
  const [a, b, c, d, e, f] = P.transform;
  return [a * col + b * row + c, d * col + e * row + f];
}
function coordinates(row, col) {
  const words = [`row ${Math.floor(row)}, column ${Math.floor(col)}`];
  if (P.transform && !P.geographic) {
    const size = Math.hypot(P.transform[0], P.transform[3]);
    const digits = within(1 - Math.floor(Math.log10(size)), 0, 6);
    words.push(mapped(row, col).map((value, i) => `${"xy"[i]} ${value.toFixed(digits)}`).join(", "));
  }
  const place = lonLat(row, col);
  if (place?.every(Number.isFinite)) {
    const [lon, lat] = [(place[0] + 540) % 360 - 180, place[1]];
    words.push(`${Math.abs(lat).toFixed(P.digits)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(P.digits)}° ${lon < 0 ? "W" : "E"}`);
  }
  return words;
}

function makePlace(S, view) {
  function read(e) {
    const [r, c] = view.under(e).map(Math.floor);
    if (r < 0 || c < 0 || r >= P.rows || c >= P.cols) return;
    const i = r * P.cols + c, [row, col] = view.under(e);
    const words = coordinates(row * P.fullRows / P.rows, col * P.fullCols / P.cols);
    words.push(S.code[i] ? `score ${S.at(i).toFixed(3)}` : "no data");
    const kind = P.kinds[S.kind[i]].name;
    if (kind && S.code[i]) words.push(S.code[i] - 1 > state.threshold ? kind : `${kind}, if it changed`);
    $("readout").textContent = words.join(" · ");
  }
  view.port.addEventListener("pointermove", read);
  // Of keys, what is in the middle.
  view.port.addEventListener("keyup", (e) => { if (e.key.startsWith("Arrow") || "+-=0".includes(e.key)) read(); });

  watch(["at"], () => {
    const perPixel = (P.step?.[0] ?? 1) * P.fullCols / P.cols / view.scale();
    const room = 0.22 * view.port.clientWidth * perPixel, power = 10 ** Math.floor(Math.log10(room));
    const length = [5, 2, 1].map((n) => n * power).find((each) => each <= room) ?? power;
    $("scaleBar").style.width = length / perPixel + "px";
    $("scaleText").textContent = !P.step ? `${short(length)} pixels` : length >= 1000 ? `${short(length / 1000)} km` : length >= 1 ? `${short(length)} m` : `${short(length * 100)} cm`;
  });
}
