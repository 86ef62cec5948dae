"""Real model outputs with their labels, loops made from them, and how well a score tells the two apart."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import zstandard
from numpy.typing import NDArray

BINS = (0, 1000, 2000, 4000, 8000, 16_000, 32_000)


def labelled(name: str) -> tuple[list[str], NDArray[np.bool_]]:
    """The texts of ``NAME.jsonl.zst`` and which of them loop; skips the test where the data is not at hand."""
    import json

    folder = os.environ.get("JUSTTINKER_DATA")
    if not folder:
        pytest.skip("set JUSTTINKER_DATA to the folder of reasoning_texts.jsonl.zst to run this")
    raw = zstandard.ZstdDecompressor().stream_reader((Path(folder) / f"{name}.jsonl.zst").read_bytes()).read()
    rows = [json.loads(line) for line in raw.decode().splitlines()]
    return [row["text"] for row in rows], np.array([row["label"] != "normal" for row in rows])


@dataclass(frozen=True)
class Judged:
    """How a redundancy score does on labelled texts; fined is what scores above 0.3."""

    auc: float
    share_fined: float
    """Of healthy texts."""
    worst_share_fined: float
    """Of healthy texts in the worst length bin up to 32,000 characters."""
    correlation: float
    """Of the penalty with length, over healthy texts."""
    missed: int
    """Loops that are not fined."""


def judge(texts: Sequence[str], looping: NDArray[np.bool_], score: NDArray[np.float64]) -> Judged:
    """Compare scores (N,) with labels (N,)."""
    length = np.array([len(text) for text in texts])
    penalty = np.maximum(score - 0.3, 0.0)
    healthy, loops = score[~looping], score[looping]
    wins = (loops[:, None] > healthy).mean() + (loops[:, None] == healthy).mean() / 2
    fined = (penalty > 0)[~looping]
    place = np.digitize(length[~looping], BINS)
    shares = [fined[place == b].mean() for b in range(1, len(BINS)) if (place == b).sum() >= 5]
    correlation = np.corrcoef(penalty[~looping], length[~looping])[0, 1] if fined.any() else 0.0
    return Judged(
        float(wins), float(fined.mean()), float(max(shares)), float(correlation), int((penalty[looping] == 0).sum())
    )


def sentences(text: str) -> list[str]:
    """The sentences of a text that are worth repeating."""
    return [s for s in re.split(r"(?<=[.!?])\s+", text) if 20 <= len(s) <= 400] or [text[:200]]


def sentence_loop(text: str, draw: random.Random) -> str:
    """The first half, then one of its sentences for as long again."""
    half = text[: len(text) // 2]
    one = draw.choice(sentences(half)) + " "
    return half + one * (len(half) // len(one) + 1)


def paragraph_loop(text: str, draw: random.Random) -> str:
    """The first half, then a stretch of five sentences for as long again."""
    half = text[: len(text) // 2]
    known = sentences(half)
    start = draw.randrange(max(len(known) - 4, 1))
    some = " ".join(known[start : start + 5]) + "\n\n"
    return half + some * (len(half) // len(some) + 2)


def counting_loop(text: str, draw: random.Random) -> str:
    """The first half, then a sentence with numbers that change."""
    half = text[: len(text) // 2]
    out, at = [half], draw.randrange(100)
    while sum(map(len, out)) < len(text):
        at += 1
        out.append(f" Let's try n = {at}: then {at} * {at + 1} = {at * (at + 1)}, which is not what we want, so go on.")
    return "".join(out)


def bracket_loop(text: str, draw: random.Random) -> str:
    """The first half, then brackets without white space."""
    half = text[: len(text) // 2]
    return half + draw.choice(["()", "((", "\\left(", "{}", "[[]]", "))))"]) * (len(half) // 2)


def paraphrase_loop(text: str, draw: random.Random) -> str:
    """The first half, then two of its longer thoughts a dozen times or more, each time begun and worded differently."""
    half = text[: len(text) // 2]
    known = sorted(sentences(half), key=len)
    some = draw.sample(known[len(known) // 2 :] + known[-1:], 2)
    openers = [
        "Wait,",
        "Hmm, let me check that again.",
        "But is that right?",
        "Alternatively,",
        "So,",
        "Okay, verifying:",
    ]
    swaps = [("that", "which"), (" is ", " equals "), ("so", "hence"), (" we ", " I "), (" and", ", and")]
    out, size = [half], len(half)
    while size < len(text) or len(out) < 13:
        thought = f"\n\n{draw.choice(openers)} {' '.join(draw.sample(some, draw.randint(1, 2)))}"
        out.append(thought.replace(*draw.choice(swaps)))
        size += len(out[-1])
    return "".join(out)


with_loops: dict[str, Callable[[str, random.Random], str]] = {
    "sentence": sentence_loop,
    "paragraph": paragraph_loop,
    "counting": counting_loop,
    "brackets": bracket_loop,
    "paraphrase": paraphrase_loop,
}
