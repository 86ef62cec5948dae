"use strict";
// The list of rollouts. Every text goes in as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const list = document.getElementById("list"), more = document.getElementById("more"), shown = document.getElementById("shown");
const stepBox = document.getElementById("step"), setBox = document.getElementById("set");
const PAGE = 25;
let kind = "all", count = PAGE;

function make(tag, style, text) {
  const node = document.createElement(tag);
  if (style) node.className = style;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}
const num = (x, places = 3) => x === null || x === undefined ? "\u2013" : String(Number(x.toFixed(places)));

function section(parent, title, text) {
  parent.append(make("h3", "", title), make("pre", "", text));
}
function fold(parent, title, text) {
  const box = make("details");
  box.append(make("summary", "", title), make("pre", "", text));
  parent.append(box);
}
function table(parent, head, rows) {
  const node = make("table", "terms"), top = make("tr");
  head.forEach((h, i) => top.append(make("th", i ? "n" : "", h)));
  node.append(top);
  for (const row of rows) {
    const line = make("tr");
    row.forEach((cell, i) => line.append(make("td", i ? "n" : "", cell)));
    node.append(line);
  }
  parent.append(node);
}
function body(r) {
  const node = make("div", "body");
  fold(node, "Prompt", r.prompt);
  section(node, "Problem " + r.id, r.question);
  if (r.thinking !== null) fold(node, `Thinking (${r.thinking.length.toLocaleString()} characters)`, r.thinking);
  section(node, r.thinking === null ? "Response, no thinking" : "Response after the thinking", r.response || "(nothing)");
  node.append(make("h3", "", "Verdict"));
  const rows = [["verdict", r.outcome || "–"], ["answer found", r.answer || "(none)"], ["gold", r.gold || "(none)"]];
  if (r.why) rows.push(["why", r.why]);
  const verdict = make("table", "terms");
  for (const [name, value] of rows) {
    const line = make("tr");
    line.append(make("td", "soft", name), make("td", name === "verdict" ? r.outcome : "", value));
    verdict.append(line);
  }
  node.append(verdict);
  if (r.terms.length) {
    node.append(make("h3", "", "Reward"));
    const lines = r.terms.map(([name, raw, weight]) => [name, num(raw), num(weight), raw === null ? "does not apply" : num(raw * weight)]);
    lines.push(["total", "", "", num(r.reward)]);
    table(node, ["term", "raw", "weight", "weighted"], lines);
  }
  if (r.measures.length) fold(node, "Measures", r.measures.map(([name, value]) => `${name}  ${num(value, 4)}`).join("\n"));
  return node;
}
function card(r) {
  const node = make("details", "rollout"), summary = make("summary"), head = make("div", "head");
  head.append(make("b", r.outcome, r.outcome || "no verdict"));
  if (r.reward !== null) head.append(make("span", "", "reward " + num(r.reward)));
  if (r.advantage !== null) head.append(make("span", "", "advantage " + num(r.advantage)));
  head.append(make("span", "soft", `${r.set}, step ${r.step}, group ${r.group}.${r.n}`), make("span", "soft", `${r.tokens.toLocaleString()} tokens`));
  if (r.cut) head.append(make("span", "warn", "truncated"));
  summary.append(head, make("div", "asked", r.question.slice(0, 300)));
  node.append(summary, body(r));
  return node;
}
function matching() {
  return data.filter(r => (kind === "all" || r.in.includes(kind))
    && (stepBox.value === "" || r.step === Number(stepBox.value)) && (setBox.value === "" || r.set === setBox.value));
}
function draw() {
  const rows = matching();
  const key = { best: r => -(r.reward ?? (r.outcome === "correct")), worst: r => r.reward ?? (r.outcome === "correct"),
    redundant: r => -(Object.fromEntries(r.measures).redundancy_score ?? 0) }[kind];
  const at = (a, b) => a.step - b.step || a.group - b.group || a.n - b.n;
  rows.sort((a, b) => key ? key(a) - key(b) || at(b, a) : at(a, b));
  list.replaceChildren(...rows.slice(0, count).map(card));
  more.hidden = rows.length <= count;
  shown.textContent = rows.length ? `${Math.min(count, rows.length)} of ${rows.length}` : "No rollout matches.";
}
function options(box, name, values) {
  box.append(new Option("any " + name, ""));
  for (const value of values) box.append(new Option(name === "step" ? "step " + value : value, value));
}
options(stepBox, "step", [...new Set(data.map(r => r.step))].sort((a, b) => a - b));
options(setBox, "set", [...new Set(data.map(r => r.set))].sort());
for (const box of [stepBox, setBox]) box.addEventListener("change", () => { count = PAGE; draw(); });
for (const button of document.querySelectorAll("button[data-kind]")) button.addEventListener("click", () => {
  kind = button.dataset.kind; count = PAGE;
  for (const each of document.querySelectorAll("button[data-kind]")) each.setAttribute("aria-pressed", String(each === button));
  draw();
});
more.addEventListener("click", () => { count += PAGE; draw(); });
draw();
