// The first look: both dates as plain pictures, before the map is there to draw them. They are the
// tiles that the map asks for then, in the place that it gives them, so the browser has them already.
import { $, datesOf, TILE } from "/static/common.mjs";

// Around the whole scene, on the screen.
export const MARGIN = 24;

export function firstLook(scene, base) {
  const stage = $("first");
  const [width, height] = [stage.clientWidth, stage.clientHeight];
  const scale = Math.min((width - 2 * MARGIN) / scene.cols, (height - 2 * MARGIN) / scene.rows);
  const z = Math.min(Math.max(Math.round(scene.finest + Math.log2(scale)), 2), scene.finest);
  const side = scale * TILE * 2 ** (scene.finest - z);
  const corner = 2 ** (z - 2);
  const [left, top] = [(width - scale * scene.cols) / 2, (height - scale * scene.rows) / 2];
  const planes = [];
  const tiles = [];
  for (const date of ["t2", "t1"]) {
    const plane = document.createElement("div");
    plane.className = date;
    for (let y = 0; y * side < scale * scene.rows; y++) {
      for (let x = 0; x * side < scale * scene.cols; x++) {
        const tile = new Image();
        tile.alt = "";
        const ends = [left + x * side, top + y * side, left + (x + 1) * side, top + (y + 1) * side].map(Math.round);
        Object.assign(tile.style, { left: `${ends[0]}px`, top: `${ends[1]}px`, width: `${ends[2] - ends[0]}px`, height: `${ends[3] - ends[1]}px` });
        tile.src = datesOf(base, scene, date).replace("{z}/{x}/{y}", `${z}/${corner + x}/${corner + y}`);
        tiles.push(tile.decode().catch(() => {}));
        plane.append(tile);
      }
    }
    planes.push(plane);
  }
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  return {
    divide: (at) => stage.style.setProperty("--at", `${100 * (1 - at)}%`),
    seen: async () => {
      await Promise.all(tiles);
      // All at once: without a graphics card each frame takes a while.
      stage.append(...planes);
      await frame();
      await frame();
    },
    end: () => stage.remove(),
  };
}
