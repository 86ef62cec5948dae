r"""What a question says about units and nouns: which unit it asks for, what it counts, and what it calls things.

- "How many cupcakes ..." names the noun, so ``58 \text{ cupcakes}`` is 58. Only words of the asking clause are dropped,
  and no word that may change the value: "58 dozen", "58 less than 60" and "58 or 60" stay as they are.
- "in centimeters", "how many dollars" and "what percent" fix the unit. An answer in another one is refused, although
  its number equals a gold without a unit: 25 m is not 25 cm. Where the question counts things, so is any unit.
- "How many millions ..." makes "7 million" the answer 7.

English, Spanish and Chinese. A question that says nothing of units fixes none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from justtinker_plugins.shared.latex.ladder import readings_of
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.number_words import FACTORS, NUMBER_WORDS, digits_of
from justtinker_plugins.shared.latex.numbers import strip_marks
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.units import CJK, LETTERS, MONEY, is_unit, is_unit_word, measure, same_measure
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
    """The words that may follow the number, in the singular."""
    factors: frozenset[str]
    """Words such as "million" that belong to the question: "in millions", "how many dozen"."""
    chinese: str
    """What follows the Chinese words for "how many"."""


_SENTENCE_ENDS = re.compile(r"(?<=[.?!])\s+|(?<=[。？！；])|\n\s*\n")
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_TYPESET = re.compile(r"\\(?:text|mathrm|mbox|rm|textrm|textbf)\s*\{\s*([^{}]*)\}")
_TYPESET_MARK = "\x01"
_ASKS = re.compile(
    r"\b(?:how|what|find|compute|determine|calculate|evaluate|which|cuánt[oa]s?|qué|cuál(?:es)?|calcula|calcule|halla|"
    r"halle|encuentra|encuentre|determina)\b|多少|几|求",
    re.IGNORECASE,
)
_SAYS_HOW = re.compile(r"\b(?:express|give|enter|write|state|answer|exprese|expresa|respuesta)\b", re.IGNORECASE)
_HOW_MANY = re.compile(r"\b(?:how many|number of|cuánt[oa]s)\b", re.IGNORECASE)
_HOW_MANY_CHINESE = re.compile(rf"(?:多少|几)([{CJK}]*)")
_IN_UNIT = re.compile(rf"(?<!given )(?<!measured )\b(?:in|en)\s+(?:the\s+)?(?=\$?{_TYPESET_MARK}?[{LETTERS}])", re.IGNORECASE)
_PERCENT = re.compile(r"\b(?:what|as an?|the|qué|in)\s+(?:percent|percentage|porcentaje)\b|百分之几", re.IGNORECASE)
_DEGREES = re.compile(r"\bdegree measure\b", re.IGNORECASE)
_SIZE = re.compile(r"\b(?:area|volume|surface|área|volumen)\b", re.IGNORECASE)
_PHRASE = re.compile(rf"[{LETTERS}]+|[,.?!;:(]")
_UNIT_PIECE = re.compile(rf"[{LETTERS}]+|\^\s*\{{?-?[0-9]\}}?|/|[^\s${_TYPESET_MARK}~{{}}\\]")
_ENDS = frozenset(
    "do does did is are was were can could will would should has have had must may might there if that which who such "  # noqa: SIM905
    "whose when so with for on at by from than he she it they we you be been in need needs satisfy hay tiene tienen son "
    "es en que".split()
)
_GLUE = frozenset("of the a an more additional total full whole other extra de la el las los del".split())  # noqa: SIM905
_COMPARES = frozenset("less fewer more greater larger smaller least most than menos más".split())  # noqa: SIM905
_NEVER = frozenset(
    "or and not no none never neither nor except without than minus plus between to from through until but if o y ni e "  # noqa: SIM905
    "sin menos más mas entre".split()
)
"""Words that begin a second value or turn the first into another one."""
_CHANGES = NUMBER_WORDS | frozenset(
    "less fewer more least most about approximately almost nearly over under above below around double twice triple "  # noqa: SIM905
    "thrice times squared cubed square cube factorial negative opposite inverse reciprocal percent percentage root mod "
    "modulo base power log pair couple trio score gross box bag pack set group wrong incorrect false par docena".split()
)
"""Words that may change a value, unless the question counts just these things: "how many pairs"."""
_GROUPS = frozenset("pair triple group set team row column committee".split())  # noqa: SIM905
"""Things that are made of other things: 8 pairs are not 8 gloves."""
_LAST = re.compile(r"(?:^|[ ,])+(?:in (?:all|total)|en total|altogether|total|overall|left over|left|remaining) *$")
_LEAD = re.compile(
    r"^(?:\\text *\{)? *(?:(?:so|thus|hence|therefore),? +)?(?:(?:the|our|my) +)?(?:(?:final|correct) +)?"
    r"(?:(?:answer|result|total) *(?:is(?: equal to)?(?![a-z])|equals(?![a-z])|[:=])+|la respuesta es(?![a-z])|答案[是为:]) *:? *(\})?",
    re.IGNORECASE,
)
_AFTER_NUMBER = re.compile(
    rf"(?<=[0-9}}]) *(?:\\text *\{{(?P<text>[^{{}}]*)\}}|(?P<raw>(?:[{CJK}]|[{LETTERS}]{{3}})[{LETTERS}]*(?: [{LETTERS}]+)*))"
    rf" *(?![{LETTERS}0-9])"
)
_ONLY_WORDS = re.compile(rf"(?:\\text *\{{ *)?([A-Za-z][{LETTERS} -]*)\}}?")
_IRREGULAR = {
    "people": "person", "children": "child", "men": "man", "women": "woman", "mice": "mouse", "geese": "goose",
    "feet": "foot", "teeth": "tooth", "halves": "half", "wolves": "wolf", "leaves": "leaf", "loaves": "loaf",
    "knives": "knife", "shelves": "shelf", "dice": "die", "oxen": "ox", "vertices": "vertex",
}  # fmt: skip


def singular(word: str) -> str:
    """A noun in the singular, roughly: equal for "berries" and "berry"."""
    word = word.lower()
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    word = word.removesuffix("s") if not word.endswith("ss") else word
    return word.removesuffix("e") if word.endswith(("xe", "che", "she", "sse", "re", "ne", "le", "de", "oe")) else word


@lru_cache(maxsize=256)
def asked_of(question: str) -> Asked:
    """Read what a question says about the unit and the nouns of its answer."""
    text = _DRAWING.sub(" ", question)[:20_000]
    money = frozenset(m for word in re.findall(rf"[{LETTERS}]+", text) if (m := measure(word)) in MONEY)
    text = _TYPESET.sub(rf" {_TYPESET_MARK}\1 ", text).replace("\\$", " dollars ")
    sentences = _SENTENCE_ENDS.split(text)
    asking = [sentence[m.start() if m[0].isascii() else 0 :] for sentence in sentences if (m := _ASKS.search(sentence))]
    asking = [a for a in asking if "?" in a or "？" in a] or asking
    clause = asking[-1] if asking else ""
    forms = [sentence[m.start() :] for sentence in sentences if (m := _SAYS_HOW.search(sentence))]
    phrases = [_phrase(clause[m.end() :]) for m in _HOW_MANY.finditer(clause)]
    chinese = "".join(_HOW_MANY_CHINESE.findall(clause)[-1:])
    measures = {m for part in (clause, *forms) for m in _measures_in(part)}
    heads = [*map(_unit_of_phrase, phrases), *([_longest_unit(chinese)] if chinese else [])]
    measures.update(filter(None, heads))
    return Asked(
        frozenset(measures),
        any(not head for head in heads) and not (chinese and "百分之几" in clause),
        money | ({"dollar"} if "\\$" in question else set()),
        _nouns(clause, phrases, text),
        frozenset(w.removesuffix("s") for part in (*phrases, *_after_in(clause)) for w in part[:3] if w in FACTORS),
        chinese,
    )


def _phrase(text: str) -> list[str]:
    """The words after "how many", up to a verb or a comma."""
    words: list[str] = []
    for word in _PHRASE.findall(text[:120]):
        if word.lower() in _ENDS or not word[0].isalpha() or (words and word.lower() in _COMPARES):
            break
        words.append(word)
    return words[:8]


def _unit_of_phrase(words: list[str]) -> str:
    """The measure that a phrase begins with: "more square feet of carpet" are ``ft^2``; "" for things."""
    while words and words[0].lower() in _GLUE:
        words = words[1:]
    run: list[str] = []
    for word in words:
        if not is_unit_word(word):
            break
        run.append(word)
    return measure(" ".join(run)) if run and (measure(run[0]) or len(run) > 1) else ""


def _longest_unit(chinese: str) -> str:
    return next((m for n in range(min(6, len(chinese)), 0, -1) if (m := _chinese_measure(chinese[:n]))), "")


def _chinese_measure(text: str) -> str:
    return measure(text) if is_unit(text) else ""


def _after_in(clause: str) -> Iterator[list[str]]:
    return (_PHRASE.findall(clause[m.end() : m.end() + 60].lower()) for m in _IN_UNIT.finditer(clause))


def _measures_in(clause: str) -> Iterator[str]:
    """The units after "in", "what percent" and "degree measure"."""
    for match in _IN_UNIT.finditer(clause):
        found = _unit_at(clause[match.end() : match.end() + 60])
        if found:
            yield found
            if _SIZE.search(clause) and "^" not in found and " " not in found:
                yield from (f"{found}^2", f"{found}^3")
    if _PERCENT.search(clause):
        yield "pct"
    if _DEGREES.search(clause):
        yield "deg"


def _unit_at(text: str) -> str:
    """The unit that a text begins with; "" if it begins with none. One letter is a variable, unless typeset upright."""
    pieces: list[str] = []
    for piece in _UNIT_PIECE.findall(text):
        if not (piece[0] in "^/" if not piece[0].isalpha() else measure(piece) or is_unit_word(piece) or piece == "per"):
            break
        pieces.append(piece)
    upright = text.lstrip(" $").startswith(_TYPESET_MARK)
    if not pieces or (len(pieces[0]) == 1 and not upright and pieces[1:2] != ["/"]) or pieces[0] in ("in", "us"):
        return ""
    return measure(" ".join(pieces)) if is_unit("".join(f" {p}" if p[0].isalpha() else p for p in pieces)) else ""


def _nouns(clause: str, phrases: list[list[str]], question: str) -> frozenset[str]:
    counted = {singular(word) for phrase in phrases for word in phrase} - _NEVER
    words = clause if phrases else " ".join(w for w in re.findall(rf"[{LETTERS}]{{3,}}", question) if singular(w) != w.lower())
    others = {singular(w) for w in re.findall(rf"[{LETTERS}]{{2,}}", words)}
    return frozenset(counted | (others - _NEVER - _CHANGES - {singular(w) for w in _CHANGES}))


def without_asked_words(question: str, gold: str, answer: str) -> str:
    r"""Reduce ``58 \text{ cupcakes}`` to 58 if the question asks for cupcakes, and "The answer is 58" to 58."""
    asked = asked_of(question)
    plain = answer
    for factor in asked.factors:
        plain = re.sub(rf"(?<=[0-9}}]) *(\\text *\{{ *)?\b{factor}s?\b", r"\1", plain)
    plain = _LEAD.sub(lambda m: "" if m[1] or "{" not in m[0] else r"\text{", normalise(plain), count=1)
    plain = normalise(plain.replace("\x00", " "))  # NUL tells "1 2" from 12
    plain = _digits_first(plain, asked)
    plain = _AFTER_NUMBER.sub(lambda m: _what_is_left(m, asked, question), plain)
    return answer if plain == normalise(answer) else plain.replace("\x00", " ")


def _digits_first(text: str, asked: Asked) -> str:
    """Write "twelve cupcakes" as ``12 \\text{cupcakes}``."""
    if not (found := _ONLY_WORDS.fullmatch(text)):
        return text
    words = re.split("[ -]+", found[1].strip())
    for n in range(min(len(words) - 1, 12), 0, -1):
        if digits := digits_of([word.lower() for word in words[:n]]):
            return rf"{digits}\text{{{' '.join(words[n:])}}}"
    return text


def _what_is_left(match: re.Match[str], asked: Asked, question: str) -> str:
    """The words after a number, without those that the question asks for. From an unknown word on, all stay."""
    words = _LAST.sub("", match["text"] or match["raw"] or "").split()
    kept: list[str] = []
    for i, word in enumerate(words):
        bare = word.strip(",.")
        if is_unit_word(bare) and not (bare.lower() in _CHANGES and singular(bare) in asked.nouns):
            kept.append(bare)
        elif re.match(rf"[{CJK}]", bare) and (left := _chinese_left(bare, asked, question)) != bare:
            kept.append(left)
        elif not (singular(bare) in asked.nouns or (bare.lower() in _GLUE - _CHANGES and i < len(words) - 1)):
            kept += words[i:]
            break
    if kept == words:
        return match[0]
    return rf"\text{{{' '.join(kept)}}}" if any(kept) else ""


def _chinese_left(word: str, asked: Asked, question: str) -> str:
    """A Chinese word without a noun of the question: 只 for 只鸟, if the question is about birds."""
    unit = next((word[:n] for n in range(len(word), 0, -1) if is_unit(word[:n])), "")
    if unit and word[len(unit) :] in question:
        return unit
    return "" if word in asked.chinese else word


def wrong_unit(question: str, gold: str, answer: str) -> str:
    """Why the unit of an equal answer contradicts the question; "" if it does not, or if the gold has a unit."""
    asked = asked_of(question)
    golds, answers = readings_of(normalise(gold)), readings_of(normalise(answer))
    if not (asked.measures or asked.counts or asked.money) or isinstance(golds, ValueError):
        return ""
    if isinstance(answers, ValueError) or any(map(_marks, golds)):
        return ""
    reasons = [_contradiction(_marks(tree), asked) or _other_things(tree, asked) for tree in (answers if symbols(golds[0]) else answers[:1])]
    return next(iter(reasons), "") if all(reasons) else ""


def _marks(tree: Node) -> set[str]:
    """All units, degree and percent signs of an answer's values."""
    if tree[0] in ("rel", "list", "set", "tuple"):
        return {mark for part in tree[1 if tree[0] == "rel" else -1] for mark in _marks(part)}
    inside = {measure(node[2]) for node in nodes(tree) if node[0] == "unit"} - {""}
    return strip_marks(tree)[1] | inside


def _contradiction(marks: set[str], asked: Asked) -> str:
    for mark in sorted(marks):
        if asked.measures:
            if not any(same_measure(mark, known) or (" " in mark and known.isalpha()) for known in asked.measures):
                return f"{mark} where the question asks for {' or '.join(sorted(asked.measures))}"
        elif asked.counts:
            return f"{mark} where the question counts things"
        elif mark in MONEY and asked.money and mark not in asked.money:
            return f"{mark} where the question has {' and '.join(sorted(asked.money))}"
    return ""


def _other_things(tree: Node, asked: Asked) -> str:
    """The groups that an answer counts, if the question counts single things and never says "pairs"."""
    words = {singular(word) for node in nodes(tree) if node[0] == "unit" for word in node[2].split()}
    groups = words & _GROUPS - asked.nouns if asked.counts and "solution" not in asked.nouns else set()
    return f"a number of {groups.pop()}s where the question counts other things" if groups else ""
