r"""Texts that a regular expression needs to match, and that `normalise` gains time and loses nothing by them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.commands._audit.variants import equivalent_variants
from justtinker_plugins.shared.latex import normalise as module
from justtinker_plugins.shared.latex.needs import needs_one_of
from justtinker_plugins.shared.latex.normalise import _RULES, normalise
from tests.plugins.real_golds import load_problems

DATA = os.environ.get("JUSTTINKER_DATA")


@pytest.mark.parametrize(
    ("pattern", "needs"),
    [
        (r"\\(?:dfrac|tfrac)(?![A-Za-z])", ("dfrac", "tfrac")),
        (r"\\begin *\{(a|b)\}", (r"\begin",)),
        (r"(?<=[0-9])\{,\}(?=[0-9])", ("{,}",)),
        (r"<=|>=", ("<=", ">=")),
        (r"a+b?", ("a",)),
        (r"[xy]z*", ("x", "y")),
        (r"a|b*", ("",)),
        (r"\s+", ("",)),
        (r"(?i)abc", ("",)),
        (r"(?i:abc)", ("",)),
        (r"", ("",)),
    ],
)
def test_what_a_pattern_needs(pattern: str, needs: tuple[str, ...]) -> None:
    assert needs_one_of(pattern) == needs


PIECES = [
    r"\frac", r"\dfrac", "{", "}", "1", "2", "x", r"\text", r"\mathrm", "m", " ", ",", "^", r"\circ", r"\left",
    r"\right", "(", ")", r"\,", "~", "$", r"\\", r"\begin{aligned}", r"\end{aligned}", "&", "=", "E", r"\ge", r"\leq",
    "\u2212", "np.", "**",
]  # fmt: skip


def slow(text: str) -> str:
    """`normalise` as it would be if each rule were always tried."""
    text = module.to_ascii(text.replace("\x00", "\ufffd")).strip()
    for _ in range(module.MOST_PASSES):
        before = text
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        text = module._STOPS_AT_ENDS.sub("", text.strip())
        if text == before:
            break
    return text


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_every_rule_that_fits_is_tried(text: str) -> None:
    assert normalise(text) == slow(text)
    for pattern, _ in _RULES:
        for match in re.finditer(pattern, text):
            assert any(need in text for need in needs_one_of(pattern.pattern)), match


@pytest.mark.skipif(not DATA, reason="set JUSTTINKER_DATA to the folder that holds eval/*.parquet")
def test_real_golds_and_questions_are_normalised_alike() -> None:
    problems = load_problems(Path(str(DATA)) / "eval")[::7]
    texts = [text for _, question, gold in problems for text in (question, *(v for _, v in equivalent_variants(gold)))]
    assert [text for text in texts if normalise(text) != slow(text)] == []
