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
from justtinker_plugins.shared.charts.panels import Sheet, seconds_of, sheet_of, start_note, trained_by_reward
from justtinker_plugins.shared.page.selection import FILTERS, MOST_CHARACTERS, Row, Selection
from justtinker_plugins.shared.page.tables import evaluations_table, findings_table, terms_table
from justtinker_plugins.shared.records.history import Records
from justtinker_plugins.shared.records.origin import records_to_show

NAME = "report.html"
HERE = Path(__file__).parent
MOST_BYTES = 7_000_000
"""The most bytes of rollouts, so that the page stays below 10 MB."""
FREE = ("local",)
"""The backends that bill nobody."""


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
    free = any(name in FREE for name in tables.get("plugins", {}).get("enable", ()))
    return Template(file("report.html")).substitute(
        script_hash=f"sha256-{digest}",
        name=escape(run["name"]),
        style=file("report.css"),
        status=escape(status),
        about=escape(f"model {run['model']}, {progress_text(records, run['steps'])}"),
        ending=ending(records, run["steps"], status, reason),
        facts=facts(records, paid, free),
        findings=findings_table(records.said),
        curves_note=escape(curves_note(sheet)),
        curves=svg.figures(sheet) or ("" if sheet.zero else "<p>No step is recorded yet.</p>"),
        missing=escape(missing_note(sheet)),
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


def ending(records: Records, planned: int, status: str, reason: str) -> str:
    """Say why the run ended; nothing of one that is finished as planned, as its steps say so."""
    done = records.steps[-1].step if records.steps else 0
    if not reason or (status == "finished" and done == planned):
        return ""
    return f"<p>{escape(f'{status}: {reason}')}</p>"


def facts(records: Records, paid: float, free: bool) -> str:
    """Show the run in a few numbers: each with a name, and with a note if it needs one."""
    found = list(best_of(records.evals, records.start))
    if records.steps:
        spent = sum(taken for s in records.steps if (taken := seconds_of(s)) is not None)
        found += [("time of all steps", duration(spent), "without evaluations")] if spent else []
        what = "rollouts" if trained_by_reward(records) else "demonstrations"
        trained, rollouts = (sum(s.metrics.get(name, 0) for s in records.steps) for name in ("trained", "rollouts"))
        if any("trained" in s.metrics for s in records.steps):
            found.append((f"{what} trained on", f"{trained:,.0f}", f"of {rollouts:,.0f} sampled" if rollouts else ""))
    entries: tuple[StepStats | EvalStats, ...] = (*records.steps, *records.evals)
    tokens, sampled = (sum(count(entry.tokens) for entry in entries) for count in (all_tokens, sampled_tokens))
    if tokens:
        found.append(("tokens, of all kinds", amount(tokens), f"{amount(sampled)} of them sampled" if sampled else ""))
    if paid or not free:
        found.append(("cost", f"{paid:,.2f} USD" if paid else "not known", ""))
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}{f'<small>{escape(note)}</small>' if note else ''}</dd></div>"
        for name, value, note in found
    )


def all_tokens(tokens: Mapping[str, int]) -> int:
    """Count the tokens of all kinds."""
    return sum(tokens.values())


def sampled_tokens(tokens: Mapping[str, int]) -> int:
    """Count the tokens that were sampled."""
    return tokens.get("sampled", 0)


def amount(count: int) -> str:
    """Write a number of tokens, large ones in millions."""
    return f"{count / 1e6:,.1f} M" if count >= 1e5 else f"{count:,}"


def best_of(evals: Sequence[EvalStats], start: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """Say of every evaluation set how its accuracy began and ended, and where it was best."""
    for name in dict.fromkeys(e.name for e in evals):
        found = [e for e in evals if e.name == name and "accuracy" in e.metrics]
        if not found:
            continue
        best = max(found, key=lambda e: (e.metrics["accuracy"], -e.step))
        first, last = (e.metrics["accuracy"] * 100 for e in (found[0], found[-1]))
        if len(found) == 1:
            yield f"accuracy on {name}", f"{first:.1f} %", f"at step {best.step}"
            continue
        steps = f"from {start[name]} to step" if name in start else f"from step {found[0].step} to"
        top = "" if best is found[-1] else f", best {best.metrics['accuracy'] * 100:.1f} % at step {best.step}"
        yield f"accuracy on {name}", f"{first:.1f} → {last:.1f} %", f"{steps} {found[-1].step}{top}"


def duration(seconds: float) -> str:
    """Write seconds as hours and minutes, as minutes and seconds, or as seconds."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def curves_note(sheet: Sheet) -> str:
    """Say how to read the curves."""
    series = [s for panel in sheet.panels for s in panel.series]
    if not series:
        return ""
    parts = ["Point at a curve to read a step. The number at its right is where it ends."]
    if any(s.smooth for s in series):
        parts.append("A faint line is the steps themselves, the strong one their moving mean.")
    if any(s.intervals for s in series):
        parts.append("Bars are 95 % intervals.")
    if sheet.findings:
        parts.append("Vertical lines are warnings (!) and stops (\N{BLACK SQUARE}): see Findings.")
    return " ".join(parts)


def missing_note(sheet: Sheet) -> str:
    """Say what has no curve, and why."""
    parts = [f"Constantly zero in this run: {', '.join(sheet.zero)}."] if sheet.zero else []
    parts += [f"Not measured in this run: {', '.join(sheet.missing)}."] if sheet.missing else []
    return " ".join(parts)


def rollouts_note(selection: Selection, rows: Sequence[Row], left: int) -> str:
    """Say which rollouts are on the page."""
    counts = selection.counts
    if not counts["all"]:
        return "This run has recorded no rollouts."
    parts = [
        f"{len(rows):,} of {counts['all']:,} rollouts are here: the best, worst, most redundant, unscored and "
        f"truncated ones (up to {selection.most} of each from training, half as many from evaluations), and a few from "
        "steps in between."
    ]
    kinds = [f"{counts[kind]:,} {kind}" for kind in ("truncated", "unscored") if counts[kind]]
    parts += [f"In all: {', '.join(kinds)}."] if kinds else []
    if left:
        parts.append(f"{left:,} more are not shown, to keep the page below 10 MB.")
    parts.append(f"Texts of more than {MOST_CHARACTERS:,} characters are shown without their middle.")
    if selection.unread:
        parts.append(f"Files that could not be read: {'; '.join(selection.unread[:5])}.")
    return " ".join([*parts, "The files in rollouts/ have everything."])


def buttons(rows: Sequence[Row]) -> str:
    """Build a button for each filter that has rollouts, with their number."""
    names = {"all": "All", "best": "Best", "worst": "Worst", "redundant": "Most redundant"}
    found = {"all": len(rows)} | {kind: sum(kind in row["in"] for row in rows) for kind in FILTERS}
    return "".join(
        f'<button data-kind="{kind}" aria-pressed="{str(kind == "all").lower()}">'
        f"{names.get(kind, kind.capitalize())} <small>{count}</small></button>"
        for kind, count in found.items()
        if count or kind == "all"
    )


def write_page(files: RunDir, selection: Selection, status: str) -> Path:
    """Write the page of a run directory and return its path."""
    selection.update(files.path)
    config = (files.path / "config.toml").read_text(encoding="utf-8")
    reason = "" if status == "running" else files.manifest().get("reason") or ""
    text = page(records_to_show(files), files.spent(), tomllib.loads(config), config, status, selection, reason)
    files.replace(NAME, text.encode("utf-8", "replace"))  # a lone surrogate becomes a question mark
    return files.path / NAME
