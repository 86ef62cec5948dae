r"""Golds whose unit the question fixes: asked in centimeters, ``25\text{ km}`` is wrong and a bare 25 is right."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from justtinker_plugins.commands._audit.items import Battery, Item, Topic, register_in
from justtinker_plugins.commands._audit.variants.forms import strip_wrapping

WRONG: dict[str, Battery] = {}
HONEST: dict[str, Battery] = {}
UNITS = {
    "millimeters": "mm", "centimeters": "cm", "meters": "m", "kilometers": "km", "feet": "ft", "miles": "mi",
    "grams": "g", "kilograms": "kg", "pounds": "lb", "seconds": "s", "minutes": "min", "hours": "h", "days": "",
    "liters": "l", "dollars": "", "cents": "",
}  # fmt: skip
"""Names with their signs, if they are usual in an answer."""
_KINDS = (
    ("millimeters", "centimeters", "meters", "kilometers", "feet", "miles"), ("grams", "kilograms", "pounds"),
    ("seconds", "minutes", "hours", "days"), ("dollars", "cents"), ("liters",),
)  # fmt: skip
_NAMES = "|".join(UNITS)
_ASKED = re.compile(rf"\b(?:in|how many) ({_NAMES})\b(?! *(?:per|/|squared|cubed))", re.IGNORECASE)
_GOLD = re.compile(
    r"((?:\\\$)?)([0-9]{1,12}(?:\.[0-9]{1,9})?|\\frac\{[0-9]+\}\{[0-9]+\})"
    r"(?:(?:\\,|[ ~])*\\(?:text|mathrm)\{ *([a-z]+) *\})?"
)


def asking_part(question: str) -> str:
    """Return a question from the sentence of its last question mark on, or its last sentence."""
    sentences = re.split(r"(?<=[.?!]) +", question.strip())
    asking = [i for i, sentence in enumerate(sentences) if "?" in sentence]
    return " ".join(sentences[asking[-1] if asking else -1 :])


def asked_unit(item: Item) -> tuple[str, str]:
    """Return the one unit in which the question asks, and the gold's number; two empty texts if there is none."""
    asked = {name.lower() for name in _ASKED.findall(asking_part(item.problem.question))}
    gold = _GOLD.fullmatch(strip_wrapping(item.gold))
    if len(asked) != 1 or gold is None or item.problem.kind != "math" or not gold[2].strip("0."):
        return "", ""
    [unit] = asked
    fits = gold[3] is None or gold[3] in (unit, UNITS[unit])
    return (unit, gold[2]) if fits and (not gold[1] or unit == "dollars") else ("", "")


@register_in(WRONG)
def another_unit_than_asked(item: Item) -> Iterator[str]:
    """The right number with another unit than the question asks for: of the same kind, of another, squared."""
    unit, number = asked_unit(item)
    if not unit:
        return
    same = next(kind for kind in _KINDS if unit in kind)
    others = [name for name in same if name != unit] + [kind[0] for kind in _KINDS if kind != same]
    endings = [f"\\text{{ {other}}}" for other in others]
    endings += [f"~\\mathrm{{{UNITS[other]}}}" for other in others if UNITS[other]]
    endings += [f"\\text{{ {UNITS[unit] or unit}}}^2", "\\%", f"\\text{{ {unit} per {others[-1][:-1]}}}", "^\\circ"]
    yield from (item.respond(item.format(number + ending)) for ending in endings)


@register_in(HONEST)
def the_unit_asked_for(item: Item) -> Iterator[str]:
    """The right number with the unit that the question asks for, in words or as a sign, or without it."""
    unit, number = asked_unit(item)
    if not unit:
        return
    texts = [number, f"{number}\\text{{ {unit}}}", f"{number} \\text{{ {unit}}}", f"{number}~\\mathrm{{{unit}}}"]
    if sign := UNITS[unit]:
        texts += [f"{number}\\text{{ {sign}}}", f"{number}~\\mathrm{{{sign}}}"]
        texts += [f"{number}\\ \\mathrm{{{sign}}}", f"{number}\\,\\text{{{sign}}}"]
    if unit == "dollars":
        texts.append(f"\\${number}")
    yield from (item.respond(item.format(text)) for text in texts if text != item.gold)


def draw_problems(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Draw problems that ask for a length, a weight, a time and an amount of money in a certain unit."""
    a, b = rng.randrange(5, 40), rng.choice((4, 5, 20))
    yield f"A ribbon of {a} m is cut into {b} equal parts. How long is each, in centimeters?", f"{a * 100 // b}"
    yield f"A path is {a}.25 km long. What is its length in meters?", f"{a * 1000 + 250}"
    yield f"A train needs {a} minutes. How many seconds is that?", f"{60 * a}"
    yield f"{b} equal bricks weigh {a * b} kg. How many grams does one weigh?", f"{1000 * a}"
    yield f"One ticket costs {a}.25 dollars. How many dollars do four cost?", f"{4 * a + 1}"
    yield f"One stamp costs 85 cents. How much do {b} stamps cost, in dollars?", f"{0.85 * b:.2f}"
    yield f"A board of {2 * a + 1} m is halved. How many meters long is each half?", f"{a}.5"


TOPIC = Topic(WRONG, HONEST, draw_problems)
