"""Words and the letters of choices, as people write them."""

from __future__ import annotations

from collections.abc import Iterator

from justtinker_plugins.commands._audit.variants.forms import Variant, letter_of, word_of


def _words(text: str) -> Iterator[Variant]:
    if word := word_of(text):
        for template in (
            "{}", r"\text{{{}}}", r"\textbf{{{}}}", r"\textit{{{}}}", r"\mbox{{{}}}", r"\text{{ {} }}", r"\text{{{}.}}",
            r"\text{{{}}}.",
        ):  # fmt: skip
            yield "word", template.format(word)
        if " " not in word:
            yield "word", rf"\mathrm{{{word}}}"
        yield from (("case", word.lower()), ("case", rf"\text{{{word[0].upper()}{word[1:]}}}"))


def _letters(text: str) -> Iterator[Variant]:
    if letter := letter_of(text):
        for template in (
            "{}", "({})", r"\text{{{}}}", r"\textbf{{({})}}", r"\mathrm{{{}}}", r"\text{{({}) }}", r"\mathbf{{{}}}",
        ):  # fmt: skip
            yield "choice", template.format(letter)


RULES = (_words, _letters)
