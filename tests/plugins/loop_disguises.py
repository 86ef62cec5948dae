"""One sentence written 40 times into a healthy text, each time in another dress. What of it does `flat` see?

``JUSTTINKER_DATA=… python -m tests.plugins.loop_disguises`` prints the table in docs/redundancy.md.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from justtinker_plugins.shared.redundancy import flat
from tests.plugins.reasoning_data import labelled

SENTENCE = "So we check once more that the sum of these numbers is what the question wants."
OTHERS = [
    "Now we look again at every step that we have made above to be sure about it.",
    "Then it follows from what was said before that nothing else can be true in this case.",
    "But wait a moment because it could be that we have forgotten some part of the task.",
]
TIMES, HALF = 40, 1500
FILLERS = [
    "well",
    "now",
    "so",
    "really",
    "indeed",
    "surely",
    "then",
    "again",
    "just",
    "also",
    "still",
    "maybe",
    "hence",
]
OTHER_WORDS = {
    "check": ("test", "verify", "confirm"),
    "once": ("one time", "yet", "again"),
    "sum": ("total", "whole", "addition"),
    "numbers": ("values", "figures", "integers"),
    "wants.": ("needs.", "asks.", "requires."),
    "question": ("task", "problem", "exercise"),
    "these": ("those", "our", "both"),
    "So": ("Thus", "Hence", "Now"),
}
EMOJI = "\U0001f600\U0001f914\u2705\U0001f680\u2728\U0001f44d"

Line = Callable[[int, random.Random], str]
"""The sentence the n-th time."""


def dressed(count: int, *dresses: Callable[[str, random.Random], str]) -> Line:
    """With so many of its words in some dress, other words each time."""

    def line(_: int, draw: random.Random) -> str:
        words = SENTENCE.split()
        for i in draw.sample(range(len(words)), count):
            words[i] = draw.choice(dresses)(words[i], draw)
        return " ".join(words)

    return line


def inside(*marks: str) -> Callable[[str, random.Random], str]:
    """A word with a mark put in somewhere."""

    def dress(word: str, draw: random.Random) -> str:
        at = draw.randint(0, len(word))
        return word[:at] + draw.choice(marks) + word[at:]

    return dress


def around(before: str, after: str) -> Callable[[str, random.Random], str]:
    """A word between two marks."""
    return lambda word, _: f"{before}{word}{after}"


def upper(word: str, _: random.Random) -> str:
    """In capitals."""
    return word.upper()


def look_alike(word: str, _: random.Random) -> str:
    """With Cyrillic letters that look like Latin ones; a word without such letters in capitals."""
    found = word.translate(str.maketrans("aeocpx", "\u0430\u0435\u043e\u0441\u0440\u0445"))
    return found if found != word else word.upper()


def other_words(count: int) -> Line:
    """With so many words in place of others, four for each."""

    def line(_: int, draw: random.Random) -> str:
        chosen = draw.sample(sorted(OTHER_WORDS), count)
        return " ".join(draw.choice((w, *OTHER_WORDS[w])) if w in chosen else w for w in SENTENCE.split())

    return line


def fillers(count: int) -> Line:
    """With so many words more, anywhere."""

    def line(_: int, draw: random.Random) -> str:
        words = SENTENCE.split()
        for _ in range(count):
            words.insert(draw.randint(0, len(words)), draw.choice(FILLERS))
        return " ".join(words)

    return line


def in_new_order(n: int, draw: random.Random) -> str:
    """All of its words, shuffled."""
    return " ".join(draw.sample(SENTENCE.split(), 16))


DRESSES = (upper, around("**", "**"), around("", ","), around("`", "`"), around("(", ")"), inside("'"))
DISGUISES: dict[str, Line] = {
    "none": dressed(0, upper),
    **{f"case, bold, comma, … on {n} of 16 words": dressed(n, *DRESSES) for n in (1, 2, 4, 8, 16)},
    "zero-width characters in 4 words": dressed(4, inside("\u200b", "\u200d", "\u2060", "\u00ad")),
    "emoji or accents on 4 words": dressed(4, inside(*EMOJI, "\u0301", "\u0323")),
    "curly quotes and long dashes at 4 words": dressed(4, around("\u201c", "\u201d"), around("", " \u2014")),
    "other white space, line breaks": lambda _, draw: "".join(
        w + draw.choice(" \n\t\u00a0\u2003") for w in SENTENCE.split()
    ),
    "numbered: 1., 2., …": lambda n, _: f"{n + 1}. {SENTENCE}",
    "lettered: (a), (b), …": lambda n, _: f"({chr(97 + n % 26)}) {SENTENCE}",
    "numbers of 1 to 6 digits in it": lambda _, draw: SENTENCE.replace(
        "numbers", f"numbers {draw.randrange(10 ** draw.randint(1, 6))}"
    ),
    "two sentences in turn, 4 words dressed": lambda n, draw: (
        dressed(4, *DRESSES)(n, draw) if n % 2 else OTHERS[0].upper()
    ),
    "four sentences in any order": lambda _, draw: draw.choice([SENTENCE, *OTHERS]),
    "one word in front of it": lambda _, draw: f"{draw.choice(FILLERS)} {SENTENCE}",
    **{f"{n} filler words anywhere": fillers(n) for n in (1, 2, 4)},
    **{f"{n} words in place of others": other_words(n) for n in (1, 2, 4, 8)},
    "tags (<b>…</b>) around 2 words": dressed(2, around("<b>", "</b>"), around("<i>", "</i>")),
    "LaTeX (\\textbf{…}) around 2 words": dressed(2, around("\\textbf{", "}"), around("\\emph{", "}")),
    "2 words split by a space": dressed(2, inside(" ")),
    "Cyrillic look-alikes in 2 words": dressed(2, look_alike),
    "2 words misspelt": dressed(2, inside(*"aeiounst")),
    "its words in ever new order": in_new_order,
}


def disguised(text: str, line: Line, draw: random.Random) -> str:
    """The start of a healthy text with the loop in its middle."""
    loop = " ".join(line(n, draw) for n in range(TIMES))
    return f"{text[:HALF]}\n{loop}\n{text[HALF : 2 * HALF]}"


def hosts(texts: Sequence[str], looping: Sequence[bool]) -> list[str]:
    """Forty healthy texts that are long enough."""
    return [t for t, loops in zip(texts, looping, strict=True) if not loops and len(t) >= 2 * HALF][:40]


def penalties(texts: Sequence[str], name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Of each host (N,) with the loop in that disguise; in [0, 1], before the weight."""
    draw = random.Random(name)
    loops = [disguised(text, DISGUISES[name], draw) for text in texts]
    return np.maximum(flat.score_batch(loops)["redundancy_score"] - 0.3, 0.0) / 0.7


if __name__ == "__main__":
    some = hosts(*labelled("reasoning_texts"))
    print("| disguise | fined | mean penalty |\n|---|---|---|")
    for each in DISGUISES:
        found = penalties(some, each)
        print(f"| {each} | {(found > 0).sum()} of {len(found)} | {found.mean():.2f} |")
