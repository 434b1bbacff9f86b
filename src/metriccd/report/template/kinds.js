// Switches of the kinds of change.
function makeKinds() {
  const switches = [...document.getElementsByName("kind")];
  for (const each of switches) {
    each.addEventListener("change", () => {
      const off = new Set(state.off);
      if (each.checked) off.delete(Number(each.value)); else off.add(Number(each.value));
      set({ off, chosen: null });
    });
  }
  watch(["off"], () => {
    for (const each of switches) each.checked = !state.off.has(Number(each.value));
    for (const item of document.querySelectorAll(".key .by-kind")) item.hidden = state.off.has(Number(item.dataset.kind));
  });
}
