// Pan, zoom and swipe. The stage has a pixel for each column of the overview; `tall` makes pixels as
// high as they are on the ground. `scale`: pixels of the screen for one of the stage.
function makeView() {
  const port = $("viewport"), stage = $("stage"), divider = $("divider");
  const cols = P.cols, rows = P.rows * P.tall, perCol = P.fullCols / P.cols, perRow = P.fullRows / P.rows;
  let scale = 1, x = 0, y = 0;
  stage.style.width = cols + "px";
  stage.style.height = rows + "px";
  port.tabIndex = 0;
  const width = () => port.clientWidth, height = () => port.clientHeight;
  const smallest = () => Math.min(width() / cols, height() / rows);
  const fitted = () => state.at === null;

  // From the state to the screen.
  function place() {
    scale = fitted() ? smallest() : within(width() / (state.at[2] / perCol), smallest(), Math.max(smallest(), 40));
    const [row, col] = fitted() ? [P.fullRows / 2, P.fullCols / 2] : state.at;
    const keep = (at, room, length) => length <= room ? (room - length) / 2 : within(at, room - length, 0);
    x = keep(width() / 2 - col / perCol * scale, width(), cols * scale);
    y = keep(height() / 2 - row / perRow * P.tall * scale, height(), rows * scale);
    stage.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    stage.classList.toggle("near", scale * devicePixelRatio > 2);
    split();
  }
  function split() {
    const at = width() * state.swipe / 100;
    divider.style.left = at + "px";
    divider.hidden = state.swipe <= 0 || state.swipe >= 100;
    $("before").style.clipPath = `inset(0 ${Math.max(0, cols - (at - x) / scale)}px 0 0)`;
    $("swipe").value = state.swipe;
    $("swipe").setAttribute("aria-valuetext", `${Math.round(state.swipe)} % before`);
    for (const [name, seen] of [["before", state.swipe > 0], ["after", state.swipe < 100]]) port.querySelector(`.tag.${name}`).hidden = !seen;
  }
  // From a place of the screen (cx, cy) that stays where it is, to the state.
  function move(dx, dy, factor = 1, cx = width() / 2, cy = height() / 2) {
    const next = within(scale * factor, smallest(), Math.max(smallest(), 40));
    if (next <= smallest() * 1.0001) return set({ at: null });
    const left = cx - (cx - x) * next / scale + dx, top = cy - (cy - y) * next / scale + dy;
    // Moved at once, so that the next event of the same frame goes on from here.
    [scale, x, y] = [next, left, top];
    const across = width() / scale * perCol;
    const middle = [(height() / 2 - y) / scale / P.tall * perRow, (width() / 2 - x) / scale * perCol];
    const half = [height() / scale / P.tall * perRow / 2, across / 2];
    const inside = (at, reach, length) => reach * 2 >= length ? length / 2 : within(at, reach, length - reach);
    set({ at: [inside(middle[0], half[0], P.fullRows), inside(middle[1], half[1], P.fullCols), across] });
  }
  const local = (e) => { const box = port.getBoundingClientRect(); return [e.clientX - box.left - port.clientLeft, e.clientY - box.top - port.clientTop]; };

  port.addEventListener("wheel", (e) => {
    // Zooming out beyond the whole scene scrolls the page instead.
    if (fitted() && e.deltaY > 0) return;
    e.preventDefault();
    move(0, 0, Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0018)), ...local(e));
  }, { passive: false });
  // One finger scrolls the page or moves the split; two move the map, and not the page.
  port.addEventListener("touchmove", (e) => { if (e.touches.length > 1) e.preventDefault(); }, { passive: false });

  const held = new Map();
  let swiping = false, began = null;
  port.addEventListener("pointerdown", (e) => {
    if (e.button) return;
    if (!held.size) {
      swiping = e.target === divider || fitted() || e.pointerType === "touch";
      began = e.target === divider ? null : local(e);
    }
    held.set(e.pointerId, local(e));
    port.setPointerCapture(e.pointerId);
  });
  port.addEventListener("pointermove", (e) => {
    const last = held.get(e.pointerId);
    if (!last) return;
    const now = local(e), other = [...held].find(([id]) => id !== e.pointerId)?.[1];
    held.set(e.pointerId, now);
    if (other) {
      const gap = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
      move((now[0] - last[0]) / 2, (now[1] - last[1]) / 2, gap(now) / gap(last), other[0], other[1]);
    } else if (swiping) {
      // A finger that goes down the page, or a hand that shakes, does not mean the split.
      if (began && Math.abs(now[0] - began[0]) < Math.max(8, Math.abs(now[1] - began[1]))) return;
      began = null;
      set({ swipe: within(100 * now[0] / width(), 0, 100) });
    }
    else move(now[0] - last[0], now[1] - last[1]);
  });
  for (const end of ["pointerup", "pointercancel"]) port.addEventListener(end, (e) => held.delete(e.pointerId));

  $("swipe").addEventListener("input", () => set({ swipe: Number($("swipe").value) }));
  $("closer").addEventListener("click", () => move(0, 0, 1.6));
  $("farther").addEventListener("click", () => move(0, 0, 1 / 1.6));
  $("fit").addEventListener("click", () => set({ at: null }));
  new ResizeObserver(() => set({ at: state.at })).observe(port);
  watch(["at"], place);
  watch(["swipe"], split);
  return {
    move, port,
    // Row and column of the overview under an event, or in the middle.
    under: (e) => { const [px, py] = e ? local(e) : [width() / 2, height() / 2]; return [(py - y) / scale / P.tall, (px - x) / scale]; },
    // The screen in pixels of the overview, for a canvas of so many pixels across.
    seen: (pixels) => { const step = width() / pixels / scale; return { left: -x / scale, top: -y / scale / P.tall, across: step, down: step / P.tall }; },
    scale: () => scale,
    // Shows a box [row, column, row, column] of the scene with its surroundings.
    show: ([top, left, bottom, right]) => {
      const shape = width() / height(), down = (bottom - top) * P.tall * perCol / perRow;
      const across = Math.max(3 * Math.max(right - left, down * shape), 24 * perCol);
      set({ at: width() / (across / perCol) <= smallest() ? null : [(top + bottom) / 2, (left + right) / 2, across] });
    },
  };
}
