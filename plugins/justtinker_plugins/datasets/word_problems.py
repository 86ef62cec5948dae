r"""Word problems of one and two steps, by a teacher who makes mistakes: a first task for a small real model.

A question is a short story about small whole numbers, and so is its answer. A demonstration takes a line of thinking
for each step, and boxes the last result:

>>> from justtinker_plugins.datasets.word_problems import TEMPLATES, demonstrate
>>> boxes = TEMPLATES["boxes and loose ones"]
>>> boxes.text
'{name} has {a} boxes of {b} {things} and {c} loose {things}. How many {things} does {name} have?'
>>> boxes.steps
('a*b {things}', '_+c {things}')
>>> demonstrate(boxes.steps, (3, 4, 5), "pens")
'<think>3 * 4 = 12 pens. 12 + 5 = 17 pens.</think>\\boxed{17}'

The teacher may take a wrong operation, drop the second step, or slip in a result:

>>> demonstrate(("a+b {things}", "_+c {things}"), (3, 4, 5), "pens")
'<think>3 + 4 = 7 pens. 7 + 5 = 12 pens.</think>\\boxed{12}'
>>> demonstrate(boxes.steps[:1], (3, 4, 5), "pens")
'<think>3 * 4 = 12 pens.</think>\\boxed{12}'
>>> demonstrate(boxes.steps, (3, 4, 5), "pens", slips=(-1, 0))
'<think>3 * 4 = 11 pens. 11 + 5 = 16 pens.</think>\\boxed{16}'

So imitation teaches the form but little skill, and leaves something for reinforcement to teach. This plugin writes no
prompts, and reads nothing from disk or network.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice, product, zip_longest
from typing import Annotated, NamedTuple, TypeVar

from pydantic import Field

from justtinker_core import DataSpec, Problem, RunContext, hookimpl, plugin
from justtinker_plugins.shared.overlap import overlap_complaints

T = TypeVar("T")
Share = Annotated[float, Field(ge=0, le=1)]
Numbers = tuple[int, ...]
Mistake = tuple[tuple[str, ...], Numbers]
"""The steps that the teacher takes instead, and what is added to their results."""
LEVELS = (1, 2)
SORTS = ("numbers", "template")
"""What is new in a held-out problem."""
FACTORS = range(2, 10)
"""What is multiplied, divided by, and the result of a division."""
NO_SLIPS: Numbers = (0, 0)
SLIPS = (-10, -2, -1, 1, 2, 10)
NAMES = (
    "Tom", "Anna", "Ben", "Sam", "Mia", "Leo", "Lucy", "Jack", "Emma", "Max", "Kate", "Paul", "Rosa", "Adam", "Lily",
    "Omar", "Nina", "Luke", "Sara", "David",
)  # fmt: skip
NEW_NAMES = ("Peter", "Julia", "Laura", "Mark", "Alice", "Daniel")
"""For evaluation."""
THINGS = (
    "apples", "pens", "books", "cards", "coins", "eggs", "shells", "stones", "cookies", "stamps", "balls", "toys",
    "flowers", "oranges", "buttons", "stickers", "candles", "cups", "marbles", "lemons",
)  # fmt: skip


class Template(NamedTuple):
    """A story with blanks, and how to solve it."""

    text: str
    """With ``{a}``, ``{b}``, ``{c}`` for the numbers, and ``{name}``, ``{friend}``, ``{things}``."""
    steps: tuple[str, ...]
    """Each step as ``a*b unit``: two numbers, or ``_`` for the last result, an operation, and what it counts."""

    @property
    def shape(self) -> tuple[str, ...]:
        """What is calculated, without units."""
        return tuple(step.split()[0] for step in self.steps)


TEMPLATES: Mapping[str, Template] = {
    name: Template(text, tuple(steps.split("; ")))
    for name, text, steps in (
        # one step
        ("a gift", "{name} has {a} {things}. {friend} gives {name} {b} more. How many {things} does {name} have now?",
         "a+b {things}"),
        ("two bags", "{name} has {a} {things} in one bag and {b} in another bag. How many {things} does {name} have in "
         "all?", "a+b {things}"),
        ("two days", "{name} sold {a} {things} on Monday and {b} on Tuesday. How many did {name} sell altogether?",
         "a+b {things}"),
        ("a bus", "{name} drives a bus with {a} people. Then {b} more get on. How many people does {name} drive now?",
         "a+b people"),
        ("lost", "{name} had {a} {things} but lost {b} of them. How many {things} are left?", "a-b {things}"),
        ("pages to read", "A book has {a} pages. {name} has read {b} of them. How many pages are still to read?",
         "a-b pages"),
        ("how many more", "{name} has {a} {things} and {friend} has {b}. How many more does {name} have?",
         "a-b {things}"),
        ("boys and girls", "{name}'s class has {a} children, and {b} of them are girls. How many boys does {name}'s "
         "class have?", "a-b boys"),
        ("boxes", "{name} has {a} boxes with {b} {things} in each. How many {things} does {name} have?",
         "a*b {things}"),
        ("tickets", "A ticket costs {a} dollars. How many dollars does {name} pay for {b} tickets?", "a*b dollars"),
        ("rows of trees", "{name} plants {a} rows of {b} trees each. How many trees does {name} plant?", "a*b trees"),
        ("every day", "{name} reads {a} pages every day. How many pages does {name} read in {b} days?", "a*b pages"),
        ("sharing", "{name} shares {a} {things} equally among {b} friends. How many does {name} give to each friend?",
         "a/b {things}"),
        ("packing", "{name} packs {a} {things} into bags, {b} in each bag. How many bags does {name} fill?",
         "a/b bags"),
        ("teams", "{name} splits {a} players into teams of {b}. How many teams does {name} get?", "a/b teams"),
        ("price of one", "{b} {things} cost {a} dollars together. How many dollars is each of them?", "a/b dollars"),
        # two steps
        ("boxes and loose ones",
         "{name} has {a} boxes of {b} {things} and {c} loose {things}. How many {things} does {name} have?",
         "a*b {things}; _+c {things}"),
        ("savings", "{name} saves {b} dollars a week. After {a} weeks {friend} gives {name} {c} dollars. How many "
         "dollars does {name} have?", "a*b dollars; _+c dollars"),
        ("a shop", "A shop gets {a} bags with {b} {things} in each and sells {c} of the {things}. How many are left?",
         "a*b {things}; _-c {things}"),
        ("free seats", "{name} sees {a} rows of {b} seats. {c} of the seats are taken. How many free seats "
         "does {name} see?", "a*b seats; _-c seats"),
        ("change", "{name} has {c} dollars and buys {a} {things} for {b} dollars each. How many dollars does "
         "{name} keep?", "a*b dollars; c-_ dollars"),
        ("a rope", "A rope is {c} feet long. {name} cuts off {a} pieces of {b} feet each. How many feet remain?",
         "a*b feet; c-_ feet"),
        ("found and given", "{name} finds {a} {things} in the morning and {b} in the evening, then gives {c} of them "
         "to {friend}. How many does {name} keep?", "a+b {things}; _-c {things}"),
        ("a train", "{name} counts {a} people on a train. Then {b} get on and {c} get off. How many people does {name} "
         "count now?", "a+b people; _-c people"),
        ("cups and plates", "Every day {name} paints {a} cups and {b} plates. How many pieces does {name} paint in {c} "
         "days?", "a+b pieces; _*c pieces"),
        ("balloons", "{c} children get {a} red and {b} blue balloons each. How many balloons do they get in all?",
         "a+b balloons; _*c balloons"),
        ("bags filled together", "{name} has {a} {things} and {friend} has {b}. Together they put them into bags of "
         "{c}. How many bags do they fill?", "a+b {things}; _/c bags"),
        ("shared baking", "{name} bakes {a} cakes and {friend} bakes {b}. {name} shares them all equally among {c} "
         "guests. How many cakes does each one get?", "a+b cakes; _/c cakes"),
        ("sharing the rest", "{name} has {a} {things} and keeps {b}. {c} friends share the rest equally. How many "
         "{things} does each friend get?", "a-b {things}; _/c {things}"),
        ("days of reading", "A book has {a} pages. {name} has read {b} of them and now reads {c} pages a day. How many "
         "days will the rest take?", "a-b pages; _/c days"),
        ("more than", "{name} has {a} {things}. {friend} has {b} more than {name}. How many {things} do they have "
         "together?", "a+b {things}; a+_ {things}"),
        ("two walks", "{name} walked {a} miles. {friend} walked {b} miles more than {name}. How many miles did {name} "
         "and {friend} walk?", "a+b miles; a+_ miles"),
        ("times as many", "{name} has {a} {things}. {friend} has {b} times as many. How many {things} do they have "
         "together?", "a*b {things}; a+_ {things}"),
        ("small and big", "A small box holds {a} {things}. A big box holds {b} times as many. How many {things} do the "
         "two boxes hold?", "a*b {things}; a+_ {things}"),
        ("price of some", "{b} {things} cost {a} dollars. How many dollars do {c} {things} cost?",
         "a/b dollars; _*c dollars"),
        ("a machine", "A machine makes {a} {things} in {b} hours. How many {things} does it make in {c} hours?",
         "a/b {things}; _*c {things}"),
    )
}  # fmt: skip
"""All stories by name. What is calculated in one is calculated in another one, too."""


class Story(NamedTuple):
    """A template's name and its numbers."""

    template: str
    numbers: Numbers

    @property
    def key(self) -> tuple[str, Numbers]:
        """The same for stories that differ only in the order of their numbers."""
        return self.template, tuple(sorted(self.numbers))


@plugin
class WordProblems:
    """Word problems of one and two steps (`level` in the metadata), with held-out ones for evaluation.

    Evaluation asks two sorts (`new` in the metadata): ``numbers`` that training never puts into this template, in any
    order, and a ``template`` that it never uses; both are about other people. Only `largest` and the options that begin
    with held_out decide which. So every stage and every run that leaves them alone is evaluated on the same problems,
    whatever its seed.
    """

    count: Annotated[int, Field(ge=1)] = 1500
    """Number of training problems, all different, half of each level."""
    largest: Annotated[int, Field(ge=15, le=50)] = 20
    """Largest number in sums and differences; factors, divisors and quotients are from 2 to 9. Use the same in the
    tables for training and evaluation."""
    held_out: Annotated[int, Field(ge=2, le=200)] = 100
    """Number of evaluation problems of each sort, half of each level. Use the same in both tables."""
    held_out_templates: Annotated[int, Field(ge=1, le=4)] = 4
    """Number of templates of each level that training never uses. Use the same in both tables."""
    held_out_seed: int = 2026
    """Seed that draws these templates and numbers. Use the same in both tables."""
    mistakes: Share = 0.7
    """Probability that a demonstration has a mistake: a wrong operation, no second step, or a slip in a result."""
    no_thinking: Share = 0.05
    """Probability that a demonstration is only its box."""

    def __post_init__(self) -> None:
        if self.held_out > (most := 2 * min(sum(map(len, self._new(new, level))) for new in SORTS for level in LEVELS)):
            raise ValueError(f"held_out = {self.held_out}: expected at most {most}, or more held_out_templates")
        if self.count > (most := 2 * min(sum(map(len, self._allowed(level))) for level in LEVELS)):
            raise ValueError(f"count = {self.count}: expected at most {most}, which are left for training")

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Training problems with demonstrations, as `seed` draws them; or held-out ones without."""
        return self._evaluation() if spec.purpose == "eval" else self._training(seed)

    @hookimpl
    def preflight(self, run: RunContext) -> Sequence[str]:
        """A complaint for each evaluation set that asks what the run trains on, or calls a template new that is not."""
        same = (
            "give largest, held_out, held_out_templates and held_out_seed the same values in both tables (or once, in "
            "[plugins.word_problems])"
        )
        return [
            *overlap_complaints(run, "word_problems", "problems", key_of, same),
            *overlap_complaints(run, "word_problems", "new templates", template_of, same),
        ]

    def _training(self, seed: int) -> Iterator[Problem]:
        rng = random.Random(f"word problems {seed}")
        levels = [deal([rng.sample(stories, len(stories)) for stories in self._allowed(level)]) for level in LEVELS]
        for story in islice(deal(levels), self.count):
            things = rng.choice(THINGS)
            text = self._demonstration(story, things, rng)
            yield problem_of(story, rng.sample(NAMES, 2), things, {}, text)

    def _demonstration(self, story: Story, things: str, rng: random.Random) -> str:
        steps, slips = TEMPLATES[story.template].steps, NO_SLIPS
        if rng.random() < self.mistakes:
            steps, slips = rng.choice(rng.choice(mistakes_in(steps, story.numbers)))
        text = demonstrate(steps, story.numbers, things, slips)
        return text.rpartition("</think>")[2] if rng.random() < self.no_thinking else text

    def _evaluation(self) -> Iterator[Problem]:
        rng = random.Random(f"word problems held out {self.held_out_seed}")
        for stories in zip(*map(self._held_out, SORTS), strict=True):
            for new, story in zip(SORTS, stories, strict=True):
                yield problem_of(story, rng.sample(NEW_NAMES, 2), rng.choice(THINGS), {"new": new})

    def _held_out(self, new: str) -> list[Story]:
        """The held-out problems of one sort. Fewer are the beginning of more."""
        return list(islice(deal([deal(self._new(new, level)) for level in LEVELS]), self.held_out))

    def _new(self, new: str, level: int) -> list[tuple[Story, ...]]:
        """For each template of a sort and level, its stories in the order in which they are held out."""
        hidden = hidden_templates(self.held_out_seed, level, self.held_out_templates)
        names = hidden if new == "template" else (name for name in names_of(level) if name not in hidden)
        return [held_out_order(self.held_out_seed, name, self.largest) for name in names]

    def _allowed(self, level: int) -> list[list[Story]]:
        """For each template that training uses, its stories that are not held out."""
        hidden = hidden_templates(self.held_out_seed, level, self.held_out_templates)
        forbidden = {story.key for story in self._held_out("numbers")}
        return [
            [story for story in stories_of(name, self.largest) if story.key not in forbidden]
            for name in names_of(level)
            if name not in hidden
        ]


def deal(hands: Iterable[Iterable[T]]) -> Iterator[T]:
    """Take one of each in turn, until all are used up."""
    return (card for cards in zip_longest(*hands) for card in cards if card is not None)


def names_of(level: int) -> list[str]:
    """The names of a level's templates."""
    return [name for name, template in TEMPLATES.items() if len(template.steps) == level]


def hidden_templates(seed: int, level: int, count: int) -> list[str]:
    """Draw the templates that training never uses; it has another one for what is calculated in each."""
    rng = random.Random(f"word problems templates {seed} {level}")
    shapes: dict[tuple[str, ...], list[str]] = {}
    for name in names_of(level):
        shapes.setdefault(TEMPLATES[name].shape, []).append(name)
    drawn = [rng.choice(names) for names in rng.sample(list(shapes.values()), len(shapes))]
    return drawn[:count]


@cache
def held_out_order(seed: int, name: str, largest: int) -> tuple[Story, ...]:
    """A template's stories in random order, each with its numbers in one order only."""
    stories = stories_of(name, largest)
    drawn = random.Random(f"word problems numbers {seed} {name}").sample(stories, len(stories))
    return tuple({story.key: story for story in drawn}.values())


@cache
def stories_of(name: str, largest: int) -> tuple[Story, ...]:
    """All stories of a template, with numbers for which every step is sensible."""
    first, *others = TEMPLATES[name].shape
    sums = range(2, largest + 1)
    pairs: Iterable[Numbers] = product(sums if first[1] in "+-" else FACTORS, repeat=2)
    if first[1] == "/":
        pairs = ((quotient * divisor, divisor) for quotient, divisor in pairs)
    third: list[Numbers] = [()]
    if "c" in "".join(others):
        third = [(c,) for c in (sums if others[0][1] in "+-" else FACTORS)]
    return tuple(
        Story(name, (*pair, *c)) for pair, c in product(pairs, third) if sensible((first, *others), (*pair, *c), sums)
    )


def operands(step: str, numbers: Numbers, last: int) -> tuple[int, int]:
    """The two numbers of a step such as ``a*b`` or ``c-_``."""
    x, y = (last if letter == "_" else numbers["abc".index(letter)] for letter in (step[0], step[2]))
    return x, y


def calculate(step: str, numbers: Numbers, last: int) -> int:
    """The result of a step; 0 if it is not a whole number."""
    x, y = operands(step, numbers, last)
    quotient = x // y if y and x % y == 0 else 0
    return {"+": x + y, "-": x - y, "*": x * y, "/": quotient}[step[1]]


def sensible(steps: Sequence[str], numbers: Numbers, sums: range) -> bool:
    """Whether sums and differences stay within `sums`, and factors, divisors and quotients within FACTORS."""
    results = results_of(steps, numbers)
    for step, last, result in zip(steps, [0, *results], results, strict=False):
        x, y = operands(step, numbers, last)
        bounded = {"+": (x, y, result), "-": (x, y, result), "*": (x, y), "/": (y, result)}[step[1]]
        if not all(number in (sums if step[1] in "+-" else FACTORS) for number in bounded):
            return False
    return True


def results_of(steps: Sequence[str], numbers: Numbers, slips: Numbers = NO_SLIPS) -> list[int]:
    """The result of each step, with the slip that is added to it."""
    results = [0]
    for step, slip in zip(steps, slips, strict=False):
        results.append(calculate(step, numbers, results[-1]) + slip)
    return results[1:]


def mistakes_in(steps: tuple[str, ...], numbers: Numbers) -> list[list[Mistake]]:
    """The mistakes of each sort that lead to a wrong answer, by way of positive whole numbers."""
    swaps = [
        (*steps[:i], step[0] + operation + step[2:], *steps[i + 1 :])
        for i, step in enumerate(steps)
        for operation in "+-*/"
    ]
    sorts: list[list[Mistake]] = [
        [(swap, NO_SLIPS) for swap in swaps],
        [(steps[:-1], NO_SLIPS)] if len(steps) > 1 else [],
        [(steps, slips) for slip in SLIPS for slips in ((slip, 0), (0, slip))[: len(steps)]],
    ]
    right = results_of(steps, numbers)[-1]
    possible = [
        [one for one in sort if min(results := results_of(one[0], numbers, one[1])) > 0 and results[-1] != right]
        for sort in sorts
    ]
    return [sort for sort in possible if sort]


def demonstrate(steps: Sequence[str], numbers: Numbers, things: str, slips: Numbers = NO_SLIPS) -> str:
    """Take the steps in the thinking, and box the last result. `slips` are added to the results."""
    results = results_of(steps, numbers, slips)
    lines = []
    for step, last, result in zip(steps, [0, *results], results, strict=False):
        x, y = operands(step, numbers, last)
        lines.append(f"{x} {step[1]} {y} = {result}{step[3:].format(things=things)}.")
    return f"<think>{' '.join(lines)}</think>\\boxed{{{results[-1]}}}"


def problem_of(
    story: Story, names: Sequence[str], things: str, meta: Mapping[str, str], demonstration: str | None = None
) -> Problem:
    """The problem of a story about two people."""
    template, (name, friend) = TEMPLATES[story.template], names
    blanks = dict(zip("abc", story.numbers, strict=False))
    question = template.text.format(**blanks, name=name, friend=friend, things=things)
    answer = str(results_of(template.steps, story.numbers)[-1])
    known = {"level": len(template.steps), "template": story.template, **meta}
    return Problem(
        f"{story.template}: {', '.join(map(str, story.numbers))}", question, answer, "math", demonstration, known
    )


def key_of(problem: Problem) -> Hashable:
    """The template and the numbers of a problem, in any order; None for a problem of another data set."""
    template, numbers = problem.id.rpartition("/")[2].rpartition(": ")[::2]  # a mix puts the source's name before it
    known = template in TEMPLATES and problem.meta.get("template") == template
    return Story(template, tuple(map(int, numbers.split(", ")))).key if known else None


def template_of(problem: Problem) -> Hashable:
    """The template of a problem that is trained on, or is asked because its template is new; else None."""
    return None if key_of(problem) is None or problem.meta.get("new") == "numbers" else problem.meta["template"]
