r"""The parts of an audit's responses: a problem, its gold, wrong answers, answer formats, and thinking.

The thinking is prose about nothing in particular, no more repetitive than what people write. No verifier reads it. This
module judges nothing.
"""

# ruff: noqa: RUF001 (letters that look like others)
from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd

from justtinker_core import Problem
from justtinker_plugins.commands._audit.variants import wrong_variants
from justtinker_plugins.commands._audit.variants.forms import strip_wrapping
from justtinker_plugins.shared.answers import gold_text
from justtinker_plugins.shared.latex.restated import math_snippets

ANSWER_FORMATS = ("\\boxed{{{}}}", "#### {}", "Answer: {}", "{}")
"""Ways to present an answer. The audit uses the first in which the stack pays the right one."""
BOX = ANSWER_FORMATS[0]
LAST_RESORT = ("-98765.4321", "12345.06789", "not the answer")
"""Wrong answers to any problem; one of them may be its gold, and two are needed."""
NEAR = ("off by one", "letter", "word", "neighbour", "digit", "power", "sign")
"""Kinds of wrong variants, the likeliest first."""

SENTENCES = """
First I write down what is given and what is asked, so that nothing gets lost on the way.
The quantities named in the statement are fixed; everything else has to follow from them.
It helps to look at a smaller case, because the pattern often shows before any algebra is done.
I could try to guess, but a guess would have to be checked anyway, so let me go step by step.
There seem to be two ways to start, and the shorter one uses the condition directly.
Rewriting the condition gives a relation in which only one unknown is left.
Both sides can be divided by the common factor, since it cannot vanish here.
Now I collect the terms of the same kind and keep an eye on the signs.
That leaves something simple enough to be worked out by hand.
Before going on I make sure that no case has been dropped silently.
If the order mattered the count would be larger, yet the wording says that it does not.
A quick sketch would show the same thing: the two parts meet in exactly one place.
Substituting back into the first relation confirms what I have so far.
The remaining part is arithmetic, which I do slowly because this is where slips happen.
Adding the pieces from the right, I carry whenever a column overflows.
An estimate of the size tells me whether the outcome is even plausible.
Rounded roughly, it should be neither tiny nor huge, and indeed it is in between.
Another route would use symmetry: exchanging the roles of both objects changes nothing.
By that argument the middle term drops out, which is a welcome shortcut.
I should be careful with the boundary, where the inequality may turn into an equality.
At the boundary the expression is still defined, therefore the value counts.
Here the definition matters more than intuition, so I read the statement once more.
It says what it says, and my interpretation fits every word of it.
Suppose for contradiction that it were larger; then one of the assumptions would break.
Hence the bound is sharp, and the extreme case is really attained.
For the record, negative candidates are excluded by the setting of the problem.
What is left can be factored, though there is hardly any need to.
I prefer to verify the claim numerically with one concrete choice.
With that choice the left part and the right part agree, as they should.
Dimensional analysis does not object either: units on both ends are alike.
One more sanity check: parity is preserved in each move, and the result respects this.
Counting the complement instead gives an independent confirmation of the total.
The complement is easier since only a handful of configurations are forbidden.
None of them overlaps with another, so inclusion and exclusion stops early.
Looking at remainders would have ruled out most alternatives straight away.
In hindsight the trick was to choose the right variable at the beginning.
Everything fits together now, from the first assumption to the last line.
There is no hidden restriction that I have forgotten to use.
I am confident enough to state the result.
It only remains to write it down in the form that was asked for.
""".strip().splitlines()

_FRACTION = re.compile(r"-?(?:\\[dt]?frac *\{?([0-9]+)\}? *\{?([0-9]+)\}?|([0-9]+) ?/ ?([0-9]+))")
_WORK = re.compile(
    r"[A-Za-z0-9)}] ?[-+*/×·÷]|\\(?:frac|dfrac|cdot|times|div|binom|sum|prod|int|sqrt)(?![A-Za-z])|\^(?!\{?\\circ)|!"
)


@dataclass(frozen=True)
class Item:
    """A problem, with all that batteries need to write responses to it."""

    problem: Problem
    gold: str
    wrong_answers: tuple[str, ...]
    """Two or more, the likeliest first."""
    plain_wrong: str
    """The answer of its wrong response, one of the wrong answers."""
    answer_format: str
    """One of `ANSWER_FORMATS`."""
    rng: random.Random
    thought: str
    """The thinking of its right and its wrong response."""

    @property
    def numeric(self) -> bool:
        """Whether the gold is a whole number."""
        return re.fullmatch(r"-?[0-9]{1,15}", self.gold) is not None

    @property
    def wrong_number(self) -> str:
        """A wrong answer without letters, so that no verifier takes it for a variable's name."""
        return next(text for text in (*self.wrong_answers, LAST_RESORT[0]) if not re.search("[A-Za-z]", text))

    @property
    def mathematical(self) -> bool:
        """Whether answers may contain mathematics."""
        return self.problem.kind in ("math", "number")

    @property
    def boxed(self) -> bool:
        r"""Whether answers stand in a ``\boxed{…}``."""
        return self.answer_format == BOX

    def format(self, answer: str) -> str:
        """Write an answer where the verifier looks for it."""
        return self.answer_format.format(answer)

    def format_all(self, *answers: str) -> str:
        """Write several answers, each where the verifier looks."""
        return (" or " if self.boxed else "\n").join(map(self.format, answers))

    def think(self, sentences: int = 5) -> str:
        """Write some thinking, different each time."""
        return write_thinking(self.rng, sentences)

    def respond(self, answer: str, thinking: str | None = None) -> str:
        """Write a whole response: a thinking block, by default with the item's thought, then the answer part."""
        return f"<think>\n{self.thought if thinking is None else thinking}\n</think>\n\n{answer}"

    @property
    def right_response(self) -> str:
        """The plain honest response that all others are compared with."""
        return self.respond(self.format(self.gold))

    @property
    def wrong_response(self) -> str:
        """The same response with a wrong answer."""
        return self.respond(self.format(self.plain_wrong))


def item_of(problem: Problem, others: Sequence[str], answer_format: str, seed: int) -> Item:
    """Make the item of a problem; `others` are golds of other problems."""
    gold, rng = gold_text(problem.answer), random.Random(f"{seed} {problem.id}")
    wrong = find_wrong_answers(problem.kind, gold, others)
    return Item(problem, gold, wrong, wrong[0], answer_format, rng, write_thinking(rng, 5))


def write_thinking(rng: random.Random, sentences: int) -> str:
    """Draw this many sentences, or all there are, and keep their order."""
    chosen = sorted(rng.sample(range(len(SENTENCES)), min(sentences, len(SENTENCES))))
    return " ".join(SENTENCES[i] for i in chosen)


def find_wrong_answers(kind: str, gold: str, others: Sequence[str]) -> tuple[str, ...]:
    """Return answers that nobody takes for the gold: near misses, golds of other problems, then nonsense."""
    if kind == "choice":
        letter = re.sub(r"\\[a-z]+|[^A-Za-z]", "", gold).upper()
        return tuple(other for other in "ABCD" if other != letter)
    found = dict[str, None]()
    if kind in ("math", "number"):
        variants = list(wrong_variants(gold, list(others)))
        found |= dict.fromkeys(text for wanted in NEAR for change, text in variants if change == wanted)
    else:
        found |= dict.fromkeys(other for other in others if other.casefold() != gold.casefold())
    return (*found, *(text for text in LAST_RESORT if text != strip_wrapping(gold).casefold()))


def expressions_in(question: str) -> Iterator[str]:
    """Yield the question's expressions that leave something to work out; a fraction in lowest terms does not."""
    for text in dict.fromkeys(math_snippets(question)):
        fraction = _FRACTION.fullmatch(text)
        if fraction and gcd(*(int(n) for n in fraction.groups() if n)) == 1:
            continue
        if 2 < len(text) < 200 and _WORK.search(text) and "," not in text and "\\text" not in text:
            yield text


Battery = Callable[[Item], Iterator[str]]
"""A function that writes responses to a problem, or none if it does not fit the problem."""


def battery_name(battery: Battery) -> str:
    """Return the battery's name: its function's, with spaces."""
    return battery.__name__.replace("_", " ")


def merged(*parts: Mapping[str, Battery]) -> dict[str, Battery]:
    """Return all batteries of several parts, in their order."""
    return {name: battery for part in parts for name, battery in part.items()}


@dataclass(frozen=True)
class Topic:
    """The batteries that fit one kind of gold, and problems with such golds for data that has none."""

    wrong: Mapping[str, Battery]
    honest: Mapping[str, Battery]
    problems: Callable[[random.Random], Iterator[tuple[str, str]]]
    """Draws questions with their golds."""


def register_in(batteries: dict[str, Battery]) -> Callable[[Battery], Battery]:
    """Make a decorator that adds a function to these batteries."""

    def register(battery: Battery) -> Battery:
        batteries[battery_name(battery)] = battery
        return battery

    return register
