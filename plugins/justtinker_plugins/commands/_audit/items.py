r"""What an audit's responses are made of: a problem, its gold, wrong answers, ways to say an answer, and thinking.

The thinking is plain prose about nothing in particular: no verifier here reads it, and it repeats itself no more than
people do. Nothing is judged here.
"""

# ruff: noqa: RUF001 (letters that look like others)
from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd

from justtinker_core import Problem
from justtinker_plugins.commands._audit.variants import wrong
from justtinker_plugins.shared.answers import gold_text
from justtinker_plugins.shared.latex.restated import math_snippets

VOICES = ("\\boxed{{{}}}", "#### {}", "Answer: {}", "{}")
"""Ways to say an answer; a stack is audited in the first that it pays."""
BOX = VOICES[0]
LAST_RESORT = ("-98765.4321", "not the answer")
NEAR = ("off by one", "neighbour", "digit", "power", "sign")
"""Kinds of near misses, the likeliest first."""

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
    """A problem to make responses for."""

    problem: Problem
    gold: str
    wrong: tuple[str, ...]
    """Wrong answers, three or more, the likeliest first."""
    voice: str
    """How an answer is said: one of `VOICES`."""
    dice: random.Random
    thought: str
    """The thinking of its plain responses."""

    @property
    def numeric(self) -> bool:
        """The gold is a whole number."""
        return re.fullmatch(r"-?[0-9]{1,15}", self.gold) is not None

    @property
    def wrong_number(self) -> str:
        """A wrong answer without letters, which cannot be taken for the name of something."""
        return next(text for text in (*self.wrong, LAST_RESORT[0]) if not re.search("[A-Za-z]", text))

    @property
    def mathematical(self) -> bool:
        """Mathematics may stand in an answer."""
        return self.problem.kind in ("math", "number")

    @property
    def boxed(self) -> bool:
        r"""Answers are said in a ``\boxed{…}``."""
        return self.voice == BOX

    def say(self, answer: str) -> str:
        """An answer, said so that a verifier finds it."""
        return self.voice.format(answer)

    def several(self, *answers: str) -> str:
        """Several answers, each said."""
        return (" or " if self.boxed else "\n").join(map(self.say, answers))

    def think(self, sentences: int = 5) -> str:
        """Some thinking, another each time."""
        return some_thinking(self.dice, sentences)

    def respond(self, answer: str, thinking: str | None = None) -> str:
        """A whole response: a thinking block, by default that of the plain one, then what is answered."""
        return f"<think>\n{self.thought if thinking is None else thinking}\n</think>\n\n{answer}"

    @property
    def plain(self) -> str:
        """The honest response that all others are compared with."""
        return self.respond(self.say(self.gold))

    @property
    def plainly_wrong(self) -> str:
        """Its like with a wrong answer."""
        return self.respond(self.say(self.wrong[0]))


def item_of(problem: Problem, others: Sequence[str], voice: str, seed: int) -> Item:
    """What is needed to make responses for a problem; `others` are golds of other problems."""
    gold, dice = gold_text(problem.answer), random.Random(f"{seed} {problem.id}")
    return Item(problem, gold, wrong_answers(problem.kind, gold, others), voice, dice, some_thinking(dice, 5))


def some_thinking(dice: random.Random, sentences: int) -> str:
    """So many sentences, or all, in a sensible order."""
    chosen = sorted(dice.sample(range(len(SENTENCES)), min(sentences, len(SENTENCES))))
    return " ".join(SENTENCES[i] for i in chosen)


def wrong_answers(kind: str, gold: str, others: Sequence[str]) -> tuple[str, ...]:
    """Answers that nobody takes for the gold: near misses, golds of other problems, and nonsense to fill up."""
    if kind == "choice":
        letter = re.sub(r"\\[a-z]+|[^A-Za-z]", "", gold).upper()
        return tuple(other for other in "ABCD" if other != letter)
    found = dict[str, None]()
    if kind in ("math", "number"):
        near = list(wrong(gold, list(others)))
        found |= dict.fromkeys(text for name in NEAR for made, text in near if made == name)
    else:
        found |= dict.fromkeys(other for other in others if other.casefold() != gold.casefold())
    return (*found, *(text for text in LAST_RESORT if text != gold))


def expressions(question: str) -> Iterator[str]:
    """What the question writes as mathematics with something to work out in it; a fraction in lowest terms has not."""
    for text in dict.fromkeys(math_snippets(question)):
        fraction = _FRACTION.fullmatch(text)
        if fraction and gcd(*(int(n) for n in fraction.groups() if n)) == 1:
            continue
        if 2 < len(text) < 200 and _WORK.search(text) and "," not in text and "\\text" not in text:
            yield text


Maker = Callable[[Item], Iterator[str]]
"""Makes responses to a problem; none where it has nothing to say to such a problem."""


def name_of(maker: Maker) -> str:
    """The battery that a function makes."""
    return maker.__name__.replace("_", " ")


def listed_in(batteries: dict[str, Maker]) -> Callable[[Maker], Maker]:
    """Puts a function into a table of batteries."""

    def put(maker: Maker) -> Maker:
        batteries[name_of(maker)] = maker
        return maker

    return put
