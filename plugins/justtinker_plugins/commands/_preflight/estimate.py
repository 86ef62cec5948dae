"""An estimate of a run's tokens and dollars, before anything is spent, and the assumptions behind it.

Prompts and demonstrations are measured on real problems, or assumed if there is no tokenizer or data yet. Nobody knows
how long responses will be, so the table gives two figures: for responses of half of `max_tokens`, and of all of it.
What a run really uses is in its records (`tokens`, `usd`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.markup import escape

from justtinker_core import PluginError, Problem
from justtinker_core.config import due
from justtinker_core.run import Run
from justtinker_plugins.commands._preflight.assumed import with_assumptions
from justtinker_plugins.commands._preflight.pace import describe_pace
from justtinker_plugins.shared.terminal import as_range, count_of, plain_table

PROMPTS_MEASURED = 32
"""How many prompts of a data set to encode, at most."""
TYPICAL_SHARE = 0.5
"""The share of `max_tokens` that a response uses if it is neither short nor cut off. Published runs used 0.2 to 0.6."""
TOKEN_KINDS = ("prefill", "cached_prefill", "sampled", "trained")


def describe_cost(console: Console, run: Run, done: int = 0, spent: float = 0.0) -> None:
    """Print the tokens and dollars of a step, and of all steps and evaluations left after `done` steps.

    Prints nothing if the algorithm does not implement `expect_tokens`, or if a run that could not be opened has too
    little for an estimate.
    """
    whole, assumed = with_assumptions(run)
    try:
        low, high = (expected_tokens(whole, share, done) for share in (TYPICAL_SHARE, 1.0))
    except PluginError:
        if assumed:
            return
        raise
    if not low:
        return
    priced = usd(run, {}) is not None
    table = plain_table("estimate", *(kind.replace("_", " ") for kind in TOKEN_KINDS), *(["USD"] if priced else []))
    for part in low:
        cells = [as_range(abbreviate(low[part][kind]), abbreviate(high[part][kind])) for kind in TOKEN_KINDS]
        costs = (dollars(usd(run, tokens[part]) or 0.0) for tokens in (low, high))
        table.add_row(part, *cells, *([as_range(*costs)] if priced else []))
    table.collapse_padding = priced
    console.print()
    console.print(table)
    console.print(
        f"The lower figures assume responses of {TYPICAL_SHARE:.0%} of max_tokens, the higher ones of all of it."
        + (f" Also assumed, as not all could be loaded: {', '.join(assumed)}." if assumed else "")
        + (" Storage is not included." if priced else ""),
        style="dim",
    )
    for number, text in enumerate(describe_pace(run, low, high)):
        console.print(f"[yellow]{text}[/yellow]" if number else text, style="" if number else "dim", highlight=False)
    if note := getattr(run.backend, "price_note", "") if hasattr(run, "backend") else "":
        console.print(escape(note), style="dim", highlight=False)
    if priced and (warning := budget_warning(run, low, done, spent)):
        console.print(f"[yellow]{warning}[/yellow]", highlight=False)


def usd(run: Run, tokens: Mapping[str, int]) -> float | None:
    """What tokens cost, as far as is known. A backend knows it without being ready."""
    return run.backend.usd(tokens) if hasattr(run, "backend") else None


def budget_warning(run: Run, low: Mapping[str, Mapping[str, int]], done: int, spent: float) -> str:
    """Say at which step the run's budget would end it, by the lower figures; '' if all steps fit in."""
    budget, last, section = run.config.run.budget_usd, run.config.run.steps, run.config.evaluation
    if budget is None:
        return ""
    step_usd, evaluation_usd = (usd(run, low.get(part, {})) or 0.0 for part in ("a step", "an evaluation"))
    spent += evaluation_usd if section.at_start and not done else 0.0
    for step in range(done + 1, last + 1):
        if spent + step_usd > budget:
            left = f", as {spent:,.2f} USD are spent" if done else ""
            return (
                f"run.budget_usd = {budget:g} ends the run after about {step - 1:,} of {last:,} steps{left}: "
                "raise it, or lower run.steps"
            )
        spent += step_usd + (evaluation_usd if due(step, section.every, last, section.at_end) else 0.0)
    return ""


def expected_tokens(run: Run, share: float, done: int = 0) -> dict[str, Counter[str]]:
    """Estimate the tokens of each part of the run left after `done` steps, if responses use `share` of `max_tokens`."""
    config = run.config
    response = share * config.sampling.max_tokens
    step = run.plugins.first("expect_tokens", dict, run=run, response=response)
    if step is None:
        return {}
    if run.plugins.reads("reference", run.config.run.steps):  # it reads every rollout, its prompt included
        read = sum(step.get(kind, 0) for kind in ("prefill", "cached_prefill", "sampled"))
        step = {**step, "prefill": step.get("prefill", 0) + read}
    last, section = config.run.steps, config.evaluation
    steps, at_start = last - done, section.at_start and not done
    times = at_start + sum(due(s, section.every, last, section.at_end) for s in range(done + 1, last + 1))
    evaluation = Counter[str]()
    for spec in config.data:
        if spec.purpose == "eval":
            response = share * (section.max_tokens or config.sampling.max_tokens)
            evaluation.update(evaluation_tokens(run, run.eval_problems[spec.name], spec.samples, response))
    parts = {
        "a step": multiplied(step, 1),
        f"{count_of(steps, 'step')}{' left' if done else ''}": multiplied(step, steps),
    }
    if evaluation:
        parts |= {
            "an evaluation": multiplied(evaluation, 1),
            count_of(times, "evaluation"): multiplied(evaluation, times),
        }
    return parts | {"in all": multiplied(step, steps) + multiplied(evaluation, times)}


def evaluation_tokens(run: Run, problems: Sequence[Problem], samples: int, response: float) -> dict[str, float]:
    """Estimate the tokens of one evaluation of a data set."""
    prompts = len(problems) * mean_prompt_tokens(run, problems)
    return {
        "prefill": prompts,
        "cached_prefill": prompts * (samples - 1),
        "sampled": len(problems) * samples * response,
    }


def mean_prompt_tokens(run: Run, problems: Sequence[Problem]) -> float:
    """The mean prompt length of some problems, spread over the whole data set."""
    measured = problems[:: -(-len(problems) // PROMPTS_MEASURED)]
    return float(np.mean([len(run.prompt(problem).tokens) for problem in measured]))


def multiplied(tokens: Mapping[str, float], times: int) -> Counter[str]:
    """Multiply every count, and round it."""
    return Counter({kind: round(count * times) for kind, count in tokens.items()})


def dollars(amount: float) -> str:
    """Write an amount with its cents, or without them if it is large."""
    return f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"


def abbreviate(count: float) -> str:
    """Shorten a number: ``950``, ``12.3k``, ``4.56M``; a dash for 0."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.0f}" if count else "-"
