// The list of results, a page at a time.
const $ = (id) => document.getElementById(id);
let shown = 0;
let asked = 0;

function cell(text, child) {
  const td = document.createElement("td");
  if (child) td.append(child);
  else td.textContent = text;
  return td;
}

function dated(text) {
  const span = document.createElement("span");
  span.className = "date";
  span.textContent = text;
  return span;
}

function row(result) {
  const tr = document.createElement("tr");
  const link = document.createElement("a");
  link.href = `/r/${result.number}/`;
  link.textContent = result.name;
  if (result.error) {
    const why = cell(result.error);
    why.colSpan = 3;
    tr.append(cell("", document.createTextNode(result.name)), why);
    return tr;
  }
  const dates = document.createElement("span");
  if (result.dates.some((date) => date)) dates.append(dated(`${result.dates[0] ?? "?"} →`), " ", dated(result.dates[1] ?? "?"));
  const share = result.share === null ? "" : `${(100 * result.share).toFixed(2)} %`;
  tr.append(cell("", link), cell("", dates), cell(share), cell(result.reviewed ? "begun" : ""));
  return tr;
}

async function load(from) {
  const ticket = ++asked;
  const name = encodeURIComponent($("search").value);
  const found = await (await fetch(`/results?name=${name}&from=${from}`)).json();
  if (ticket !== asked) return;
  if (!from) $("rows").replaceChildren();
  $("rows").append(...found.rows.map(row));
  shown = from + found.rows.length;
  $("count").textContent = `${found.count.toLocaleString("en-US")} of them`;
  $("more").hidden = shown >= found.count;
}

$("search").addEventListener("input", () => load(0));
$("more").addEventListener("click", () => load(shown));
load(0);
