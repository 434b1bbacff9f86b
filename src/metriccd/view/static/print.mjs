// Printing: the map as it stands, and what its colors mean. What WebGL drew is gone when the browser
// prints, so it is copied into a picture right after it was drawn.
import { $, element, swatch } from "/static/common.mjs";

const item = (...parts) => {
  const made = element("span", ...parts);
  made.className = "item";
  return made;
};

export function printable(scene, view) {
  addEventListener("beforeprint", () => {
    const drawn = view.map.getCanvas();
    const paper = $("paper");
    [paper.width, paper.height] = [drawn.width, drawn.height];
    $("stage").style.setProperty("--aspect", drawn.width / drawn.height);
    view.map.redraw();
    paper.getContext("2d").drawImage(drawn, 0, 0);
    $("legend").replaceChildren(...legend(scene));
  });
}

// What is on the map now: only that.
function legend(scene) {
  const overlay = document.querySelector("[name=overlay]:checked").value;
  const change = () => swatch(scene, "change");
  const above = `score above ${$("exact").value}`;
  const found = [];
  if ($("outlines").checked) found.push(item(change(), `outlined: ${$("count").textContent}, ${above}`));
  if (overlay === "change") found.push(item(change(), `change: ${above}`));
  if (overlay === "score") found.push(item($("ramp").cloneNode(true)));
  if (overlay === "kind") {
    for (const label of $("kinds").querySelectorAll("label:has(:checked)")) {
      found.push(item(label.querySelector(".swatch").cloneNode(), label.querySelector("span:not(.swatch)").textContent));
    }
  }
  return found;
}
