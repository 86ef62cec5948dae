r"""Drop the words around an answer that only repeat the question: ``58 \text{ cupcakes}``, "The answer is 58".

Only words of the question's asking clause are dropped (`asked_units`), and none that may change the value: "58 dozen",
"58 less than 60" and "58 or 60" stay as they are. Units of measure stay, too: the ladder compares them.
"How many millions ..." makes "7 million" the answer 7.
"""

from __future__ import annotations

import re

from justtinker_plugins.shared.latex.asked_units import GLUE, GROUPS, Asked, asked_of, stem
from justtinker_plugins.shared.latex.normalise import as_written, normalise
from justtinker_plugins.shared.latex.number_words import FACTORS, digits_of
from justtinker_plugins.shared.latex.units import CJK, LETTERS, is_unit, is_unit_word

_LEAD = re.compile(
    r"^(?:\\text *\{)? *(?:(?:so|thus|hence|therefore),? +)?(?:(?:the|our|my) +)?(?:(?:final|correct) +)?"
    r"(?:(?:answer|result|total) *(?:is(?: equal to)?(?![a-z])|equals(?![a-z])|[:=])+"
    r"|la respuesta es(?![a-z])|答案[是为:]) *:? *(\})?",
    re.IGNORECASE,
)
_WORD = re.compile(
    rf"(?<![A-Za-z\\])[{LETTERS}]{{3}}|[{CJK}]|\\(?:text|math|[mhf]box|operatorname|rm|bf|it|emph|style)|[^\x00-\x7f]"
)
"""Only an answer with a word, or with letters that may become one, has something to drop."""
_LAST = re.compile(r"(?:^|[ ,])+(?:in (?:all|total)|en total|altogether|total|overall|left over|left|remaining|old) *$")
_AFTER_NUMBER = re.compile(
    rf"(?<=[0-9}}]) *(?:\\text *\{{(?P<text>[^{{}}]*)\}}"
    rf"|(?P<raw>(?:[{CJK}]|(?:of|de) |[{LETTERS}]{{3}})[{LETTERS}]*+(?: [{LETTERS}]++)*+)) *+(?![{LETTERS}0-9])"
)
_GROUP = re.compile(rf"(?<![A-Za-z])(?:{'|'.join([*FACTORS, *GROUPS])})", re.IGNORECASE)
_ONLY_WORDS = re.compile(rf"(?:\\text *\{{ *)?([A-Za-z][{LETTERS} -]*)\}}?")


def without_asked_words(question: str, gold: str, answer: str) -> str:
    r"""Reduce ``58 \text{ cupcakes}`` to 58 if the question asks for cupcakes, and "The answer is 58" to 58."""
    if not _WORD.search(answer):
        return answer
    asked = asked_of(question)
    if asked.grouped and _GROUP.search(answer):
        asked = asked._replace(nouns=asked.nouns | asked.grouped)
    plain = answer
    for factor in (word for word in asked.factors if word not in gold):
        plain = re.sub(rf"(?<=[0-9}}]) *(\\text *\{{ *)?\b{factor}s?\b", r"\1", plain)
    plain = _LEAD.sub(lambda m: "" if m[1] or "{" not in m[0] else r"\text{", normalise(plain), count=1)
    plain = _digits_first(normalise(as_written(plain)))
    plain = _AFTER_NUMBER.sub(lambda m: _what_is_left(m, asked, question), plain)
    return answer if plain == normalise(answer) else as_written(plain)


def _digits_first(text: str) -> str:
    r"""Write "twelve cupcakes" as ``12\text{cupcakes}``."""
    if not (found := _ONLY_WORDS.fullmatch(text)):
        return text
    words = re.split("[ -]+", found[1].strip())
    for n in range(min(len(words) - 1, 12), 0, -1):
        if digits := digits_of([word.lower() for word in words[:n]]):
            return rf"{digits}\text{{{' '.join(words[n:])}}}"
    return text


def _what_is_left(match: re.Match[str], asked: Asked, question: str) -> str:
    """The words after a number, without those that the question asks for. From an unknown word on, all stay."""
    if _ends_in_words(match.string[: match.start()]):
        return match[0]
    written = match["text"] or match["raw"] or ""
    words = _LAST.sub("", written).split()
    kept: list[str] = []
    for i, word in enumerate(words):
        bare = word.strip(",.")
        if is_unit_word(bare):
            kept.append(bare)
        elif re.match(rf"[{CJK}]", bare) and (left := _chinese_left(bare, asked, question)) != bare:
            kept.append(left)
        elif not (stem(bare) in asked.nouns or (bare.lower() in GLUE and i < len(words) - 1)):
            kept += words[i:]
            break
    if kept == written.split() and kept:
        return match[0]
    return rf"\text{{{' '.join(kept)}}}" if any(kept) else ""


def _ends_in_words(text: str) -> bool:
    r"""Whether a text ends in words instead of a number: ``\text{east}``, after which a word is another answer."""
    before, _, inside = text.rpartition("{")
    written = before.rstrip().endswith("\\text") and inside.endswith("}")
    return written and re.search("[^0-9 }]", inside) is not None


def _chinese_left(word: str, asked: Asked, question: str) -> str:
    """A Chinese word without a noun of the question: 只 for 只鸟, if the question is about birds."""
    unit = next((word[:n] for n in range(min(len(word), 6), 0, -1) if is_unit(word[:n])), "")
    if unit and word[len(unit) :] in question:
        return unit
    return "" if word in asked.chinese else word
