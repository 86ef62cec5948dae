"""How long a run will take and how much memory, from a probe by a backend that computes here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from justtinker_core.run import Run
from justtinker_plugins.shared.terminal import as_range, span

READ = 1 / 3
"""Reading a token takes so much of training one: a forward pass, of a forward and two backward ones."""


def describe_pace(
    run: Run, low: Mapping[str, Mapping[str, int]], high: Mapping[str, Mapping[str, int]]
) -> Iterator[str]:
    """Say how long the run takes and what memory; then, if it is more than is free, what to do about it.

    `low` and `high` are expected tokens, as `estimate.expected_tokens` returns them. Says nothing of a backend without
    ``probe(rows, prompt, response, batch)``, which the backend `local` documents.
    """
    measure = getattr(run.backend, "probe", None) if run.status == "checked" else None  # else its backend is closed
    if measure is None:
        return
    response, step = run.config.sampling.max_tokens, high["a step"]
    sampling = max(
        (high[part] for part in ("a step", "an evaluation") if part in high), key=lambda p: p.get("sampled", 0)
    )
    rows = max(1, sampling.get("sampled", 0) // response)
    prompt = (sampling.get("prefill", 0) + sampling.get("cached_prefill", 0)) // rows
    found = measure(rows, prompt, response, step.get("trained", 0)).result()
    rates = []
    if high["in all"].get("sampled") and found.sampled:
        rates.append(f"samples {figures(found.sampled)} tok/s")
    if step.get("trained"):
        rates.append(f"trains {figures(found.trained)} tok/s")
    if not rates:
        return
    whole = as_range(*(span(seconds(part["in all"], found)) for part in (low, high)))
    hour = 3600 / max(seconds(step, found), 1e-9)
    free = f" of {size_of(found.has)} that are free" if found.has else ""
    yield (
        f"A probe {' and '.join(rates)} here: about {whole} in all, {figures(hour)} steps/h or more, "
        f"{'' if found.sampled else 'sampling and '}judging aside. Memory: about {size_of(found.needs)}{free}."
    )
    if found.has and found.needs > found.has:
        yield (
            "That is more memory than is free, so the machine may swap or end the run: lower max_batch_tokens or "
            "cache_gib of [plugins.local], set checkpoint_activations, or train an adapter (lora_rank)"
        )


def seconds(tokens: Mapping[str, int], found: Any) -> float:
    """The time of these tokens; a prompt is read once for all of its rollouts."""
    if not found.sampled:  # others sample
        return float(tokens.get("trained", 0) / found.trained)
    computed = tokens.get("trained", 0) + READ * tokens.get("prefill", 0)
    return float(computed / found.trained + tokens.get("sampled", 0) / found.sampled)


def figures(number: float) -> str:
    """Write a number with two figures."""
    return f"{float(f'{number:.2g}'):,.0f}" if number >= 1 else f"{number:.2g}"


def size_of(number: float) -> str:
    """Write bytes in GiB, or MiB."""
    return f"{number / 2**30:.1f} GiB" if number >= 2**29 else f"{number / 2**20:.0f} MiB"
