r"""The cheap rungs of the ladder, climbed in this process: string, words, gates, then values (`structure`, `numbers`).

A `Comparison` of None means that these rungs cannot decide: ask the worker, and check what it accepts with
`overlooked_difference`. `restates` refuses the problem itself as its answer. No text, however nasty, takes longer than
a few milliseconds here, and none is evaluated as Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from itertools import product

from justtinker_plugins.shared.latex import chains, parse, restated
from justtinker_plugins.shared.latex.congruences import compare_congruences, compare_cycles
from justtinker_plugins.shared.latex.names import is_bare_name
from justtinker_plugins.shared.latex.normalise import as_written, normalise
from justtinker_plugins.shared.latex.numbers import Comparison, equal_if_any
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.piecewise import compare_piecewise
from justtinker_plugins.shared.latex.qualified import drop_qualifiers, split_qualifier
from justtinker_plugins.shared.latex.renamed import free_constants, letters, rename, renamings
from justtinker_plugins.shared.latex.restated import Readings, without_spaces
from justtinker_plugins.shared.latex.sets import without_set_builder
from justtinker_plugins.shared.latex.structure import compare_trees
from justtinker_plugins.shared.latex.sums import are_same_sums
from justtinker_plugins.shared.latex.times import compare_times
from justtinker_plugins.shared.latex.tokens import (
    SPOKEN,
    MalformedError,
    TooLargeError,
    UnsupportedError,
    decimal_literal,
)
from justtinker_plugins.shared.latex.units import is_unit
from justtinker_plugins.shared.latex.values import exact_value, nodes, symbols
from justtinker_plugins.shared.latex.words import bare_words, meaning, without_text_commands

_GROUPED = re.compile("[0-9][,\x00][0-9]{3}")
_DECIMAL_COMMA = re.compile("-?0,[0-9]+(?=[^0-9,;.]*$)")
"""A zero cannot stand before thousands."""
_WORDS_ONLY = re.compile(
    r"[A-Za-z]{4,}(?:[ -][A-Za-z]+)*|yes|no|odd|all"
    r"|(?:([A-Z])[A-Z]?\1|([A-Z])\2[A-Z]|[A-Z]([A-Z])\3)",  # SAS, HHT: a product would have a square
    re.IGNORECASE,
)
_SHORT_WORD = re.compile("[A-Za-z]{2,3}")
_PAIR = re.compile(r"(?:[(\[]|\\\{) *[0-9]{1,3}(?:,[0-9]{3})+ *(?:[)\]]|\\\})")
"""A gold such as ``(1,234)`` is a pair: nobody puts a single number in brackets."""
_PLAIN = re.compile(r"-?[0-9]{1,300}(?:\.[0-9]{0,300})?")
_INTEGER = re.compile(r"-?[0-9]{1,300}")
_NUMBER = re.compile(r"(-?)(?:([0-9]{1,300}(?:\.[0-9]{1,300})?)|\\frac\{([0-9]{1,300})\}\{([0-9]{1,300})\})")
"""What most answers are. `parse` reads them, too, but takes ten times as long."""


@lru_cache(maxsize=2048)
def readings_of(normal: str) -> Readings:
    r"""Read a text in all ways: ``1,234`` is a number or a list, ``\mathrm{m}`` a unit or a symbol.

    An answer is right if one of its readings is: physics answers are typeset as ``12\,\mathrm{m}``, and some golds
    have ``\mathrm{A}`` for a point. A unit only follows a value without letters, so ``\mathrm{m}\mathrm{g}`` does not
    answer m. ``\mathrm{e}`` and ``\mathrm{i}`` are numbers. A word such as ``theta`` is also a symbol.
    """
    if plain := _NUMBER.fullmatch(normal):
        return (_number(*plain.groups()),)
    if (known := meaning(normal)) is not None:
        return (known,)
    words = without_text_commands(normal)
    spoken = words.partition(" ")[0] in SPOKEN
    if _WORDS_ONLY.fullmatch(normal) and not spoken:
        return (("text", normal),)
    found: list[Node] = []
    trouble: ValueError | None = None
    for thousands, units in product(
        (True, False) if _GROUPED.search(normal) else (False,), (True, False) if r"\mathrm{" in normal else (True,)
    ):
        try:
            found.append(parse.parse(normal, thousands=thousands, units=units))
        except (MalformedError, UnsupportedError, TooLargeError) as error:
            trouble = error
        except RecursionError:
            trouble = TooLargeError("nested too deep")
    if spoken and _WORDS_ONLY.fullmatch(words):
        found.append(("text", words))
    return trouble if trouble and not found else tuple(dict.fromkeys(found))


def _number(sign: str, decimal: str | None, top: str, bottom: str) -> Node:
    """The tree of ``-0.5`` or ``-\\frac{1}{2}``."""
    node: Node
    if decimal is not None:
        node = ("num", decimal_literal(decimal))
    else:
        node = ("div", ("num", decimal_literal(top)), ("num", decimal_literal(bottom)))
    return ("neg", node) if sign else node


def compare(gold: str, answer: str) -> Comparison:
    """Compare a gold and an answer, both as written, without boxes. Not symmetric: the gold says what is asked for."""
    gold, answer = _normal_gold(gold), normalise(answer)
    if found := _compare_at_sight(gold, answer):
        return found
    found = _compare_normal(gold, answer)
    declared = split_qualifier(gold)[1], split_qualifier(answer)[1]
    for names in () if found.equal else renamings(gold, answer, declared):
        if (again := _compare_normal(gold, rename(answer, names))).equal:
            return again
    return found


@lru_cache(maxsize=1024)
def _normal_gold(gold: str) -> str:
    return _ROUNDED.sub("", without_set_builder(normalise(gold)))


def _compare_at_sight(gold: str, answer: str) -> Comparison | None:
    """Compare equal texts and plain numbers, as most are."""
    if gold and without_spaces(gold) == without_spaces(answer):
        return Comparison(True, "string")
    if not (_PLAIN.fullmatch(gold) and _PLAIN.fullmatch(answer)):
        return None
    equal = decimal_literal(gold) == decimal_literal(answer)
    return Comparison(equal, "rational", "" if equal else "a different number")


Special = Callable[[str, str], Comparison | None]
"""Compares two normalised texts; None if the gold is not of its kind."""


@lru_cache(maxsize=1024)
def _specials(gold: str) -> tuple[Special, ...]:
    """How to compare with a gold that is a time of day, a congruence, a function by cases."""
    by_cases: Special = partial(compare_piecewise, compare=compare)
    found: tuple[Special, ...] = (compare_times, compare_congruences, compare_cycles, by_cases)
    return tuple(special for special in found if special(gold, gold) is not None)


def _compare_normal(gold: str, answer: str) -> Comparison:
    gold, answer = drop_qualifiers(gold, answer)
    if found := _compare_at_sight(gold, answer):
        return found
    if choice := _CHOICE.fullmatch(gold):
        return _compare_choice(choice[1], answer)
    if _SHORT_WORD.fullmatch(gold) and gold in (without_text_commands(answer), chains.name_key(answer)):
        return Comparison(True, "string")
    for compare_special in _specials(gold):
        if (found := compare_special(gold, answer)) is not None:
            return found
    golds = readings_of(gold)
    if isinstance(golds, ValueError) and split_qualifier(gold)[1]:
        return Comparison(False, "gate", "says something else of its letters than the gold")
    if isinstance(golds, tuple) and golds[0][0] == "text":
        return _compare_words(golds[0][1], answer)
    if isinstance(golds, tuple) and _PAIR.search(gold):
        golds = golds[-1:]
    answer = strip_to_claim(gold, answer)
    if are_same_sums(gold, answer):
        return Comparison(True, "probe")
    refused = _refuse_unevaluated(gold, golds, chains.split_sides(answer)[-1])
    found = refused or _compare_readings(golds, _readings_of_answer(answer))
    return (_refuse_unevaluated(gold, golds, answer) if found.equal is None else None) or found


def tells_from_itself(gold: str) -> bool:
    """Whether our own reader finds a gold equal to itself by more than its text."""
    golds = readings_of(normalise(gold))
    is_words = isinstance(golds, tuple) and golds[0][0] == "text"
    return is_words or _compare_readings(golds, golds).equal is True


def strip_to_claim(gold: str, answer: str) -> str:
    """Strip a choice's letter, a letter's range, and sides that only name from an answer. Both texts are normalised."""
    _, answer = drop_qualifiers(gold, without_set_builder(answer))
    golds = readings_of(gold)
    if isinstance(golds, tuple) and any(map(is_bare_name, golds)):
        return answer
    if answer.startswith(("\\", " ")):
        answer = _PREFIX.sub("", answer)
    sides = chains.split_sides(answer)
    if len(sides) == 1 or len(chains.split_sides(gold)) > 1 or isinstance(golds, ValueError):
        return answer
    return chains.without_naming_sides(sides, readings_of)


def claim_of(gold: str, answer: str) -> str:
    r"""Like `strip_to_claim`, for a gold and an answer as written.

    `restates` looks at the claim; otherwise ``\text{(C)} \sqrt{180}`` and ``f(-1) = \sqrt{180}`` would hide the
    question's own expression.
    """
    return as_written(strip_to_claim(normalise(gold), normalise(answer)))


def _readings_of_answer(answer: str) -> Readings:
    """Also read an answer ``0,25`` as a decimal. A gold ``0,1`` is a list: two solutions."""
    readings = readings_of(answer)
    decimal = readings_of(answer.replace(",", ".")) if _DECIMAL_COMMA.match(answer) else ()
    return readings if isinstance(readings, ValueError) or isinstance(decimal, ValueError) else (*decimal, *readings)


def _compare_readings(golds: Readings, answers: Readings) -> Comparison:
    if isinstance(golds, ValueError):
        return Comparison(None, "gate", f"the gold cannot be read: {golds}")
    if isinstance(answers, ValueError):
        undecided = isinstance(answers, UnsupportedError)
        return Comparison(None if undecided else False, "gate", f"the answer cannot be read: {answers}")
    return equal_if_any([_compare_if_finished(gold, answer) for gold in golds for answer in answers])


def _compare_if_finished(gold: Node, answer: Node) -> Comparison:
    found = compare_trees(gold, answer)
    if found.equal and (left := restated.work_left(gold, _without_unevaluated_sides(answer))):
        return Comparison(False, "gate", f"{left} is left unevaluated")
    return found


def _without_unevaluated_sides(answer: Node) -> Node:
    r"""Drop the sides of a chain that may stay unevaluated: ``\binom{12}{1}`` of ``\binom{12}{1} = 5 + 7``."""
    if answer[0] != "rel":
        return answer
    sides = [side for side in answer[1] if not any(node[0] in ("binom", "fact") for node in nodes(side))]
    return ("rel", tuple(sides), answer[2]) if len(sides) > 1 else sides[0] if sides else answer


@lru_cache(maxsize=2048)
def vote_of(answer: str) -> str:
    """Write equal answers alike, for a vote: a rational value as a fraction, anything else normalised."""
    normal = normalise(answer)
    readings = readings_of(normal)
    if isinstance(readings, tuple):
        with suppress(ValueError, ArithmeticError, RecursionError):
            return str(exact_value(readings[0]))
    return without_spaces(normal)


_CHOICE = re.compile(r"\\text *\{ *\(([A-Z])\)[.:]? *\}")
_CHOSEN = re.compile(r"\(? *([A-Za-z]) *\)?[.:]?")
_ROUNDED = re.compile(r"^\\approx *(?=[^\\ ])")
_PREFIX = re.compile(r"^(?:\\text *\{ *\(?[A-E]\)[.:]? *\})? *(?:\\approx(?! *\\approx))? *(?=\S)")
"""What may precede a value: the letter of a choice, or a sign that the value is rounded.

``\\text{(C)}\\ 12`` answers 12 and does not answer (C). The letter is not checked against the choices, which the
verifier for mathematics does not read.
"""


TEXT = "text"
"""The rung of a gold that nobody can read, and that only the same text answers. `check` counts these golds."""


def compare_as_text(gold: str, answer: str) -> Comparison:
    """Compare with a gold that neither our reader nor sympy can read: only the same text answers it."""
    equal = _as_text(gold) == _as_text(answer)
    return Comparison(equal, TEXT, "" if equal else "not the text of the gold, which cannot be read in any other way")


def _as_text(text: str) -> str:
    """A text without spaces, text commands and final punctuation; words of several letters in lower case."""
    bare = re.sub(r"\{(\w)\}", r"\1", without_spaces(without_text_commands(normalise(text)))).strip(".,;:!?")
    return bare if re.search(r"\\|(?<![^\W\d_])[^\W\d_](?![^\W\d_])", bare) else bare.casefold()


def parts_of(gold: str) -> tuple[str, ...]:
    """The parts of a gold that is a list, such as ``3, 4`` or "x = 3 and y = 4"; any other gold is its only part."""
    readings = readings_of(normalise(gold))
    found = tuple(chains.split_list(normalise(gold)))
    is_list = isinstance(readings, tuple) and readings[0][0] == "list" and len(readings[0][1]) == len(found)
    return tuple(map(as_written, found)) if is_list else (gold,)


def _compare_choice(letter: str, answer: str) -> Comparison:
    """Compare with a gold ``\\text{(C)}``: it asks for that letter, in any case, with or without brackets."""
    given = _CHOSEN.fullmatch(without_text_commands(answer))
    equal = given is not None and given[1].upper() == letter
    return Comparison(equal, "string", "" if equal else "not the choice of the gold")


def _compare_words(words: str, answer: str) -> Comparison:
    """Compare with a gold of words: it asks for the same words, in any case, or for words of the same meaning."""
    equal = bare_words(without_text_commands(answer)) == bare_words(words) or meaning(answer) == ("text", words)
    return Comparison(equal, "string", "" if equal else "not the words of the gold")


_OPERATOR = "sum|prod|int|iint|iiint|oint|lim|limsup|liminf|binom|choose|max|min|gcd|lcm|det|sup|inf|bmod|pmod|mod"
_OPERATORS = re.compile(rf"(?<!_)(?<!_\{{)\\(?:{_OPERATOR}|begin *\{{[vV]matrix\}})(?![A-Za-z])|!")
_COUNTING = frozenset({"\\binom", "\\choose", "!"})
"""Where the gold has one of these, it is left unevaluated, and the others say the same."""
_ALWAYS_REFUSED = frozenset({"\\sum", "\\prod", "\\int", "\\iint", "\\iiint", "\\oint", "\\lim"})


def _refuse_unevaluated(gold: str, golds: Readings, answer: str) -> Comparison | None:
    """Refuse an answer with an operator left to evaluate that the gold lacks; None if there is no such operator."""
    if "\\" not in answer and "!" not in answer:
        return None  # as most are
    found = set(_OPERATORS.findall(answer))
    own = set(_OPERATORS.findall(gold)) if found else found
    found -= own | _COUNTING if own & _COUNTING else own
    if found and isinstance(golds, tuple) and symbols(golds[0]):
        found &= _ALWAYS_REFUSED
    return Comparison(False, "gate", f"{min(found)} is left unevaluated") if found else None


def restates(question: str, gold: str, answer: str) -> bool:
    """Whether an equal answer only repeats or rearranges an expression of the question."""
    return restated.restates(question, gold, claim_of(gold, answer), readings_of)


def with_golds_constants(question: str, gold: str, answer: str) -> str:
    """Rename constants that neither answer has from the question as in the gold; else return the answer as it is."""
    wanted, given = normalise(gold), normalise(answer)
    if letters(wanted) == letters(given):
        return answer  # spares most answers what follows
    declared = split_qualifier(wanted)[1], split_qualifier(given)[1]
    free = free_constants(question, wanted, given, declared)
    for names in renamings(wanted, given, declared, free) if free else ():
        if compare(gold, renamed := as_written(rename(given, names))).equal:
            return renamed
    return answer


_ROUNDING = re.compile(r"nearest|closest|round|approx|estimate|decimal|significant", re.IGNORECASE)


def rounds_unasked(question: str, gold: str, answer: str) -> bool:
    r"""Whether a chain reaches an integer gold only by a rounding that nobody asked for: ``\sqrt{14} \approx 4``.

    A question asks for one with "nearest", "round", "approximate" or the like. A decimal gold is itself a rounding.
    """
    if not _INTEGER.fullmatch(normalise(gold)):
        return False
    golds, answers = readings_of(normalise(gold)), readings_of(normalise(claim_of(gold, answer)))
    if isinstance(golds, ValueError) or isinstance(answers, ValueError):
        return False
    rounded = any(tree[0] == "rel" and restated.only_rounded(golds[0], tree) for tree in answers)
    return rounded and not _ROUNDING.search(question)


# -- what math-verify overlooks -----------------------------------------------------------------------------------

_LETTERS = re.compile(r"\\text *\{[^{}]*\}|\\(?:begin|end) *\{[a-zA-Z]+\*?\}|\\[A-Za-z]+|[A-Za-z]")
_BASE = re.compile(r"[0-9]_\{?([^{}]*)\}?")
_INDEX = re.compile(r"_ *\{[^{}]*\}")
_DUMMY = re.compile(r"\\(?:sum|prod|int|lim)(?![A-Za-z])")


def overlooked_difference(gold: str, answer: str) -> str:
    """The difference that a careful reader sees in a pair that math-verify accepted; empty if there is none."""
    gold, answer = normalise(gold), normalise(answer)
    if words := [w.strip() for w in re.findall(r"\\text *\{([^{}]*)\}", answer) if w not in gold and not is_unit(w)]:
        return f"{words[0]!r} is not part of the gold"
    if sorted(_BASE.findall(gold)) != sorted(_BASE.findall(answer)):
        return "a different base"
    for sign, difference in ((",", "a different number of parts"), ("=", "a different equation")):
        if _INDEX.sub("", gold).count(sign) != _INDEX.sub("", answer).count(sign):
            return difference
    if "," in gold and [c for c in gold if c in "()[]"] != [c for c in answer if c in "()[]"]:
        return "different brackets"
    if not _DUMMY.search(gold) and _letters(gold) != _letters(answer):
        return "different symbols than the gold"
    return ""


def _letters(normal: str) -> set[str]:
    return {name for name in _LETTERS.findall(normal) if len(name) == 1}
