"""``justtinker bench``: measure how fast costly plugins run on this machine and on your texts.

It compares them with a reference in plain Python, which ``pytest benchmarks/`` uses too.
"""

from __future__ import annotations

import platform
import random
import time
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import click

from justtinker_plugins.commands._cli.texts import read_texts
from justtinker_plugins.shared.terminal import count_of


def plain_compression(text: str) -> float:
    """Compute the recipe's compression term in the most direct way."""
    if len(text) < 100:
        return 0.0
    data = text.encode("utf-8", "surrogatepass")
    return max(0.0, min(1.0, (0.7 - len(zlib.compress(data, 9)) / len(data)) / 0.6))


def plain_repetition(text: str, n: int = 5) -> float:
    """Compute the recipe's share of repeated n-grams."""
    words = text.split()
    if len(words) < 2 * n:
        return 0.0
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return 1.0 - len(set(grams)) / len(grams)


def plain_score(text: str) -> float:
    """Compute the recipe's combined score."""
    return 0.6 * plain_compression(text) + 0.4 * plain_repetition(text)


def plain_chunk_similarity(text: str) -> float:
    """Compute the recipe's chunk similarity; like the recipe's own code, build both sets anew for every pair."""
    if len(text) < 1000:
        return 0.0
    chunks = [text[i : i + 500] for i in range(0, len(text) - 499, 250)]
    similar = []
    for first, second in pairwise(chunks):
        a, b = ({chunk[i : i + 5] for i in range(len(chunk) - 4)} for chunk in (first, second))
        similar.append(len(a & b) / len(a | b))
    return sum(similar) / len(similar)


def made_up_texts(count: int = 256, words: int = 2300) -> list[str]:
    """Make texts about as long and as repetitive as reasoning, the same ones at every call."""
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("aeioulnrstmdc", k=rng.randint(1, 9))) for _ in range(4000)]
    weights = [1 / rank for rank in range(1, 4001)]
    return [" ".join(rng.choices(vocabulary, weights, k=words)) for _ in range(count)]


def best_seconds(work: Callable[[], object], times: int = 5) -> float:
    """Return the shortest time of a few calls."""

    def measure() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(measure() for _ in range(times))


def processor_name() -> str:
    """Name this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


@click.group()
def bench() -> None:
    """Measure the speed of a plugin on this machine."""


@bench.command()
@click.argument("texts", required=False, type=click.Path(path_type=Path))
def redundancy(texts: Path | None) -> None:
    """Time the redundancy score's methods against plain Python, on TEXTS (JSON lines, .zst too) or made-up texts."""
    from rich.console import Console

    from justtinker_plugins.shared.redundancy import exact, fast, flat
    from justtinker_plugins.shared.redundancy.compiled import works
    from justtinker_plugins.shared.redundancy.compression import CORES
    from justtinker_plugins.shared.terminal import plain_table

    batch = made_up_texts() if texts is None else read_texts(texts)
    reference = best_seconds(lambda: [plain_score(text) for text in batch], 2)
    reference_with_chunks = reference + best_seconds(lambda: [plain_chunk_similarity(text) for text in batch], 1)
    megabytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in batch) / 1e6
    table = plain_table("method", "ms", "MB/s", "times as fast")
    rows = [
        ("plain Python", reference, reference),
        ("plain Python with chunk similarity", reference_with_chunks, reference_with_chunks),
        ("exact", best_seconds(lambda: exact.score_batch(batch, chunks=False)), reference),
        ("exact with chunk similarity", best_seconds(lambda: exact.score_batch(batch)), reference_with_chunks),
        ("fast", best_seconds(lambda: fast.score_batch(batch)), reference),
        ("flat", best_seconds(lambda: flat.score_batch(batch)), reference),
    ]
    for name, seconds, baseline in rows:
        table.add_row(name, f"{seconds * 1e3:,.1f}", f"{megabytes / seconds:,.1f}", f"{baseline / seconds:.1f}")
    console = Console()
    note = "each method against the recipe's score in plain Python, one text at a time"
    console.print(f"{count_of(len(batch), 'text')}, {megabytes:.1f} MB; {note}", highlight=False, soft_wrap=True)
    console.print(
        f"on {processor_name()}, {CORES} core{'s' * (CORES > 1)}, {'with' if works() else 'without'} numba",
        highlight=False,
        soft_wrap=True,
    )
    console.print(table)
