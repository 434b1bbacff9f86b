// Reviewing: whose turn it is, what is answered, how far it is, and what that tells of the map.
import { $, alarm, ask, element, grouped, kindOf, sized, swatch } from "/static/common.mjs";

const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`;
const WHY = {
  first: "Asked first: much area, and little above the threshold.",
  object: "Drawn among all objects: it stands for those that nobody looks at.",
  area: "A place drawn in the area of all lies in it: it stands for the area that nobody looks at.",
  chosen: "Chosen by you: it does not count in the estimate before its turn comes.",
};

export function makeReview(scene, view, blink) {
  let object = null;
  let how = "chosen";
  let passed = [];
  let busy = false;
  const names = scene.kinds;

  for (const kind of names) {
    const button = element("button", element("kbd", kind.value), swatch(scene, kind.value), element("span", kind.name));
    button.type = "button";
    button.dataset.value = kind.value;
    button.addEventListener("click", () => relabel(kind.value));
    $("relabel").append(button);
  }

  function card(found, why) {
    object = found;
    how = why;
    const disabled = !found;
    for (const button of document.querySelectorAll("#accept, #reject, #pass, #relabel button")) button.disabled = disabled;
    view.mark(found);
    $("facts").replaceChildren();
    if (!found) {
      $("card-title").textContent = scene.objects ? "All objects are answered" : "The map has no objects";
      $("why").textContent = "";
      return;
    }
    $("card-title").textContent = `Object ${grouped(found.id)}`;
    $("why").textContent = WHY[why];
    const kind = kindOf(scene, found.kind);
    const lines = [
      ["Size", sized(scene, found.size) + (scene.sized === "m2" ? `, ${grouped(found.pixels)} px` : "")],
      ["Score", `${found.score.toFixed(2)} in the mean, ${found.highest.toFixed(2)} at most`],
    ];
    if (kind) lines.push(["Kind", kind.name, swatch(scene, kind.value)]);
    if (found.answer) lines.push(["Answer", found.answer === "relabeled" ? `it is ${found.answered}` : found.answer]);
    for (const [term, text, box] of lines) $("facts").append(element("dt", term), element("dd", ...(box ? [box, text] : [text])));
    for (const button of $("relabel").children) button.setAttribute("aria-pressed", found.answer === "relabeled" && names[button.dataset.value - 1].name === found.answered);
    $("accept").toggleAttribute("data-answer", found.answer === "accepted");
    $("reject").toggleAttribute("data-answer", found.answer === "rejected");
  }

  function bar(title, share) {
    const range = share && `${percent(share.low)} to ${percent(share.high)}`;
    const value = !share ? element("span", "not yet known")
      : share.value === null ? element("span", range)
      : element("span", element("b", percent(share.value)), element("small", ` ${range}`));
    const box = element("div", element("p", element("span", title), value));
    box.className = "estimate";
    if (!share) return box;
    const band = element("i");
    band.style.left = `${100 * share.low}%`;
    band.style.width = `${100 * (share.high - share.low)}%`;
    const track = element("div", band);
    if (share.value !== null) {
      const point = element("b");
      point.style.left = `${100 * share.value}%`;
      track.append(point);
    }
    track.className = "bar";
    track.setAttribute("aria-hidden", "true");
    box.append(track);
    return box;
  }

  function told(found) {
    $("progress").value = found.share;
    const { accepted, rejected, relabeled } = found.counts;
    $("progress-text").textContent = `${grouped(found.answered)} of ${grouped(found.objects)} objects, ${percent(found.share)} of the mapped area: ${grouped(accepted)} accepted, ${grouped(rejected)} rejected, ${grouped(relabeled)} relabeled.`
      + (found.strays ? ` ${grouped(found.strays)} more answers belong to outlines of another threshold, and wait in the file.` : "");
    const { change, kind } = found;
    const lines = [bar("of its area is change", change.area), bar("of its objects are change", change.count)];
    if (scene.present.length) lines.push(bar("of its objects are of the right kind, too", kind.count));
    $("estimate").replaceChildren(...lines);
    $("basis").textContent = !found.objects
      ? ""
      : found.answered === found.objects
      ? "All objects are answered: nothing is estimated."
      : !change.area?.drawn && !change.count?.drawn
        ? "From what is answered to what it can be at most. An estimate takes objects that were drawn by chance: every second one that is asked is."
      : `Precision (user's accuracy) with 95 % intervals. The ${grouped(change.known)} objects asked first count as they are. ${grouped(change.area?.drawn ?? 0)} places drawn in their area, and ${grouped(change.count?.drawn ?? 0)} drawn objects, stand for the other ${grouped(change.objects - change.known)}. It says nothing of change that the map misses.`;
    for (const id of ["gpkg", "geojson"]) $(id).toggleAttribute("aria-disabled", !(accepted + relabeled));
  }

  function turn(found, go = true) {
    told(found);
    card(found.turn, found.turn?.how ?? "chosen");
    if (found.turn && go) view.goTo(found.turn);
  }

  async function send(path, more = {}) {
    if (busy) return null;
    busy = true;
    try {
      return await ask(path, { stamp: scene.stamp, passed, ...more });
    } catch (error) {
      alarm(error);
      return null;
    } finally {
      busy = false;
    }
  }

  async function answer(name, kind) {
    if (!object || $("review").hidden) return;
    const id = object.id;
    const found = await send("answer", { object: id, answer: name, ...(kind ? { kind } : {}) });
    if (!found) return;
    passed = passed.filter((each) => each !== id);
    view.answered(id, name);
    turn(found);
  }

  function relabel(value) {
    const kind = kindOf(scene, value);
    if (!kind || !object) return;
    // Its own kind is no other one.
    if (value === object.kind) answer("accepted");
    else answer("relabeled", kind.name);
  }

  async function undo() {
    if ($("review").hidden) return;
    const found = await send("undo");
    if (!found) return;
    told(found);
    if (!found.undone) return;
    view.answered(found.undone.id, found.undone.answer);
    card(found.undone, found.turn?.id === found.undone.id ? found.turn.how : "chosen");
    view.goTo(found.undone);
  }

  async function next(go) {
    try {
      turn(await ask(`review?passed=${passed.join(",")}`), go);
    } catch (error) {
      alarm(error);
    }
  }

  async function pass() {
    if (!object || $("review").hidden) return;
    if (how === "first") passed.push(object.id);
    await next(true);
  }

  $("accept").addEventListener("click", () => answer("accepted"));
  $("reject").addEventListener("click", () => answer("rejected"));
  $("pass").addEventListener("click", pass);
  $("undo").addEventListener("click", undo);
  $("blink").addEventListener("click", blink);

  for (const [id, name] of Object.entries(scene.answers)) view.answered(Number(id), name);

  let chosen = false;
  return {
    accept: () => answer("accepted"),
    reject: () => answer("rejected"),
    relabel,
    pass,
    undo,
    zoom: () => object && view.goTo(object),
    async choose(id) {
      chosen = true;
      try {
        const found = await ask(`objects/${id}`);
        card(found, "chosen");
        view.goTo(found);
      } catch (error) {
        alarm(error);
      }
    },
    open() {
      if (!chosen) next(true);
      else ask("review").then(told).catch(alarm);
      chosen = false;
    },
  };
}
