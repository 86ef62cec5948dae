r"""The cheap rungs, climbed in order in this process: string, words, gates, then values (`_structure`, `_numbers`).

A `Finding` of None means that nobody here can tell: ask the worker, and hold what it accepts against `after_check`.
`restates` refuses the problem itself as its answer. What it does not: run longer than some milliseconds on any text,
however nasty, or evaluate text as Python.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from itertools import product

from justtinker_plugins.shared.latex import chains, parse, restated
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.numbers import Finding, best
from justtinker_plugins.shared.latex.parse import MalformedError, Node, TooLargeError, UnsupportedError
from justtinker_plugins.shared.latex.restated import Readings, look
from justtinker_plugins.shared.latex.sets import condition, without_range
from justtinker_plugins.shared.latex.structure import nodes_equal, squeeze
from justtinker_plugins.shared.latex.units import is_unit
from justtinker_plugins.shared.latex.values import exact, nodes, symbols

_GROUPED = re.compile("[0-9][,\x00][0-9]{3}")
_WORDS_ONLY = re.compile(
    r"[A-Za-z]{4,}(?:[ -][A-Za-z]+)*|yes|no|odd|all"
    r"|(?:([A-Z])[A-Z]?\1|([A-Z])\2[A-Z]|[A-Z]([A-Z])\3)",  # SAS, HHT: a product would have a square
    re.IGNORECASE,
)
_SHORT_WORD = re.compile("[A-Za-z]{2,3}")
_PAIR = re.compile(r"(?:[(\[]|\\\{) *[0-9]{1,3}(?:,[0-9]{3})+ *(?:[)\]]|\\\})")
"""A gold that looks like a grouped number in brackets: nobody would put the brackets there."""
_INTEGER = re.compile(r"-?[0-9]{1,300}")


@lru_cache(maxsize=2048)
def read(normal: str) -> Readings:
    r"""All readings of a normalised text. ``1,234`` has two, a number and a list; ``\mathrm{m}`` is unit or symbol.

    One reading that pays is enough: physics answers are typeset as ``12\,\mathrm{m}``, and some golds have
    ``\mathrm{A}`` for a point. A unit stands only behind a value without letters, so ``\mathrm{m}\mathrm{g}`` does not
    answer m. ``\mathrm{e}`` and ``\mathrm{i}`` are numbers.
    """
    if _WORDS_ONLY.fullmatch(normal):
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
    return trouble if trouble and not found else tuple(dict.fromkeys(found))


def compare(gold: str, answer: str) -> Finding:
    """Two answers, as written and without their boxes. Symmetric in nothing: the gold says what is asked for."""
    gold, answer = condition(normalise(gold)), normalise(answer)
    if gold and look(gold) == look(answer):
        return Finding(True, "string")
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):
        equal = int(gold) == int(answer)
        return Finding(equal, "rational", "" if equal else "another number")
    if choice := _CHOICE.fullmatch(gold):
        return _compare_choice(choice[1], answer)
    if _SHORT_WORD.fullmatch(gold) and _bare(answer) == gold:
        return Finding(True, "string")
    golds = read(gold)
    if isinstance(golds, tuple) and golds[0][0] == "text":
        return _compare_words(golds[0][1], answer)
    if isinstance(golds, tuple) and _PAIR.search(gold):
        golds = golds[-1:]
    answer = claim(gold, answer)
    found = unevaluated(gold, golds, chains.sides(answer)[-1]) or _climb(golds, read(answer))
    return (unevaluated(gold, golds, answer) if found.equal is None else None) or found


def claim(gold: str, answer: str) -> str:
    """What an answer says, both normalised: without a choice's letter, what a letter runs over, what is only a name."""
    answer = without_range(gold, _BEFORE.sub("", condition(answer)))
    sides = chains.sides(answer)
    if len(sides) == 1 or len(chains.sides(gold)) > 1 or isinstance(read(gold), ValueError):
        return answer
    return chains.claimed(sides, read)


def said(gold: str, answer: str) -> str:
    r"""The claim of an answer, both as written.

    Restating is looked for in the claim; otherwise ``\text{(C)} \sqrt{180}`` and ``f(-1) = \sqrt{180}`` would hide the
    question's own expression.
    """
    return claim(normalise(gold), normalise(answer)).replace("\x00", " ")  # by which "1 2" is no 12


def _climb(golds: Readings, answers: Readings) -> Finding:
    if isinstance(golds, ValueError):
        return Finding(None, "gate", f"the gold cannot be read: {golds}")
    if isinstance(answers, ValueError):
        undecided = isinstance(answers, UnsupportedError)
        return Finding(None if undecided else False, "gate", f"the answer cannot be read: {answers}")
    return best([_finished(gold, answer) for gold in golds for answer in answers])


def _finished(gold: Node, answer: Node) -> Finding:
    found = nodes_equal(gold, answer)
    if found.equal and (left := restated.unfinished(gold, _worked_out(answer))):
        return Finding(False, "gate", f"{left} is left unevaluated")
    return found


def _worked_out(answer: Node) -> Node:
    r"""A chain without the sides that no one asks to be worked out: ``5 + 7`` of ``\binom{12}{1} = 5 + 7``."""
    if answer[0] != "rel":
        return answer
    sides = [side for side in answer[1] if not any(node[0] in ("binom", "fact") for node in nodes(side))]
    return ("rel", tuple(sides), answer[2]) if len(sides) > 1 else sides[0] if sides else answer


@lru_cache(maxsize=2048)
def ballot(answer: str) -> str:
    """An answer as equal ones are written alike: what has a rational value as that, anything else normalised."""
    normal = normalise(answer)
    readings = read(normal)
    if isinstance(readings, tuple):
        with suppress(ValueError, ArithmeticError, RecursionError):
            return str(exact(readings[0]))
    return look(normal)


_CHOICE = re.compile(r"\\text *\{ *\(([A-Z])\)[.:]? *\}")
_GIVEN = re.compile(r"\(? *([A-Za-z]) *\)?[.:]?")


_BEFORE = re.compile(r"^(?:\\text *\{ *\(?[A-E]\)[.:]? *\})? *(?:\\approx(?! *\\approx))? *(?=\S)")
"""What may stand before a value: the letter of a choice, a sign that it is rounded.

``\\text{(C)}\\ 12`` answers 12 and does not answer (C). The letter is not checked against the choices, which the
verifier for mathematics does not read.
"""


def _bare(answer: str) -> str:
    """Words without the commands and braces around them."""
    return re.sub(r"\\(?:text|mathrm|style) *\{([^{}]*)\}", r"\1", answer).strip("{} ")


def _compare_choice(letter: str, answer: str) -> Finding:
    """A gold ``\\text{(C)}``: that letter, in any case, with or without brackets."""
    given = _GIVEN.fullmatch(_bare(answer))
    equal = given is not None and given[1].upper() == letter
    return Finding(equal, "string", "" if equal else "not the choice of the gold")


def _compare_words(words: str, answer: str) -> Finding:
    """A gold of words: the same words, in any case."""
    equal = squeeze(_bare(answer)) == squeeze(words)
    return Finding(equal, "string", "" if equal else "not the words of the gold")


_NAMES = "sum|prod|int|iint|iiint|oint|lim|limsup|liminf|binom|choose|max|min|gcd|lcm|det|sup|inf|bmod|pmod|mod"
_OPERATORS = re.compile(rf"(?<!_)(?<!_\{{)\\(?:{_NAMES}|begin *\{{[vV]matrix\}})(?![A-Za-z])|!")
_NEVER = frozenset({"\\sum", "\\prod", "\\int", "\\iint", "\\iiint", "\\oint", "\\lim"})


def unevaluated(gold: str, golds: Readings, answer: str) -> Finding | None:
    """An answer (of a chain its last side) with an operator left to be worked out, where the gold has none."""
    found = set(_OPERATORS.findall(answer)) - set(_OPERATORS.findall(gold))
    if found and isinstance(golds, tuple) and symbols(golds[0]):
        found &= _NEVER
    return Finding(False, "gate", f"{min(found)} is left unevaluated") if found else None


def restates(question: str, gold: str, answer: str) -> bool:
    """Whether an equal answer only repeats, or rearranges, an expression of the question."""
    return restated.restates(question, gold, said(gold, answer), read)


_ROUNDING = re.compile(r"nearest|closest|round|approx|estimate|decimal|significant", re.IGNORECASE)


def rounds_unasked(question: str, gold: str, answer: str) -> bool:
    r"""Whether a chain is a whole gold only by its rounding, where none is asked for: ``\sqrt{14} \approx 4``.

    A question asks for one with "nearest", "round", "approximate" or the like. A decimal gold is itself a rounding.
    """
    if not _INTEGER.fullmatch(normalise(gold)) or _ROUNDING.search(question):
        return False
    golds, answers = read(normalise(gold)), read(normalise(said(gold, answer)))
    if isinstance(golds, ValueError) or isinstance(answers, ValueError):
        return False
    return any(tree[0] == "rel" and restated.only_rounded(golds[0], tree) for tree in answers)


# -- what math-verify forgets -------------------------------------------------------------------------------------

_LETTERS = re.compile(r"\\text *\{[^{}]*\}|\\(?:begin|end) *\{[a-zA-Z]+\*?\}|\\[A-Za-z]+|[A-Za-z]")
_BASE = re.compile(r"[0-9]_\{?([^{}]*)\}?")
_INDEX = re.compile(r"_ *\{[^{}]*\}")
_DUMMY = re.compile(r"\\(?:sum|prod|int|lim)(?![A-Za-z])")


def after_check(gold: str, answer: str) -> str:
    """What a careful person holds against a pair that math-verify accepted; empty if nothing."""
    gold, answer = normalise(gold), normalise(answer)
    if words := [w.strip() for w in re.findall(r"\\text *\{([^{}]*)\}", answer) if w not in gold and not is_unit(w)]:
        return f"{words[0]!r} is no part of the gold"
    if sorted(_BASE.findall(gold)) != sorted(_BASE.findall(answer)):
        return "another base"
    for sign, what in ((",", "another number of parts"), ("=", "another equation")):
        if _INDEX.sub("", gold).count(sign) != _INDEX.sub("", answer).count(sign):
            return what
    if "," in gold and [c for c in gold if c in "()[]"] != [c for c in answer if c in "()[]"]:
        return "other brackets"
    if not _DUMMY.search(gold) and _letters(gold) != _letters(answer):
        return "other symbols than the gold"
    return ""


def _letters(normal: str) -> set[str]:
    return {name for name in _LETTERS.findall(normal) if len(name) == 1}
