"use strict";
// The list of rollouts, and the values under the pointer. Every text goes in as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const list = document.getElementById("list"), more = document.getElementById("more"), shown = document.getElementById("shown");
const stepBox = document.getElementById("step"), setBox = document.getElementById("set");
const PAGE = 25, SHORT = 1000;
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
function fold(parent, title, text, open = false) {
  const box = make("details");
  box.open = open;
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
  if (r.thinking !== null) fold(node, `Thinking (${r.thinking.length.toLocaleString()} characters)`, r.thinking, r.thinking.length <= SHORT);
  section(node, r.thinking === null ? "Response, no thinking" : "Response after the thinking", r.response || "(nothing)");
  const rows = [["verdict", named(r)], ["answer", r.answer || "(none found)"], ["expected", r.gold || "(none)"]];
  if (r.why) rows.splice(1, 0, ["because", r.why]);
  const verdict = make("table", "terms verdicts");
  for (const [name, value] of rows) {
    const line = make("tr");
    line.append(make("td", "soft", name), make("td", name === "verdict" ? r.outcome : "any", value));
    verdict.append(line);
  }
  node.append(verdict);
  if (r.terms.length) {
    node.append(make("h3", "", "Reward"));
    const lines = r.terms.map(([name, raw, weight]) => [name, num(raw), num(weight), raw === null ? "does not apply" : num(raw * weight)]);
    lines.push(["total", "", "", num(r.reward)]);
    table(node, ["term", "value", "weight", "adds to the reward"], lines);
  }
  if (r.measures.length) fold(node, "Everything measured", r.measures.map(([name, value]) => `${name}  ${num(value, 4)}`).join("\n"));
  const set = r.set === "training" ? "" : ` --eval ${r.set}`;
  node.append(make("h3", "", "In the terminal"), make("pre", "", `justtinker show RUN_DIR --step ${r.step}${set} --rollout ${r.group}.${r.n}`));
  return node;
}
const MARKS = { correct: "\u2713", incorrect: "\u2717", unscored: "?" };
const named = r => r.outcome ? `${MARKS[r.outcome]} ${r.outcome}` : "no verdict";
const clip = (text, most = 80) => { const line = text.trim().replace(/\s+/g, " "); return line.length > most ? line.slice(0, most) + "\u2026" : line; };

function card(r) {
  const node = make("details", "rollout"), summary = make("summary"), head = make("div", "head");
  const say = (name, value, style = "") => {
    const part = make("span", style, name + " ");
    part.append(make("b", "", value));
    head.append(part);
  };
  head.append(make("b", "verdict " + r.outcome, named(r)));
  if (r.answer) say("answer", clip(r.answer));
  else if (r.outcome) head.append(make("span", "", "no answer" + (r.why ? ": " + clip(r.why) : "")));
  if (r.gold && r.gold.length <= 80) say("expected", clip(r.gold));
  else if (r.answer && r.why) head.append(make("span", "", clip(r.why)));
  if (r.reward !== null) say("reward", num(r.reward), "soft");
  if (r.advantage !== null) say("advantage", num(r.advantage), "soft");
  head.append(make("span", "soft", `${r.tokens.toLocaleString()} tokens`));
  if (r.cut) head.append(make("span", "warn", "truncated"));
  const where = [r.set, `step ${r.step}`, `problem ${r.group + 1}`];
  if (r.of > 1) where.push(`rollout ${r.n + 1} of ${r.of}`);
  head.append(make("span", "soft where", where.join(", ")));
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

function follow(figure) {
  const svg = figure.querySelector("svg"), guide = svg.querySelector(".guide"), tip = make("div", "tip");
  const { x: [first, last, left, right], y: [top, bottom], series } = JSON.parse(figure.dataset.values);
  const lines = series.map(({ name, at }) => ({ name, at: new Map(at) }));
  const steps = [...new Set(lines.flatMap(line => [...line.at.keys()]))];
  tip.hidden = true;
  figure.append(tip);
  const leave = () => { tip.hidden = true; guide.setAttribute("d", ""); };
  const point = event => {
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    const wanted = first + ((event.clientX - box.left) / scale - left) / (right - left) * (last - first);
    const step = steps.reduce((best, each) => Math.abs(each - wanted) < Math.abs(best - wanted) ? each : best);
    const x = left + (step - first) / (last - first) * (right - left);
    guide.setAttribute("d", `M${x} ${top}V${bottom}`);
    tip.replaceChildren(make("b", "", `step ${step}`));
    for (const { name, at } of lines) if (at.has(step)) tip.append(make("div", "", (lines.length > 1 ? name + " " : "") + at.get(step)));
    tip.hidden = false;
    const around = figure.getBoundingClientRect(), place = box.left - around.left + x * scale, room = around.width;
    tip.style.left = Math.max(4, place + 8 + tip.offsetWidth > room ? place - 8 - tip.offsetWidth : place + 8) + "px";
    tip.style.top = box.top - around.top + top * scale + 4 + "px";
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", leave);
}
document.querySelectorAll("figure[data-values]").forEach(follow);
