"""Write the tables of a run's page: findings, reward terms, evaluations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from justtinker_core import EvalStats, StepStats
from justtinker_plugins.shared.charts.svg import short_exponent
from justtinker_plugins.shared.records.history import RecordedFinding

MOST_FINDINGS, MOST_EVALS = 200, 300
DASH = "\N{EN DASH}"
COMPARED = 10
"""The steps averaged as the start of a run, and as its end; in short runs half of all steps."""
RATES = {"accuracy": "accuracy", "thinking_rate": "thinks", "boxed_rate": "has a box", "truncated_rate": "cut off"}
LEVELS = {"info": "note", "warn": "warning", "stop": "stop"}
LEAD = re.compile(r"(.*?)[:;] (.*)", re.DOTALL)
"""What a finding says first, and its numbers."""


def findings_table(found: Sequence[RecordedFinding]) -> str:
    """List what monitors found: what it is in words, below it the numbers and the monitor."""
    if not found:
        return "<p>None.</p>"
    rows = "".join(
        f'<tr><td class="n">{s.step}</td><td class="{s.finding.level}">{LEVELS[s.finding.level]}</td>'
        f'<td class="any">{finding_text(s.finding.message, s.finding.source)}</td></tr>'
        for s in found[-MOST_FINDINGS:]
    )
    left = len(found) - MOST_FINDINGS
    more = f"<p class='soft'>{left:,} earlier findings are not shown; steps.jsonl has them.</p>" if left > 0 else ""
    head = header(("step", "", "finding"), (0,))
    return f'<div class="panel"><table class="findings">{head}{rows}</table></div>{more}'


def finding_text(message: str, monitor: str) -> str:
    """Show a finding: its first words, then its numbers and who found it."""
    parts = LEAD.fullmatch(message)
    lead, numbers = parts.groups() if parts else (message, "")
    found_by = f'<span class="monitor">(monitor {escape(monitor)})</span>' if monitor else ""
    return f"<b>{escape(lead)}</b><small>{escape(numbers)}{' ' if numbers else ''}{found_by}</small>"


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
        + "".join(
            f'<td class="n">{change(first, last, name, key)}</td>' for key in ("weight", "raw", "weighted", "applies")
        )
        + "</tr>"
        for name in names
    )
    head = header(("term", "weight", "value", "adds to the reward", "applies to"), range(1, 5))
    explained = (
        f"Means over the first and the last {len(first)} steps with rewards; one number where they are equal. Value: "
        "before its weight, where the term applies. Adds to the reward: over all graded rollouts. Applies to: so many "
        "of them."
    )
    return f'<h2>Reward terms</h2><div class="panel"><table>{head}{rows}</table></div><p class="soft">{explained}</p>'


def change(first: Sequence[StepStats], last: Sequence[StepStats], name: str, key: str) -> str:
    """Show a number of a term at the start and at the end."""
    then, now = (mean([s.terms[name][key] for s in steps if name in s.terms], key) for steps in (first, last))
    text = then if then == now else f"{then} → {now}"
    return f"{text} %" if key == "applies" and text != DASH else text


def mean(values: Sequence[float], key: str) -> str:
    """Show a mean: three digits after the point, a share in per cent; a dash without values."""
    if not values:
        return DASH
    value = sum(values) / len(values)
    if key == "applies":
        return f"{value * 100:.1f}"
    return short_exponent(f"{value:.1g}") if 0 < abs(value) < 0.0005 else f"{value:.3f}"


def evaluations_table(evals: Sequence[EvalStats], start: str = "") -> str:
    """Show every evaluation: its rates in per cent, with intervals."""
    if not evals:
        return "<p>None.</p>"
    columns = [(title, style, cells) for title, style, cells in columns_of(evals[-MOST_EVALS:]) if set(cells) != {DASH}]
    names = (f"<td>{escape(e.name)}</td>" for e in evals[-MOST_EVALS:])
    cells = [[f'<td class="{style}">{cell}</td>' for cell in column] for _, style, column in columns]
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(cells[0], names, *cells[1:], strict=True))
    heads = [f'<th class="{style}">{title}</th>' for title, style, _ in columns]
    head = f"<tr>{heads[0]}<th>set</th>{''.join(heads[1:])}</tr>"
    left = len(evals) - MOST_EVALS
    more = f" {left:,} earlier evaluations are not shown; evals.jsonl has them." if left > 0 else ""
    note = (
        "Shares of the responses in per cent, with 95 % intervals clustered by problem. Cut off: at the token limit. "
        f"Tokens: the mean length.{more} {escape(start)}"
    )
    return f'<div class="panel"><table>{head}{rows}</table></div><p class="soft">{note}</p>'


def columns_of(evals: Sequence[EvalStats]) -> Iterable[tuple[str, str, list[str]]]:
    """Yield the columns of numbers: title, style and cells."""
    yield "step", "n", [str(e.step) for e in evals]
    for name, title in RATES.items():
        yield title, f"n{wide(name)}", [rate(e, name) for e in evals]
    yield "tokens", "n", [mean_tokens(e) for e in evals]
    yield "problems", "n wide", [sampled(e) for e in evals]


def mean_tokens(stats: EvalStats) -> str:
    """Show the mean length of the responses."""
    return f"{stats.metrics['mean_response_tokens']:,.0f}" if "mean_response_tokens" in stats.metrics else DASH


def sampled(stats: EvalStats) -> str:
    """Show how many problems were sampled, and how often each if more than once."""
    problems, samples = (stats.settings.get(name) for name in ("problems", "samples"))
    return DASH if problems is None else f"{problems} x {samples}" if (samples or 1) > 1 else f"{problems}"


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
