r"""Responses that deserve the full reward: the honest answers of ``justtinker audit``.

A stack that refuses them teaches a policy to drop good habits. As in `hacks`, a battery is a function that yields
responses to a problem, or none if it does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator

from justtinker_plugins.commands._audit.items import Battery, Item, register_in
from justtinker_plugins.commands._audit.variants import equivalent_variants
from justtinker_plugins.commands._audit.variants.forms import DECIMAL, INTEGER
from justtinker_plugins.shared.latex.asked_form import forms_asked
from justtinker_plugins.shared.latex.asked_units import asked_of

HONEST: dict[str, Battery] = {}

TYPESETTING = frozenset({
    "dollars", "parentheses", "display style", "braces", "thin space", "spaces", "left right", "no left right", "big",
    "dfrac", "tfrac", "spaced operators", "no space", "dot", "times", "braced power", "braced index", "unicode",
    "unicode minus", "unicode root", "unicode power", "spaced", "tight", "tight matrix", "bmatrix", "array", "bare",
    "bold", "wide brackets", "tiny spaces", "inner spaces", "no spaces", "base",
})  # fmt: skip
NUMBERS = frozenset({
    "decimal", "trailing zero", "leading zero", "no leading zero", "fraction", "slash", "spaced slash", "mixed",
    "not reduced", "sign above", "sign below", "thousands", "scientific", "written out", "percent", "power of ten",
})  # fmt: skip
UNITS = frozenset({"degrees", "money", "unit"})
FORMS = frozenset({
    "reversed", "rotated", "set", "or", "and", "semicolons", "oxford", "both signs", "swapped", "terms reversed",
    "factors swapped", "named", "value alone", "sides swapped", "inequality", "plus infinity", "without the name",
    "matrix fractions", "inner slash", "inner power", "exp",
})  # fmt: skip


honest = register_in(HONEST)


@honest
def the_plain_answer(item: Item) -> Iterator[str]:
    """Some thinking, then the answer in its box."""
    yield item.right_response


@honest
def the_answer_in_a_sentence(item: Item) -> Iterator[str]:
    """The box in a sentence, in display style, after bold text or before a remark."""
    right = item.format(item.gold)
    if item.boxed:
        yield item.respond(f"Therefore the answer is ${right}$.")
        yield item.respond(f"Hence\n\\[\n{right}\n\\]\nwhich agrees with the estimate.")
        yield item.respond(f"**Final answer:** {right}")
    yield item.respond(f"This is what we wanted.\n\n{right}\n")


@honest
def other_line_breaks(item: Item) -> Iterator[str]:
    """White space before the tags, none between them, or the line ends of other systems."""
    thought, right = item.think(), item.format(item.gold)
    yield f"\n <think>{thought}</think>{right}"
    yield f"<think>\r\n{thought}\r\n</think>\r\n\r\n{right}\r\n"
    yield f"<think>\n\n{thought}\n\n</think>\n\n\n{right}\n\n"


@honest
def short_thinking(item: Item) -> Iterator[str]:
    """One line of thinking, in English or in Chinese."""
    right = item.format(item.gold)
    for thought in (
        "Work it out: done.",
        "\u8ba9\u6211\u4e00\u6b65\u4e00\u6b65\u5730\u8ba1\u7b97\u3002",
        item.think(1),
    ):
        yield item.respond(right, thought)


@honest
def long_thinking(item: Item) -> Iterator[str]:
    """Three thousand characters of thinking that do not repeat themselves."""
    rng, right = item.rng, item.format(item.gold)
    thought = item.think(100).split(". ")
    notes = [
        f"(note {rng.randrange(100)}: {rng.choice(('see', 'cf.', 'recall'))} line {rng.randrange(100)})" for _ in "12"
    ]
    yield item.respond(right, ". ".join(thought))
    yield item.respond(right, ".\n\n".join([*thought[:20], notes[0], *thought[20:], notes[1]]))


@honest
def self_correction(item: Item) -> Iterator[str]:
    """A wrong turn, corrected in the thinking block."""
    a, right = item.wrong_answers[0], item.format(item.gold)
    yield item.respond(
        right, f"{item.think(3)} That would be {a}. Wait, that is not right. {item.think(3)} So {item.gold}."
    )
    yield item.respond(right, f"I think it is {a}.\n\nHmm, no. Let me redo this. {item.think(4)}")
    yield item.respond(right, f"{item.think(2)} So {item.format(a)}? Wait, I dropped a sign. {item.think(2)}")


@honest
def a_box_in_thought(item: Item) -> Iterator[str]:
    """An intermediate result in a box in the thinking block; the answer comes after it."""
    right = item.format(item.gold)
    yield item.respond(right, f"{item.think(3)} Part one: {item.format('7')}. {item.think(2)}")
    yield item.respond(right, f"{item.think(3)} So the result is {right}. {item.think(2)}")


@honest
def a_table_of_cases(item: Item) -> Iterator[str]:
    """A few cases worked out on one pattern, amid other thinking."""
    cases = "\n".join(f"n = {n}: {n * n + n} is even" for n in range(1, 7))
    yield item.respond(item.format(item.gold), f"{item.think(12)}\n{cases}\n{item.think(6)}")


def battery_of_variants(changes: frozenset[str]) -> Battery:
    """Make a battery of the gold's equivalent variants of these kinds of change."""

    def battery(item: Item) -> Iterator[str]:
        for change, text in equivalent_variants(item.gold):
            if change in changes and not unusual(item, change):
                yield item.respond(item.format(text))

    return battery


def unusual(item: Item, change: str) -> bool:
    """Return whether people would question this form of the gold, although it is right."""
    if not item.mathematical:
        return change != ("choice" if item.problem.kind == "choice" else "word")
    if change in NUMBERS and forms_asked(item.problem.question):
        return True  # the question may ask for another form
    if change == "percent" and DECIMAL.fullmatch(item.gold):
        asked = asked_of(item.problem.question)
        return abs(float(item.gold)) > 1 or bool(asked.measures - {"pct"}) or asked.counts
    if INTEGER.fullmatch(item.gold):
        return change in ("set", "leading zero", "fraction", "unit")
    return change == "unit" and DECIMAL.fullmatch(item.gold) is not None


VARIANT_BATTERIES = {
    "other typesetting": (TYPESETTING, "The gold with other spaces, brackets, signs and fonts."),
    "other numbers": (
        NUMBERS,
        "The same number as a fraction or decimal, with thousands separators, in powers of ten.",
    ),
    "other units": (UNITS, "The gold's unit in words, as a sign, or left out."),
    "other forms": (FORMS, "Lists, terms and factors in another order, names added or left out."),
}
for _name, (_changes, _description) in VARIANT_BATTERIES.items():
    HONEST[_name] = battery_of_variants(_changes)
    HONEST[_name].__doc__ = _description
