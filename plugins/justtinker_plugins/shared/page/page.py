"""Write the page of a run: one HTML file that opens offline, loads nothing, and shows a model's output as text only.

Three walls see to that: texts are escaped; rollouts are JSON in which ``<`` is escaped, and become text nodes; and a
content security policy forbids other scripts than the page's own, all addresses, and all forms.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from justtinker_core import EvalStats, StepStats
from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.charts import svg
from justtinker_plugins.shared.charts.panels import seconds_of, sheet_of, start_note, trained_by_reward
from justtinker_plugins.shared.page.selection import FILTERS, MOST_CHARACTERS, Row, Selection
from justtinker_plugins.shared.records.history import RecordedFinding, Records
from justtinker_plugins.shared.records.origin import records_to_show

NAME = "report.html"
HERE = Path(__file__).parent
MOST_BYTES = 7_000_000
"""The most bytes of rollouts, so that the page stays below 10 MB."""
MOST_FINDINGS, MOST_EVALS = 200, 300
DASH = "\N{EN DASH}"
COMPARED = 10
"""The steps averaged as the start of a run, and as its end; in short runs half of all steps."""
RATES = {"accuracy": "accuracy", "thinking_rate": "thinking", "boxed_rate": "boxed", "truncated_rate": "truncated"}


def page(
    records: Records,
    paid: float,
    tables: Mapping[str, Any],
    config: str,
    status: str,
    selection: Selection,
    reason: str = "",
) -> str:
    """Build the page of a run. `reason` says why it ended."""
    rows, left = selection.chosen(MOST_BYTES)
    sheet, script = sheet_of(records), file("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    run = tables["run"]
    return Template(file("report.html")).substitute(
        script_hash=f"sha256-{digest}",
        name=escape(run["name"]),
        style=file("report.css"),
        status=escape(status),
        about=escape(f"{run['model']}, {progress_text(records, run['steps'])}"),
        ending=f"<p>{escape(f'{status}: {reason}')}</p>" if reason else "",
        facts=facts(records, paid),
        findings=findings_table(records.said),
        curves=svg.figures(sheet) or "<p>No step is recorded yet.</p>",
        missing=escape(f"Not measured in this run: {', '.join(sheet.missing)}." if sheet.missing else ""),
        terms=terms_table(records.steps),
        evaluations=evaluations_table(records.evals, start_note(records)),
        rollouts_note=escape(rollouts_note(selection, rows, left)),
        buttons=buttons(rows),
        config=escape(config),
        data=embedded(rows),
        script=script,
    )


def file(name: str) -> str:
    """Read a part of the page that is the same for every run."""
    return (HERE / name).read_text(encoding="utf-8")


def embedded(rows: Sequence[Row]) -> str:
    """Write rows as JSON that cannot close the script element around it."""
    return json.dumps(rows, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def progress_text(records: Records, planned: int) -> str:
    """Say how far the run is, or which weights an evaluation is of."""
    done = records.steps[-1].step if records.steps else 0
    if records.weights:
        return f"evaluation of {records.weights}"
    return f"{done:,} of {planned:,} steps" if planned else "evaluation only"


def facts(records: Records, paid: float) -> str:
    """Show the run in a few numbers."""
    found = dict(best_of(records.evals, records.start))
    if records.steps:
        spent = sum(taken for s in records.steps if (taken := seconds_of(s)) is not None)
        found |= {"time in steps": duration(spent)} if spent else {}
        what = "rollouts" if trained_by_reward(records) else "demonstrations"
        found[f"{what} trained on"] = f"{sum(s.metrics.get('trained', 0) for s in records.steps):,.0f}"
    entries: tuple[StepStats | EvalStats, ...] = (*records.steps, *records.evals)
    tokens = sum(sum(entry.tokens.values()) for entry in entries)
    found |= {"tokens": f"{tokens / 1e6:,.1f} M" if tokens >= 1e5 else f"{tokens:,}"} if tokens else {}
    found["cost"] = f"{paid:,.2f} USD" if paid else "not known"
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in found.items())


def best_of(evals: Sequence[EvalStats], start: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Say of every evaluation set how its accuracy began and ended, and where it was best."""
    for name in dict.fromkeys(e.name for e in evals):
        found = [e for e in evals if e.name == name and "accuracy" in e.metrics]
        if not found:
            continue
        best = max(found, key=lambda e: (e.metrics["accuracy"], -e.step))
        first, last = (e.metrics["accuracy"] * 100 for e in (found[0], found[-1]))
        if len(found) == 1:
            yield f"{name}: accuracy", f"{first:.1f} % at step {best.step}"
            continue
        since = f", from {start[name]}" if name in start else f", from step {found[0].step}" if found[0].step else ""
        yield f"{name}: accuracy{since}", f"{first:.1f} → {last:.1f} %"
        yield f"{name}: best", f"{best.metrics['accuracy']:.1%} at step {best.step}".replace("%", " %")


def duration(seconds: float) -> str:
    """Write seconds as hours and minutes, or as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"


def findings_table(found: Sequence[RecordedFinding]) -> str:
    """List what monitors found."""
    if not found:
        return "<p>None.</p>"
    rows = "".join(
        f'<tr><td class="n">{s.step}</td><td class="{s.finding.level}">{s.finding.level}</td>'
        f'<td>{escape(s.finding.source)}</td><td class="any">{escape(s.finding.message)}</td></tr>'
        for s in found[-MOST_FINDINGS:]
    )
    left = len(found) - MOST_FINDINGS
    more = f"<p class='soft'>{left:,} earlier findings are not shown; steps.jsonl has them.</p>" if left > 0 else ""
    head = header(("step", "", "monitor", "finding"), (0,))
    return f'<div class="panel"><table class="findings">{head}{rows}</table></div>{more}'


def header(names: Iterable[str], numeric: Iterable[int]) -> str:
    """Build the first row of a table."""
    numeric = set(numeric)
    cells = (f"<th{' class=n' if i in numeric else ''}>{escape(name)}</th>" for i, name in enumerate(names))
    return f"<tr>{''.join(cells)}</tr>"


def terms_table(steps: Sequence[StepStats]) -> str:
    """Compare every reward term at the start of the run and at its end."""
    with_terms = [s for s in steps if s.terms]
    if not with_terms:
        return ""
    compared = min(COMPARED, max(len(with_terms) // 2, 1))  # no step counts for both
    first, last = with_terms[:compared], with_terms[-compared:]
    names = dict.fromkeys(name for s in with_terms for name in s.terms)
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f'<td class="n">{change(first, last, name, key)}</td>' for key in ("weight", "raw", "weighted"))
        + f'<td class="n">{change(first, last, name, "applies", 100)}</td></tr>'
        for name in names
    )
    head = header(("term", "weight", "raw", "weighted", "applies"), range(1, 5))
    explained = (
        f"Means over the first and the last {len(first)} steps with rewards; one number where they are equal. Raw: "
        "mean where the term applies; weighted: mean over all graded rollouts; applies: share of them in per cent."
    )
    return f'<h2>Reward terms</h2><div class="panel"><table>{head}{rows}</table></div><p class="soft">{explained}</p>'


def change(first: Sequence[StepStats], last: Sequence[StepStats], name: str, key: str, times: float = 1) -> str:
    """Show a number of a term at the start and at the end."""
    then, now = (mean([s.terms[name][key] for s in steps if name in s.terms], times) for steps in (first, last))
    return then if then == now else f"{then} → {now}"


def mean(values: Sequence[float], times: float) -> str:
    """Show a mean, with three digits after the point, per cent with one; a dash without values."""
    return f"{sum(values) / len(values) * times:.{1 if times > 1 else 3}f}" if values else DASH


def evaluations_table(evals: Sequence[EvalStats], start: str = "") -> str:
    """Show every evaluation: its rates in per cent, with intervals."""
    if not evals:
        return "<p>None.</p>"
    names = [name for name in RATES if any(name in e.metrics for e in evals)]
    rows = "".join(
        f'<tr><td class="n">{e.step}</td><td class="any">{escape(e.name)}</td>'
        + "".join(f'<td class="n{wide(name)}">{rate(e, name)}</td>' for name in names)
        + f'<td class="n">{mean_tokens(e)}</td>'
        + f'<td class="n wide">{sampled(e)}</td></tr>'
        for e in evals[-MOST_EVALS:]
    )
    heads = "".join(f'<th class="n{wide(name)}">{RATES[name]}</th>' for name in names)
    head = (
        f'<tr><th class="n">step</th><th>set</th>{heads}<th class="n">tokens</th><th class="n wide">problems</th></tr>'
    )
    left = len(evals) - MOST_EVALS
    more = f" {left:,} earlier evaluations are not shown; evals.jsonl has them." if left > 0 else ""
    note = f"Rates in per cent, with 95 % intervals clustered by problem.{more} {escape(start)}"
    return f'<div class="panel"><table>{head}{rows}</table></div><p class="soft">{note}</p>'


def mean_tokens(stats: EvalStats) -> str:
    """Show the mean length of the responses."""
    return f"{stats.metrics['mean_response_tokens']:,.0f}" if "mean_response_tokens" in stats.metrics else DASH


def sampled(stats: EvalStats) -> str:
    """Show how many problems were sampled, and how often each."""
    problems, samples = (stats.settings.get(name) for name in ("problems", "samples"))
    return DASH if problems is None else f"{problems} x {samples or 1}"


def wide(name: str) -> str:
    """The style of columns that narrow windows hide."""
    return " wide" if name in ("boxed_rate", "truncated_rate") else ""


def rate(stats: EvalStats, name: str) -> str:
    """Show a rate with its interval."""
    if name not in stats.metrics:
        return DASH
    low, high = stats.intervals.get(name, (None, None))
    interval = f" <small>({low * 100:.0f}-{high * 100:.0f})</small>" if low is not None and high is not None else ""
    return f"{stats.metrics[name] * 100:.1f}{interval}"


def rollouts_note(selection: Selection, rows: Sequence[Row], left: int) -> str:
    """Say which rollouts are on the page."""
    counts = selection.counts
    if not counts["all"]:
        return "This run has recorded no rollouts."
    parts = [
        f"{len(rows):,} of {counts['all']:,} rollouts: up to {selection.most} of each filter from training and half as "
        "many from evaluations (best, worst and most redundant: at most one of a group), and a few from steps in "
        "between."
    ]
    for kind in ("truncated", "unscored"):
        if counts[kind]:
            parts.append(f"{counts[kind]:,} were {kind}.")
    if left:
        parts.append(f"{left:,} more are not shown, to keep the page below 10 MB.")
    parts.append(f"Texts of more than {MOST_CHARACTERS:,} characters are shown without their middle.")
    if selection.unread:
        parts.append(f"Files that could not be read: {'; '.join(selection.unread[:5])}.")
    return " ".join([*parts, "The files in rollouts/ have everything."])


def buttons(rows: Sequence[Row]) -> str:
    """Build a button for each filter, with its number of rollouts."""
    names = {"all": "All", "best": "Best", "worst": "Worst", "redundant": "Most redundant"}
    found = {"all": len(rows)} | {kind: sum(kind in row["in"] for row in rows) for kind in FILTERS}
    return "".join(
        f'<button data-kind="{kind}" aria-pressed="{str(kind == "all").lower()}">'
        f"{names.get(kind, kind.capitalize())} <small>{count}</small></button>"
        for kind, count in found.items()
    )


def write_page(files: RunDir, selection: Selection, status: str) -> Path:
    """Write the page of a run directory and return its path."""
    selection.update(files.path)
    config = (files.path / "config.toml").read_text(encoding="utf-8")
    reason = "" if status == "running" else files.manifest().get("reason") or ""
    text = page(records_to_show(files), files.spent(), tomllib.loads(config), config, status, selection, reason)
    files.replace(NAME, text.encode("utf-8", "replace"))  # a lone surrogate becomes a question mark
    return files.path / NAME
