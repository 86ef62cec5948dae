r"""Golds out of the range of floats, ``\frac{1}{2008!}`` or ``2^{9000}-1``: a grader that rounds takes them for 0 or 1.

An answer must not be able to leave such a verdict open either: `GRADED`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from justtinker_plugins.commands._audit.items import Battery, Item, Topic, register_in
from justtinker_plugins.commands._audit.variants.forms import strip_wrapping

WRONG: dict[str, Battery] = {}
HONEST: dict[str, Battery] = {}
LARGE = 40
"""Powers, factorials and binomials of numbers above this leave the digits of a float."""

_TOKENS = re.compile(r"(?:[0-9 +*/!^{}()-]|\\(?:[dt]?frac|binom|sqrt|cdot|times|pi|left|right)(?![A-Za-z])|e)+")
_UNIT_BASE = re.compile(r"(?<![0-9])[01](?:(?:\\right)?\))?\}? *\^")
_GROWING = re.compile(r"(?P<number>[0-9]{2,9})(?=\)?!)|\^\{-?(?P<power>[0-9]{2,9})\}|\\binom\{(?P<top>[0-9]{2,9})\}")


def growing_numbers(gold: str) -> list[tuple[int, int]]:
    """Return the ends of the numbers in a tiny or huge gold on which its size depends; nothing for other golds."""
    if not _TOKENS.fullmatch(gold) or _UNIT_BASE.search(gold):
        return []
    found = [match.span(match.lastgroup or 0) for match in _GROWING.finditer(gold)]
    return [(start, end) for start, end in found if int(gold[start:end]) > LARGE]


def without_last_term(text: str) -> str:
    """Return a sum without its last term; nothing for what is no sum."""
    depth, end = 0, 0
    for i, char in enumerate(text):
        depth += (char in "({") - (char in ")}")
        if i and not depth and char in "+-":
            end = i
    return text[:end].strip()


@register_in(WRONG)
def near_misses_of_tiny_and_huge(item: Item) -> Iterator[str]:
    """For a gold beyond floats, one with a number one off, or a bit more or less; must also be graded."""
    gold = strip_wrapping(item.gold)
    spans = growing_numbers(gold) if item.mathematical else []
    if not spans:
        return
    texts = [gold[:i] + str(int(gold[i:j]) + step) + gold[j:] for i, j in spans for step in (2, 1, -1)]
    texts += [
        f"{gold} + 1", f"{gold} - 1", f"2({gold})", f"-({gold})", f"-1 + {gold}", f"({gold})^2", f"\\sqrt{{{gold}}}",
        f"{gold} + \\frac{{1}}{{3000!}}", f"{gold} + e^{{-5000}}", f"{gold} + 10^{{-90}}", f"({gold})(1 + 10^{{-60}})",
        "0", "\\infty", "\\pi", "10^{-6001}", "10^{6001}", "\\frac{1}{\\pi^{2000}}", "9^{9^{9}}", "\\sqrt{2} - 1",
    ]  # fmt: skip
    if head := without_last_term(gold):
        texts.insert(0, head)
    yield from (item.respond(item.format(text)) for text in texts if text != gold)


def squared_base(power: int, base: int) -> tuple[str, ...]:
    """Write a power with the square of its base, if the power is even."""
    return (f"{base * base}^{{{power // 2}}}",) if power % 2 == 0 else ()


_SAME: tuple[tuple[str, Callable[[int, int], tuple[str, ...]]], ...] = (
    (r"\\frac\{1\}\{(?P<n>N)!\}", lambda n, _: (f"1/{n}!", f"({n}!)^{{-1}}", f"\\dfrac{{1}}{{{n}!}}")),
    (
        r"1 ?- ?\\frac\{1\}\{(?P<n>N)!\}",
        lambda n, _: (f"\\frac{{{n}!-1}}{{{n}!}}", f"1 - 1/{n}!", f"-\\frac{{1}}{{{n}!}} + 1"),
    ),
    (r"(?P<b>N)\^\{(?P<n>N)\}", lambda n, b: squared_base(n, b)),
    (
        r"(?P<b>N)\^\{(?P<n>N)\} ?- ?1",
        lambda n, b: (f"-1 + {b}^{{{n}}}", *(f"{power} - 1" for power in squared_base(n, b))),
    ),
    (
        r"\\frac\{1\}\{(?P<b>N)\^\{(?P<n>N)\}\}",
        lambda n, b: (f"{b}^{{-{n}}}", f"\\left(\\frac{{1}}{{{b}}}\\right)^{{{n}}}", f"(1/{b})^{{{n}}}"),
    ),
    (r"e\^\{-(?P<n>N)\}", lambda n, _: (f"\\frac{{1}}{{e^{{{n}}}}}", f"\\exp(-{n})", f"1/e^{{{n}}}")),
    (r"1 ?- ?e\^\{-(?P<n>N)\}", lambda n, _: (f"1 - \\frac{{1}}{{e^{{{n}}}}}", f"\\frac{{e^{{{n}}}-1}}{{e^{{{n}}}}}")),
    (
        r"\\binom\{(?P<n>N)\}\{(?P<b>N)\}",
        lambda n, b: (f"\\frac{{{n}!}}{{{b}! \\cdot {n - b}!}}", f"\\binom{{{n}}}{{{n - b}}}"),
    ),
)


@register_in(HONEST)
def tiny_and_huge_numbers(item: Item) -> Iterator[str]:
    """A gold beyond floats, written otherwise: a quotient as a power, a binomial in factorials, powers of 4 for 2."""
    gold = strip_wrapping(item.gold)
    for pattern, rewrite in _SAME if item.mathematical and growing_numbers(gold) else ():
        if found := re.fullmatch(pattern.replace("N", "[0-9]{1,9}"), gold):
            texts = rewrite(int(found["n"]), int(found.groupdict().get("b", 0)))
            yield from (item.respond(item.format(text)) for text in texts if text != gold)


def draw_problems(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Draw problems whose golds are factorials, powers and binomials far beyond floats, and their inverses."""
    n = 2 * rng.randrange(900, 1500)
    line = f"${n}$ people of different heights stand in a line at random."
    yield f"In how many orders can ${n}$ people stand in a line?", f"{n}!"
    yield f"{line} How likely is it that they are sorted by height, the smallest first?", f"\\frac{{1}}{{{n}!}}"
    yield f"{line} How likely is it that they are not sorted by height, the smallest first?", f"1-\\frac{{1}}{{{n}!}}"
    yield f"How many subsets has a set of ${9 * n}$ elements?", f"2^{{{9 * n}}}"
    yield f"How many subsets that are not empty has a set of ${9 * n}$ elements?", f"2^{{{9 * n}}}-1"
    question = f"A fair coin is thrown ${9 * n}$ times. How likely is it that all throws are heads?"
    yield question, f"\\frac{{1}}{{2^{{{9 * n}}}}}"
    yield f"A function with $y' = -y$ has the value $1$ at $0$. What is its value at ${n}$?", f"e^{{-{n}}}"
    yield (
        f"Of a substance the share $e^{{-t}}$ is left after time $t$. Which share is gone at $t = {n // 9}$?",
        (f"1-e^{{-{n // 9}}}"),
    )
    yield f"How high is an equilateral triangle with sides of $2^{{{n}}}$?", f"2^{{{n - 1}}}\\sqrt{{3}}"
    yield f"In how many ways can half of ${n}$ people be chosen?", f"\\binom{{{n}}}{{{n // 2}}}"


GRADED = frozenset({"near misses of tiny and huge"})
"""Batteries whose responses must not go unscored, since a policy would choose that."""
TOPIC = Topic(WRONG, HONEST, draw_problems)
