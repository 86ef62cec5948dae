"""What a run would take in tokens and dollars, before anything is spent: an estimate, with what it assumes.

Prompts and demonstrations are measured on real problems; how long responses will be, nobody knows: the table shows half
of `max_tokens`, and all of it. What a run really uses stands in its records (`tokens`, `usd`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console

from justtinker_core import Problem
from justtinker_core.config import due
from justtinker_core.run import Run
from justtinker_plugins.shared.terminal import plain_table

MEASURED = 32
"""Problems of a set whose prompts are encoded."""
TYPICAL = 0.5
"""Of max_tokens: a response that is neither short nor cut off. The published runs used 0.2 to 0.6."""
KINDS = ("prefill", "cached_prefill", "sampled", "trained")


def describe_cost(console: Console, run: Run, done: int = 0) -> None:
    """Tokens of a step, of all steps and evaluations that are left, and what they cost; nothing if nobody says."""
    few, many = (expected(run, share, done) for share in (TYPICAL, 1.0))
    if not few:
        return
    priced = run.backend.usd({}) is not None
    table = plain_table("estimate", *(kind.replace("_", " ") for kind in KINDS), *(["USD"] if priced else []))
    for row in few:
        cells = [between(short(few[row][kind]), short(many[row][kind])) for kind in KINDS]
        costs = (run.backend.usd(part[row]) or 0.0 for part in (few, many))
        table.add_row(row, *cells, *([between(*(f"{usd:,.2f}" for usd in costs))] if priced else []))
    console.print()
    console.print(table)
    console.print(
        f"From responses of {TYPICAL:.0%} of max_tokens to responses of all of it. "
        + ("Prices: \\[plugins.tinker] prices, else a dated table; storage is not in them." if priced else ""),
        style="dim",
    )


def expected(run: Run, share: float, done: int = 0) -> dict[str, Counter[str]]:
    """Tokens of each part of the run that is left after `done` steps, if responses take that share of `max_tokens`."""
    config = run.config
    response = share * config.sampling.max_tokens
    step = run.plugins.first("expect_tokens", dict, run=run, response=response)
    if step is None:
        return {}
    last, section = config.run.steps, config.evaluation
    steps, at_start = last - done, section.at_start and not done
    times = at_start + sum(due(s, section.every, last, section.at_end) for s in range(done + 1, last + 1))
    evaluation = Counter[str]()
    for spec in config.data:
        if spec.purpose == "eval":
            most = share * (section.max_tokens or config.sampling.max_tokens)
            evaluation.update(evaluated(run, run.eval_problems[spec.name], spec.samples, most))
    parts = {"a step": scaled(step, 1), f"{steps:,} steps{' left' if done else ''}": scaled(step, steps)}
    if evaluation:
        parts |= {
            "an evaluation": scaled(evaluation, 1),
            f"{times} evaluation{'s' if times > 1 else ''}": scaled(evaluation, times),
        }
    return parts | {"in all": scaled(step, steps) + scaled(evaluation, times)}


def evaluated(run: Run, problems: Sequence[Problem], samples: int, response: float) -> dict[str, float]:
    """Tokens of one evaluation of a set."""
    prompts = len(problems) * prompt_tokens(run, problems)
    return {
        "prefill": prompts,
        "cached_prefill": prompts * (samples - 1),
        "sampled": len(problems) * samples * response,
    }


def prompt_tokens(run: Run, problems: Sequence[Problem]) -> float:
    """Mean length of a prompt, over some from all over the set."""
    some = problems[:: -(-len(problems) // MEASURED)]
    return float(np.mean([len(run.prompt(problem).tokens) for problem in some]))


def scaled(tokens: Mapping[str, float], times: int) -> Counter[str]:
    """So many times as many."""
    return Counter({kind: round(count * times) for kind, count in tokens.items()})


def between(low: str, high: str) -> str:
    """A range, or the one number that it is."""
    return low if low == high else f"{low} to {high}"


def short(count: float) -> str:
    """A number for reading: 950, 12.3k, 4.56M, or a dash."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.0f}" if count else "-"
