// The keyboard. Keys of one letter can be switched off, for those who speak to their machine.
function makeKeys(view, objects) {
  const dialog = $("keys"), single = $("single");
  const turn = (values, now) => values[(values.indexOf(now) + 1) % values.length];
  const shows = [...document.getElementsByName("show")].map((radio) => radio.value);
  let lastScore = 70;
  const flip = () => set({ swipe: state.swipe === 100 ? 0 : 100 });
  const step = (by) => set({ threshold: within(state.threshold + by, 0, P.positions.length - 1), chosen: null });
  const keys = {
    b: flip, s: () => set({ swipe: 50 }),
    "[": () => set({ swipe: within(state.swipe - 5, 0, 100) }), "]": () => set({ swipe: within(state.swipe + 5, 0, 100) }),
    ",": () => step(-5), ".": () => step(5), r: () => set({ threshold: P.own, chosen: null }),
    o: () => set({ show: turn(shows, state.show) }),
    h: () => { if (state.score) lastScore = state.score; set({ score: state.score ? 0 : lastScore }); },
    c: () => P.stretch && set({ stretch: turn(["one", "each"], state.stretch) }),
    n: () => objects.next(1), p: () => objects.next(-1),
    "+": () => view.move(0, 0, 1.4), "=": () => view.move(0, 0, 1.4), "-": () => view.move(0, 0, 1 / 1.4), 0: () => set({ at: null }),
    "?": () => dialog.showModal(),
  };
  const told = {
    b: () => state.swipe === 100 ? "before" : "after", s: () => "both dates", o: () => `change: ${state.show}`,
    h: () => state.score ? "score shown" : "score hidden", c: () => state.stretch === "each" ? "each date its own contrast" : "one contrast for both dates",
    ",": () => $("threshold").getAttribute("aria-valuetext"),
  };
  told["."] = told.r = told[","];
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || dialog.open) return;
    const typing = e.target.matches("input[type=number]");
    if (!typing && single.checked && Object.hasOwn(keys, e.key)) {
      keys[e.key]();
      requestAnimationFrame(() => requestAnimationFrame(() => told[e.key] && say(told[e.key]())));
      e.preventDefault();
    } else if (e.target === view.port) {
      const way = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[e.key];
      // The map moves as far as there is more of it; then the page scrolls.
      if (way && state.at) view.move(...way);
      else if (e.key === " ") flip();
      else return;
      e.preventDefault();
    }
  });
  $("flip").addEventListener("click", flip);
  watch(["swipe"], () => $("flip").setAttribute("aria-pressed", String(state.swipe === 100)));
  $("help").addEventListener("click", () => dialog.showModal());
  $("closeKeys").addEventListener("click", () => dialog.close());
}
