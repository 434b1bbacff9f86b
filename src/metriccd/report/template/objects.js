// The list of objects: those of the files at the rule's threshold, those of the page at others.
function makeObjects(S, view, layers) {
  const STEP = 8, list = $("list");
  let all = [], shown = [], room = STEP, later = 0;
  const value = new Map(P.kinds.map((kind) => [kind.name, kind.value]));

  function find() {
    const changed = () => P.kinds.reduce((sum, kind, i) => sum + (state.off.has(kind.value) ? 0 : S.above(state.threshold, i)), 0);
    if (state.threshold !== P.own) {
      all = components(S, layers.levels()[0], changed());
      $("objects").textContent = grouped(all.length);
    } else {
      all = P.objects.filter((each) => !state.off.has(value.get(each.kind)));
      // Only of those that are listed are the kinds known here.
      const known = all.length === P.objects.length ? P.objectCount : P.objects.length === P.objectCount ? all.length : null;
      $("objects").textContent = known === null ? "–" : grouped(known);
    }
    room = STEP;
    order();
  }
  function order() {
    const by = state.list === "largest" ? (a, b) => b.pixels - a.pixels : (a, b) => (a.strength ?? Infinity) - (b.strength ?? Infinity);
    shown = [...all].sort(by).slice(0, 60);
    const own = state.threshold === P.own;
    $("listNote").textContent = !all.length ? "None at this threshold." : own ? "Numbered as in change.gpkg. 2 ×: twice over the threshold, on average." : `As this page sees them${shown[0].about ? " from afar, so sizes are estimates" : ""}; the command writes them.`;
    draw();
  }
  function size(each) {
    const about = each.about ? "≈ " : "";
    if (each.area === null || each.area === undefined) return `${about}${grouped(each.pixels)} ${each.pixels === 1 ? "pixel" : "pixels"}`;
    const [unit, per] = each.area >= 1e6 ? ["km²", 1e6] : each.area >= 1e4 ? ["ha", 1e4] : each.area >= 0.1 ? ["m²", 1] : ["cm²", 1e-4];
    return `${about}${grouped(each.area / per, per === 1 && each.area >= 10 ? 0 : 2)} ${unit}`;
  }
  const times = (each) => each.strength === null ? "" : `${Number(Math.exp(each.strength).toPrecision(2))} ×`;
  const named = (each, i) => [`${each.id ?? i + 1}`, [each.kind, each.direction].filter(Boolean).join(", ")].filter(Boolean).join(" · ");

  function draw() {
    list.replaceChildren(...shown.slice(0, room).map((each, i) => {
      const item = document.createElement("li"), button = document.createElement("button"), words = document.createElement("span");
      button.type = "button";
      words.className = "words";
      words.append(named(each, i), Object.assign(document.createElement("small"), { textContent: [size(each), times(each)].filter(Boolean).join(" · ") }));
      const color = P.kinds.find((kind) => kind.name === each.kind);
      if (color?.name) words.prepend(Object.assign(document.createElement("span"), { className: `swatch of-kind-${color.value}` }));
      button.append(...["before", "after"].map((date) => chip(each, date)), words);
      button.addEventListener("click", () => go(i));
      button.setAttribute("aria-current", String(i === state.chosen));
      item.append(button);
      return item;
    }));
    $("more").hidden = shown.length <= room;
  }
  // Both dates around an object, cut from the pictures of the map; on the second its outline.
  function chip(each, date) {
    const canvas = document.createElement("canvas"), side = canvas.width = canvas.height = 144;
    const perRow = P.fullRows / P.rows, perCol = P.fullCols / P.cols;
    const [top, left, bottom, right] = [each.box[0] / perRow, each.box[1] / perCol, each.box[2] / perRow, each.box[3] / perCol];
    const reach = Math.max(1.7 * Math.max(right - left, (bottom - top) * P.tall), 12), down = reach / P.tall;
    // Of the scene, not of what lies beyond it, as far as it reaches.
    const from = (middle, length, all) => length < all ? within(middle - length / 2, 0, all - length) : middle - length / 2;
    const view = { left: from((left + right) / 2, reach, P.cols), top: from((top + bottom) / 2, down, P.rows), across: reach / side, down: down / side };
    const image = date === "before" ? $("before").firstElementChild : $("after");
    const context = canvas.getContext("2d"), fit = [image.naturalWidth / P.cols, image.naturalHeight / P.rows];
    context.imageSmoothingEnabled = reach > side;
    context.drawImage(image, view.left * fit[0], view.top * fit[1], reach * fit[0], down * fit[1], 0, 0, side, side);
    canvas.className = image.className;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", date);
    if (date === "after") {
      const outline = document.createElement("canvas");
      outline.width = outline.height = side;
      paint(outline, layers.levels(), view, 3, "outline");
      context.drawImage(outline, 0, 0);
    }
    return canvas;
  }
  function go(i) {
    if (!shown.length) return;
    const at = (i + shown.length) % shown.length;
    room = Math.max(room, at + 1);
    set({ chosen: at });
    view.show(shown[at].box);
    say(`Object ${at + 1} of ${shown.length}: ${named(shown[at], at)}, ${size(shown[at])}`);
  }
  watch(["chosen"], () => {
    if (list.children.length < Math.min(room, shown.length)) draw();
    layers.mark(shown[state.chosen]?.box ?? null);
    [...list.children].forEach((item, i) => item.firstElementChild.setAttribute("aria-current", String(i === state.chosen)));
    if (state.chosen === null) return;
    list.children[state.chosen]?.scrollIntoView({ block: "nearest" });
    const box = view.port.getBoundingClientRect();
    if (box.bottom < 80 || box.top > innerHeight - 80) view.port.scrollIntoView({ block: "center" });
  });
  watch(["threshold", "off"], () => { clearTimeout(later); later = setTimeout(find, 100); });
  watch(["list"], () => {
    for (const radio of document.getElementsByName("list")) radio.checked = radio.value === state.list;
    order();
  });
  watch(["stretch"], draw);
  $("more").addEventListener("click", () => { room += STEP; draw(); });
  addEventListener("beforeprint", () => { room = Math.max(room, 12); draw(); });
  return { next: (step) => go(state.chosen === null ? (step > 0 ? 0 : -1) : state.chosen + step) };
}
