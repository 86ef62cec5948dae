r"""What a question says about units and nouns: which unit it asks for, what it counts, and what it calls things.

"in centimeters", "how many dollars" and "what percent" fix the unit. `wrong_unit` refuses an answer in another one,
although its number equals a gold without a unit: 25 m is not 25 cm. Where the question counts things, it refuses any
unit, and groups of them: 8 pairs are not 8 gloves. A question that says nothing of units fixes none.

English, Spanish and Chinese. Only the last sentence that asks counts, and those that say how to write the answer.
"""

# ruff: noqa: RUF001 (Chinese punctuation)
from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from justtinker_plugins.shared.latex.ladder import readings_of
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.number_words import FACTORS, NUMBER_WORDS, SMALL_NUMBERS
from justtinker_plugins.shared.latex.numbers import strip_marks
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.units import (
    CJK,
    LETTERS,
    MONEY,
    MONEY_WORDS,
    THINGS,
    is_unit,
    is_unit_word,
    measure,
    same_measure,
)
from justtinker_plugins.shared.latex.values import nodes, symbols


class Asked(NamedTuple):
    """What a question says about the unit and the nouns of its answer."""

    measures: frozenset[str]
    """The units that it asks for, as `units.measure` spells them; empty if it fixes none."""
    counts: bool
    """Whether it asks for a number of things."""
    money: frozenset[str]
    """The currencies that it names."""
    nouns: frozenset[str]
    """The words that may follow the number, as `stem` writes them."""
    grouped: frozenset[str]
    """Those that may only follow a group: 8 pairs of gloves are not 8 gloves."""
    factors: frozenset[str]
    """Words such as "million" that belong to the question: "in millions", "how many dozen"."""
    chinese: str
    """What follows the Chinese words for "how many"."""


LONGEST = 20_000
"""Characters of a question that are read."""
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_UPRIGHT = re.compile(r"\\(?:text|mathrm|mbox|rm|textrm|textbf)\s*\{\s*([^{}]*)\}")
_MARK = "\x01"
"""Stands before what was in ``\\text`` or ``\\mathrm``."""
_FORMULA = re.compile(r"\$\$?[^$]*\$\$?|\\\(.*?\\\)|\\\[.*?\\\]", re.DOTALL)
_LONG_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}")
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+|(?<=[。？！；])|\n\s*\n")

_IMPERATIVES = "find|compute|determine|calculate|evaluate|calcul[ae]|hall[ae]|encuentr[ae]|determin[ae]"
_ASKS = re.compile(
    rf"\b(?P<word>how|what|which|cuánt[oa]s?|qué|cuál(?:es)?|{_IMPERATIVES})\b|多少|几|求", re.IGNORECASE
)
_SURELY_ASKS = re.compile(rf"[?？求]|^(?:{_IMPERATIVES})\b", re.IGNORECASE)
_SAYS_HOW = re.compile(r"\b(?:express|give|enter|write|state|answer|exprese|expresa|respuesta)\b", re.IGNORECASE)
_HOW_MANY = re.compile(
    rf"\b(?:how many|cuánt[oa]s)\b|^(?:(?!that |with |whose )[{LETTERS}']+ ){{1,6}}number of\b", re.IGNORECASE
)
_HOW_MANY_CHINESE = re.compile(rf"(?:多少|几)([{CJK}]*)")
_IN = re.compile(rf"(?<!given )(?<!measured )\b(?:in|en)\s+(?=[$ {_MARK}~]*[{LETTERS}])", re.IGNORECASE)
_PERCENT = re.compile(r"\b(?:what|as an?|the|qué|in)\s+(?:percent|percentage|porcentaje)\b|百分之几", re.IGNORECASE)
_DEGREES = re.compile(r"\bdegree measure\b", re.IGNORECASE)
_SIZE = re.compile(r"\b(?:area|volume|surface|área|volumen)\b", re.IGNORECASE)
_LENGTHS = frozenset("cm mm dm m km in ft yd mi".split())  # noqa: SIM905

_WORD = re.compile(rf"(?<![\\{LETTERS}])[{LETTERS}]{{3,}}")
_WORD_OR_STOP = re.compile(rf"[{LETTERS}]+|[,.?!;:(]")
_UNIT_PIECE = re.compile(rf"[{LETTERS}]+|\^\s*\{{?-?[0-9]\}}?|[^\s{_MARK}~]")
_NO_UNITS = frozenset({"in", "us", "second"})
"""What begins no unit after "in": in the second."""
_ENDS = frozenset(
    "do does did is are was were can could will would should has have had must may might there if that which who "  # noqa: SIM905
    "such whose when so with for on at by from than he she it they we you be been in need needs satisfy hay tiene "
    "tienen son es en que".split()
)
GLUE = frozenset("of the a an additional total full whole other extra de la el las los del".split())  # noqa: SIM905
_COMPARES = frozenset("less fewer more greater larger smaller least most than menos más".split())  # noqa: SIM905
_NEVER = frozenset(
    "or and not no none never neither nor except without than minus plus between to from through until but if o y ni e "  # noqa: SIM905
    "sin menos más mas entre".split()
)
"""Words that begin a second value or turn the first into another one."""
_CHANGES = NUMBER_WORDS | frozenset(
    "less fewer more least most about approximately almost nearly over under above below around double twice triple "  # noqa: SIM905
    "thrice times squared cubed square cube factorial negative opposite inverse reciprocal repeating recurring choose "
    "imaginary excluding divided multiplied increased decreased reversed doubled halved tripled percent percentage "
    "root mod modulo base power log pair couple trio score gross box bag pack set group wrong incorrect false "
    "impossible par docena".split()
)
"""Words that may change a value, unless the question counts just these things: "how many pairs"."""
GROUPS = frozenset("pair tripl group set team row column committe".split())  # noqa: SIM905
_IRREGULAR = dict(
    zip(
        "people children men women mice geese feet teeth halves wolves leaves loaves knives shelves dice oxen".split(),  # noqa: SIM905
        "person child man woman mouse goose foot tooth half wolf leaf loaf knife shelf die ox".split(),  # noqa: SIM905
        strict=True,
    )
)


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A noun without its plural ending: the same for "berries" and "berry", "boxes" and "box"."""
    word = _IRREGULAR.get(word.lower(), word.lower())
    if not word.endswith(("ss", "us", "is")):
        word = word.removesuffix("s")
    return word[:-2] + "y" if word.endswith("ie") else word.removesuffix("e")


_STEMS_OF_CHANGES, _STEMS_OF_NEVER = (frozenset(map(stem, words)) for words in (_CHANGES, _NEVER))


@lru_cache(maxsize=256)
def asked_of(question: str) -> Asked:
    """Read what a question says about the unit and the nouns of its answer."""
    text = _UPRIGHT.sub(rf" {_MARK}\1 ", _DRAWING.sub(" ", question[-LONGEST:]))
    for sign, name in (("\\$", " dollars "), ("€", " euros "), ("£", " sterling ")):
        text = text.replace(sign, name)
    sentences = _SENTENCE_END.split(text)
    asking = [s[m.start() :] if m["word"] else s for s in sentences if (m := _ASKS.search(s))]
    asking = asking or [s for s in sentences if _SURELY_ASKS.search(s)]  # "Its length in meters?"
    clause = next(iter([a for a in asking if _SURELY_ASKS.search(a)][-1:] or asking[-1:]), "")
    forms = [s[m.start() :] for s in sentences if (m := _SAYS_HOW.search(s))]
    counted = [clause[m.end() :].lstrip() for m in _HOW_MANY.finditer(clause)]
    chinese = "".join(_HOW_MANY_CHINESE.findall(clause)[-1:])
    heads = [*map(_counted_unit, counted), *([_longest_unit(chinese)] if chinese else [])]
    things = [*map(_phrase, counted)]
    grouped = frozenset(stem(word) for words in things for word in _after_group(words))
    phrases = [*things, *(_WORD_OR_STOP.findall(part)[:3] for part in _after_in(clause))]
    return Asked(
        frozenset(filter(None, [*heads, *(found for part in (clause, *forms) for found in _measures_in(part))])),
        "" in heads and not any(re.match(r"\$[^0-9]", part) for part in counted),
        frozenset(measure(word) for word in _WORD.findall(text) if word.lower() in MONEY_WORDS) & MONEY,
        _nouns(clause, things, text) - grouped,
        grouped,
        frozenset(word.removesuffix("s") for phrase in phrases for word in phrase if word in FACTORS),
        chinese,
    )


def _phrase(text: str) -> list[str]:
    """The words after "how many", up to a verb or a comma."""
    words: list[str] = []
    for word in _WORD_OR_STOP.findall(_without_formulas(text[:200])):
        if word.lower() in _ENDS or not word[0].isalpha() or (words and word.lower() in _COMPARES):
            break
        words.append(word)
    return words[:8]


def _after_group(words: list[str]) -> list[str]:
    """The words after "pairs of", "dozen" and the like."""
    for i, word in enumerate(words):
        if word.lower() in FACTORS or (stem(word) in GROUPS and words[i + 1 : i + 2] == ["of"]):
            return [noun for noun in words[i + 1 :] if noun not in GLUE]
    return []


def _counted_unit(text: str) -> str:
    """The unit that follows "how many": "more square feet of carpet" are ``ft^2``; "" for things."""
    if text.startswith(("$", _MARK)):
        return _unit_at(text)
    words = _phrase(text)
    while words and words[0].lower() in GLUE | _COMPARES | FACTORS.keys():
        words = words[1:]
    run: list[str] = []
    for word in words:
        if not is_unit_word(word):
            break
        run.append(word)
    return measure(" ".join(run)) if run else ""


def _longest_unit(chinese: str) -> str:
    found = (chinese[:n] for n in range(min(6, len(chinese)), 0, -1) if is_unit(chinese[:n]))
    return next(filter(None, map(measure, found)), "")


def _after_in(clause: str) -> Iterator[str]:
    return (clause[m.end() : m.end() + 60] for m in _IN.finditer(clause))


def _measures_in(clause: str) -> Iterator[str]:
    """The units after "in", "what percent" and "degree measure"; for an area in feet, square feet, too."""
    for found in filter(None, map(_unit_at, _after_in(clause))):
        yield found
        if _SIZE.search(clause) and found in _LENGTHS:
            yield from (f"{found}^2", f"{found}^3")
    if _PERCENT.search(clause):
        yield "pct"
    if _DEGREES.search(clause):
        yield "deg"


def _unit_at(text: str) -> str:
    """The unit that a text begins with; "" if it begins with none. One letter is a variable, unless typeset upright."""
    text = text.lstrip(" $")
    pieces: list[str] = []
    for piece in _UNIT_PIECE.findall(text):
        if not (is_unit_word(piece) if piece[0].isalpha() else piece[0] in "^/"):
            break
        pieces.append(piece)
    if not pieces or pieces[0].lower() in _NO_UNITS:
        return ""
    is_variable = len(pieces[0]) == 1 and not text.startswith(_MARK) and pieces[1:2] != ["/"]
    return "" if is_variable else measure(" ".join(pieces))


def _nouns(clause: str, phrases: list[list[str]], question: str) -> frozenset[str]:
    """What the question counts, the other words of its clause, and if it counts nothing, all its plurals."""
    counted = {word.lower() for phrase in phrases for word in phrase if len(word) > 2} - SMALL_NUMBERS
    others = set(_WORD.findall(_without_formulas(clause).lower()))
    if not phrases:
        others |= {word for word in _WORD.findall(_without_formulas(question).lower()) if stem(word) != word}
    others = {stem(word) for word in others - _CHANGES} - _STEMS_OF_CHANGES
    return frozenset((others | {stem(word) for word in counted}) - _STEMS_OF_NEVER)


def _without_formulas(text: str) -> str:
    """Remove formulas, whose letters are no words. What stands between two prices has a longer word in it."""
    return _FORMULA.sub(lambda m: m[0] if _LONG_WORD.search(m[0]) else " ", text)


# -- the gate ------------------------------------------------------------------------------------------------------


_MARKS = frozenset({"unit", "deg", "pct"})


def wrong_unit(question: str, gold: str, answer: str) -> str:
    """Why the unit of an equal answer contradicts the question; "" if it does not, or if the gold has a unit."""
    golds, answers = readings_of(normalise(gold)), readings_of(normalise(answer))
    if not isinstance(answers, ValueError) and not any(n[0] in _MARKS for tree in answers for n in nodes(tree)):
        return ""
    asked = asked_of(question)
    if not (asked.measures or asked.counts or asked.money):
        return ""
    if isinstance(golds, ValueError) or isinstance(answers, ValueError) or any(map(_marks, golds)):
        return ""
    trees = answers if symbols(golds[0]) else answers[:1]  # the first reads \mathrm{m} as a unit
    reasons = [_contradiction(_marks(tree), asked) or _other_things(tree, asked) for tree in trees]
    return reasons[0] if all(reasons) else ""


def _marks(tree: Node) -> set[str]:
    """All units, degree and percent signs of an answer's values."""
    if tree[0] in ("rel", "list", "set", "tuple"):
        return {mark for part in tree[1 if tree[0] == "rel" else -1] for mark in _marks(part)}
    inside = {measure(node[2]) for node in nodes(tree) if node[0] == "unit"} - {""}
    return strip_marks(tree)[1] | inside


def _contradiction(marks: set[str], asked: Asked) -> str:
    for mark in sorted(marks):
        if asked.measures:
            if not any(same_measure(mark, known) for known in asked.measures):
                return f"{mark} where the question asks for {' or '.join(sorted(asked.measures))}"
        elif asked.counts:
            return f"{mark} where the question counts things"
        elif mark in MONEY and asked.money and mark not in asked.money:
            return f"{mark} where the question has {' and '.join(sorted(asked.money))}"
    return ""


def _other_things(tree: Node, asked: Asked) -> str:
    """What an answer counts, if the question counts other things: oranges for apples, or pairs for gloves."""
    if not asked.counts:
        return ""
    words = [word for node in nodes(tree) if node[0] == "unit" for word in node[2].split()]
    others = sorted(w for w in words if (w in THINGS or stem(w) in GROUPS) and stem(w) not in asked.nouns)
    if not others or (stem(others[0]) == "pair" and "solution" in asked.nouns):
        return ""
    return f"{others[0]} where the question counts other things"
