r"""The same answer in other letters: ``f(t) = t^2`` for ``f(x) = x^2``, ``n\pi, n \in \mathbb{Z}`` for ``k\pi, …``.

Three kinds of letters may be replaced one to one: the arguments of a function of the same name, letters that gold and
answer both declare (``k \in \mathbb{Z}``), and constants that neither of them has from the question, as the c of
``f(x) = cx``. Only a letter that the gold lacks is renamed, and only to one that the answer lacks, so that nothing is
captured: ``f(x) = c`` never becomes ``f(x) = x``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from itertools import permutations

from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.restated import MATHS
from justtinker_plugins.shared.latex.tokens import FUNCTIONS, LETTERS

_INDEX = r"(?:_(?:[A-Za-z0-9]|\{[A-Za-z0-9]{1,3}\}))?"
_GREEK = "|".join(sorted(LETTERS - set("pi infty R N Z Q C odot nabla partial aleph hbar".split()), key=len))  # noqa: SIM905
_PIECE = re.compile(
    r"\\(?:begin|end) *\{[^{}]*\}|\\(?:text|operatorname) *\{(?P<words>[^{}]*)\}"
    rf"|(?P<letter>(?:\\(?:{_GREEK})(?![A-Za-z])|(?<!\\)[A-Za-z]){_INDEX})|\\[A-Za-z]+"
)
_FUNCTION_WORD = re.compile(rf"(?<![A-Za-z\\])({'|'.join(sorted(FUNCTIONS, key=len, reverse=True))})(?![A-Za-z])")
_LETTER = re.compile("[A-Za-z]")
_ALONE = re.compile(rf"(?<![A-Za-z\\])(?!a\b)[A-Za-z]{_INDEX}(?![A-Za-z])")
MOST_RENAMED, LONGEST = 3, 300


def bare(letter: str) -> str:
    """A letter in one spelling: ``C_{1}`` as ``C_1``."""
    return letter.replace("{", "").replace("}", "")


@lru_cache(maxsize=2048)
def letters(normal: str) -> frozenset[str]:
    """The letters of a normalised text, each with its index; words and commands are none."""
    if not _LETTER.search(normal):
        return frozenset()
    found = (match["letter"] for match in _PIECE.finditer(_FUNCTION_WORD.sub(r"\\\1", normal)))
    return frozenset(bare(letter) for letter in found if letter and letter not in ("e", "i"))


def rename(normal: str, names: Mapping[str, str]) -> str:
    """Replace letters of a normalised text, all at once. In words, only a letter that stands alone is one."""

    def other_name(letter: str) -> str:
        new = names.get(bare(letter), "")
        head, _, index = new.partition("_")
        return (f"{head}_{{{index}}}" if index else f"{head} " if head.startswith("\\") else head) or letter

    def replaced(match: re.Match[str]) -> str:
        if match["words"] is not None:
            return _ALONE.sub(lambda word: other_name(word.group()), match.group())
        return other_name(match["letter"]) if match["letter"] else match.group()

    return _PIECE.sub(replaced, _FUNCTION_WORD.sub(r"\\\1", normal))


_CALL = re.compile(
    rf"(?:^|[,;=] *|\\text *\{{ *(?:and|or) *\}} *)((?:[A-Za-z]|\\(?:{_GREEK})){_INDEX}) *\(([A-Za-z, ]{{1,12}})\) *="
)


def calls(normal: str) -> list[tuple[str, tuple[str, ...]]]:
    """The functions that a text says are equal to something, each with its arguments: f and (x,) of ``f(x) = cx``."""
    found = ((head, tuple(letter.strip() for letter in inside.split(","))) for head, inside in _CALL.findall(normal))
    return [(bare(head), names) for head, names in found if all(len(name) == 1 for name in names)]


def renamings(
    gold: str, answer: str, declared: tuple[Collection[str], Collection[str]], free: Collection[str] = ()
) -> Iterator[Mapping[str, str]]:
    """Each way to rename the answer's own letters to the gold's own; none if there is nothing to rename.

    `declared` holds the letters that the gold and that the answer declare, `free` those that are constants of either.
    """
    lacking = letters(_value(gold, answer)) - letters(answer)
    added = letters(_value(answer, gold)) - letters(gold)
    if not 0 < len(lacking) == len(added) <= MOST_RENAMED or len(answer) > LONGEST:
        return
    bound = set(_bound(gold, answer))
    for chosen in permutations(sorted(lacking)):
        pairs = list(zip(sorted(added), chosen, strict=True))
        if all(
            (mine, theirs) in bound
            or (theirs in declared[0] and mine in declared[1])
            or (theirs in free and mine in free)
            for mine, theirs in pairs
        ):
            yield dict(pairs)


def _value(normal: str, other: str) -> str:
    """What an equation says a name is, if the other text has only a value: ``k\\pi`` of ``x = k\\pi``."""
    return normal.partition("=")[2] if "=" in normal and "=" not in other else normal


_CONSTANT = re.compile(r"(?:[a-dkmnp-slA-DKLMNR]|\\(?:alpha|beta|gamma|lambda|mu))(?:_.+)?")
_COUNTERS = frozenset("ijklmn")


def free_constants(
    question: str, gold: str, answer: str, declared: tuple[Collection[str], Collection[str]]
) -> frozenset[str]:
    r"""The letters of a gold and an answer, both normalised, that may be any constant: none of the question's.

    The gold must be a family, as people write it: of functions (``f(x) = cx``); with a letter that it declares, or that
    the answer declares (``\frac{\pi}{4} + n\pi``, where n is whole); or the general solution that the question asks
    for.
    """
    of_gold, of_answer = declared
    solved_for = _SOLVED_FOR.match(gold)
    asks_for_all = bool(solved_for) and _ASKS_FOR_ALL.search(question) is not None
    if not (calls(gold) or of_gold or of_answer or asks_for_all):
        return frozenset()
    asked = letters_of_question(question)
    found = letters(gold) | letters(answer)
    if calls(gold) or of_gold or (solved_for and bare(solved_for[1]) in asked):
        found = frozenset(letter for letter in found if _CONSTANT.fullmatch(letter) or letter in {*of_gold, *of_answer})
    else:
        found &= {*of_answer, *_COUNTERS}
    return found - asked - {name for _, names in calls(gold) + calls(answer) for name in names}


_ASKS_FOR_ALL = re.compile(r"\bgeneral (?:solution|form)|\bdifferential equation|\ball solutions", re.IGNORECASE)
_SOLVED_FOR = re.compile(rf"([A-Za-z]{_INDEX}) *=")
_PLAIN_LETTER = re.compile(
    r"(?<![A-Za-z'])(?:[B-HJ-Zb-z](?![A-Za-z'])|[aA](?=\s*(?:[^\sA-Za-z']|$)|\s+(?:and|or|is|are|be)\b))"
)


@lru_cache(maxsize=256)
def letters_of_question(question: str) -> frozenset[str]:
    """The letters that a question names: all in its mathematics, and those that stand alone, but no "I" or article."""
    maths = [normalise(next(filter(None, match.groups()))) for match in MATHS.finditer(question)]
    return frozenset().union(*map(letters, maths), _PLAIN_LETTER.findall(MATHS.sub(" ", question)))


_VARIABLES = frozenset("klmnrstuvwxyz")
"""Letters for any argument of a function. f(a) and P(A) are values at one place."""


def _bound(gold: str, answer: str) -> Iterator[tuple[str, str]]:
    """The answer's and the gold's letter for each argument of a function that both define."""
    arguments = dict(calls(answer))
    for head, theirs in calls(gold):
        mine = arguments.get(head, ())
        if len(mine) == len(theirs) and _VARIABLES.issuperset(mine + theirs):
            yield from zip(mine, theirs, strict=True)
