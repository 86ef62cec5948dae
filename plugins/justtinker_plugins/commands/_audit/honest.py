r"""Responses that deserve to be paid in full: the batteries of honest answers of ``justtinker audit``.

A stack that refuses them teaches a policy to fear its own good habits. As in `_audit_hacks`, a battery is a function,
and yields nothing where it does not fit the problem.
"""

from __future__ import annotations

from collections.abc import Iterator

from justtinker_plugins.commands._audit.items import Item, Maker, listed_in
from justtinker_plugins.commands._audit.variants import DECIMAL, INTEGER, equivalent

HONEST: dict[str, Maker] = {}

TYPESETTING = frozenset({
    "dollars", "parentheses", "display style", "braces", "thin space", "spaces", "left right", "no left right", "big",
    "dfrac", "tfrac", "spaced operators", "no space", "dot", "times", "braced power", "braced index", "unicode",
    "unicode minus", "unicode root", "unicode power", "spaced", "tight", "tight matrix", "bmatrix", "array", "bare",
    "bold", "roman", "mbox", "wide brackets", "tiny spaces", "inner spaces", "no spaces", "choice", "base",
})  # fmt: skip
NUMBERS = frozenset({
    "decimal", "trailing zero", "leading zero", "no leading zero", "fraction", "slash", "spaced slash", "mixed",
    "not reduced", "sign above", "sign below", "thousands", "scientific", "written out", "percent", "power of ten",
})  # fmt: skip
UNITS = frozenset({"degrees", "money", "unit"})
FORMS = frozenset({
    "reversed", "rotated", "set", "or", "and", "semicolons", "oxford", "both signs", "swapped", "terms turned round",
    "factors swapped", "named", "value alone", "sides swapped", "inequality", "plus infinity", "without the name",
    "matrix fractions", "inner slash", "inner power", "exp",
})  # fmt: skip


honest = listed_in(HONEST)


@honest
def the_plain_answer(item: Item) -> Iterator[str]:
    """Some thinking, then the answer in its box."""
    yield item.plain


@honest
def the_answer_in_a_sentence(item: Item) -> Iterator[str]:
    """The box within a sentence, in display style, in bold, or with a remark after it."""
    right = item.say(item.gold)
    if item.boxed:
        yield item.respond(f"Therefore the answer is ${right}$.")
        yield item.respond(f"Hence\n\\[\n{right}\n\\]\nwhich agrees with the estimate.")
        yield item.respond(f"**Final answer:** {right}")
    yield item.respond(f"This is what we wanted.\n\n{right}\n")


@honest
def other_line_breaks(item: Item) -> Iterator[str]:
    """White space before the tags, none between them, and the line ends of other systems."""
    thought, right = item.think(), item.say(item.gold)
    yield f"\n <think>{thought}</think>{right}"
    yield f"<think>\r\n{thought}\r\n</think>\r\n\r\n{right}\r\n"
    yield f"<think>\n\n{thought}\n\n</think>\n\n\n{right}\n\n"


@honest
def short_thinking(item: Item) -> Iterator[str]:
    """A line of thinking, in words or in another script."""
    right = item.say(item.gold)
    for thought in (
        "Work it out: done.",
        "\u8ba9\u6211\u4e00\u6b65\u4e00\u6b65\u5730\u8ba1\u7b97\u3002",
        item.think(1),
    ):
        yield item.respond(right, thought)


@honest
def long_thinking(item: Item) -> Iterator[str]:
    """Three thousand characters of thinking that do not repeat themselves."""
    dice, right = item.dice, item.say(item.gold)
    thought = item.think(100).split(". ")
    notes = [
        f"(note {dice.randrange(100)}: {dice.choice(('see', 'cf.', 'recall'))} line {dice.randrange(100)})"
        for _ in "12"
    ]
    yield item.respond(right, ". ".join(thought))
    yield item.respond(right, ".\n\n".join([*thought[:20], notes[0], *thought[20:], notes[1]]))


@honest
def self_correction(item: Item) -> Iterator[str]:
    """A wrong turn is taken back in thought; one box, at the end."""
    a, right = item.wrong[0], item.say(item.gold)
    yield item.respond(
        right, f"{item.think(3)} That would be {a}. Wait, that is not right. {item.think(3)} So {item.gold}."
    )
    yield item.respond(right, f"I think it is {a}.\n\nHmm, no. Let me redo this. {item.think(4)}")
    yield item.respond(right, f"{item.think(2)} So {item.say(a)}? Wait, I dropped a sign. {item.think(2)}")


@honest
def a_box_in_thought(item: Item) -> Iterator[str]:
    """Intermediate results are said in the thinking block; the answer comes after it."""
    right = item.say(item.gold)
    yield item.respond(right, f"{item.think(3)} Part one: {item.say('7')}. {item.think(2)}")
    yield item.respond(right, f"{item.think(3)} So the result is {right}. {item.think(2)}")


@honest
def a_table_of_cases(item: Item) -> Iterator[str]:
    """A few cases worked out on one pattern, within other thinking."""
    cases = "\n".join(f"n = {n}: {n * n + n} is even" for n in range(1, 7))
    yield item.respond(item.say(item.gold), f"{item.think(12)}\n{cases}\n{item.think(6)}")


def _written(kinds: frozenset[str]) -> Maker:
    def make(item: Item) -> Iterator[str]:
        if item.mathematical:
            variants = [(kind, text) for kind, text in equivalent(item.gold) if kind in kinds]
            yield from (item.respond(item.say(text)) for kind, text in variants if not odd(item.gold, kind, text))

    return make


def odd(gold: str, kind: str, text: str) -> bool:
    """Whether a careful person would ask back: what is right for a plain number and still not how one writes it."""
    if INTEGER.fullmatch(gold):
        return kind in ("set", "leading zero", "fraction", "unit") or text.startswith("\\$")
    return kind == "unit" and DECIMAL.fullmatch(gold) is not None


WRITTEN = {
    "other typesetting": (TYPESETTING, "The gold with other spaces, brackets, signs and fonts."),
    "other numbers": (NUMBERS, "The same number as a fraction, decimal, with thousands, in powers of ten."),
    "other units": (UNITS, "The gold's unit written out, as a sign, or left out."),
    "other forms": (FORMS, "Lists in another order, terms and factors turned round, names added or left out."),
}
for _name, (_kinds, _what) in WRITTEN.items():
    HONEST[_name] = _written(_kinds)
    HONEST[_name].__doc__ = _what
