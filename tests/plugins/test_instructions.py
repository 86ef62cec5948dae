from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Problem, Rollout, Verdict, config
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.testing import make_group
from justtinker_plugins.verifiers._instructions.checks import CHECKS, LEFT_OUT
from justtinker_plugins.verifiers.instructions import Instructions, instructions_of

AT_LEAST, LESS = {"relation": "at least"}, {"relation": "less than"}
SECTIONS = {"section_spliter": "Section", "num_sections": 2}
CASES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    ("keywords:existence", {"keywords": ["big cat", "C++"]}, ["A Big Cat in C++!"], ["big cats in C++", "big cat"]),
    ("keywords:frequency", {"keyword": "art", "frequency": 2, **AT_LEAST}, ["art, Art."], ["art start artart"]),
    ("keywords:frequency", {"keyword": "art", "frequency": 2, **LESS}, ["art start"], ["art art"]),
    ("keywords:forbidden_words", {"forbidden_words": ["no", "a.c"]}, ["know abc"], ["No.", "a.c"]),
    ("keywords:letter_frequency", {"letter": "E", "let_frequency": 3, "let_relation": "at least"}, ["eEe"], ["ee"]),
    ("length_constraints:number_words", {"num_words": 3, **AT_LEAST}, ["one two-three"], ["one, two!"]),
    ("length_constraints:number_words", {"num_words": 3, **LESS}, ["one two"], ["one two three"]),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, ["a\n***\nb", "***\na\n***\nb"],
     ["a", "a***b***c", "a***\n***b", "***\n***"]),
    ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Well"},
     ["a\n\n\"well, b", "a\n\n\n\nWell b"], ["well\n\nb", "a\n\nwell\n\nc", "a\n\nwellness"]),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, ["[name], [the street]"],
     ["[name]", "[[name]]", "[] [] [ ]"]),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, ["Bye\nP.S. I am late", "x\n**p. s.** y"],
     ["Bye P.S. no", "Bye\nP.S.", "P.P.S. no"]),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["x\nP.P.S late", "x\nP.P.S. late"], ["P.S. x"]),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, ["* a\n* b", "So:\n- a\n  - b\nx"],
     ["* a", "* a\n* b\n* c", "*a*\n*b*", "---\n***", "- \n- "]),
    ("detectable_format:constrained_response", {}, ["My answer is no."],
     ["no", "My answer is yes. My answer is no. My answer is maybe."]),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, ["*a* **b c**"],
     ["*a*", "****", "** ** * *", "*a\n*"]),
    ("detectable_format:multiple_sections", SECTIONS,
     ["Section 1\na\nSection 2\nb", "## Section 1: x\n**Section 2** y"],
     ["Section 1\na", "Section 1\na\nSection 1\nb", "in Section 1 and Section 2", "Section 1\nSection 2\n"]),
    ("detectable_format:json_format", {}, ['{"a": 1}', '```json\n[1]\n```', "```\n{}\n```"],
     ["5", '"all of it"', "{} {}", 'Here: {"a": 1}', "```python\n[1]\n```", "[" * 100_000, "```"]),
    ("detectable_format:title", {}, ["<<A poem>>\nx"], ["<A poem>", "<<>>", "<< >>", "<<a\n>>"]),
    ("combination:two_responses", {}, ["a\n******\nb"], ["a", "a******a", "a******b******c", "a************b"]),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Why is it? "}, ["why is it?\nBecause."], ["Why is it?", "No"]),
    ("startend:end_checker", {"end_phrase": "Any questions?"}, ["x. Any questions?", '"any questions?"'],
     ["Any questions? No.", "x"]),
    ("startend:quotation", {}, ['"a"'], ['"a', '""', '"']),
    ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "at least"},
     ["NASA and U.S.", "WELL-KNOWN I"], ["NASA", "Nasa Us"]),
    ("punctuation:no_comma", {}, ["a; b"], ["a, b", "a\uff0c b"]),
]  # fmt: skip


def problem_of(*instructions: tuple[str, Any]) -> Problem:
    names, kwargs = [name for name, _ in instructions], [table for _, table in instructions]
    return Problem("1", "?", None, "instructions", meta={"instruction_id_list": names, "kwargs": kwargs})


def judge(problem: Problem, *texts: str) -> list[Verdict]:
    return Instructions().verify(problem, [Rollout((), (), (), text) for text in texts]) or []


def run_of(*problems: Problem) -> Run:
    tables = {"run": {"name": "x", "model": "tiny", "steps": 1}}
    return Run(config.parse(tables, Path()), Plugins([]), RunDir(Path()), train_problems=problems)


@pytest.mark.parametrize(("name", "arguments", "follow", "break_it"), CASES)
def test_an_instruction(name: str, arguments: dict[str, Any], follow: list[str], break_it: list[str]) -> None:
    problem = problem_of((name, arguments))
    for text in follow:
        assert judge(problem, f"<think>x</think>\n{text}\n") == [
            Verdict("correct", text.strip(), "1 of 1 instructions", vote="follows all")
        ], text
    for text in break_it:
        assert judge(problem, text) == [
            Verdict("incorrect", text.strip(), "0 of 1 instructions", f"it does not follow {name}")
        ], text


def test_every_instruction_of_ifeval_is_checked_or_left_out() -> None:
    assert {name for name, *_ in CASES} == set(CHECKS)
    assert (len(CHECKS), len(LEFT_OUT)) == (21, 4)
    assert not set(CHECKS) & set(LEFT_OUT)


def test_all_must_be_followed_and_the_share_is_measured() -> None:
    problem = problem_of(("punctuation:no_comma", None), ("startend:quotation", {"language": None}))
    verdicts = judge(problem, '"a"', '"a, b"', "", '<think>"a"')
    assert [(v.outcome, v.rung, v.reason) for v in verdicts] == [
        ("correct", "2 of 2 instructions", ""),
        ("incorrect", "1 of 2 instructions", "it does not follow punctuation:no_comma"),
        ("incorrect", "extract", "no answer"),
        ("incorrect", "extract", "a <think> is never closed"),
    ]
    group = make_group(["x"] * 5, [*verdicts, Verdict("unscored", rung="gold")], problem)
    assert Instructions().measure(group) == {"instructions_followed": [1.0, 0.5, 0.0, 0.0, None]}
    assert Instructions().measure(make_group(["x"])) is None


@pytest.mark.parametrize(
    "gold",
    [
        {"instruction_id_list": ["punctuation:no_comma"]},
        [{"instruction_id": ["punctuation:no_comma"], "kwargs": [None]}],
    ],
)  # fmt: skip
def test_the_gold_may_hold_them(gold: Any) -> None:
    problem = Problem("1", "?", json.dumps(gold), "instructions")
    assert instructions_of(problem) == [("punctuation:no_comma", {})]


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({}, "the problem has no instructions: expected instruction_id_list and kwargs in its metadata"),
        ({"instruction_id_list": []}, "instruction_id_list: expected a list of IFEval's names, got []"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}, ""),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}, {}]},
         "kwargs: expected a list of 1, one for each instruction, got [{}, {}]"),
        ({"instruction_id_list": ["punctuation:no_coma"]},
         "the instruction 'punctuation:no_coma' is none of the 21 that are checked here; did you mean "
         "'punctuation:no_comma'?"),
        ({"instruction_id_list": ["language:response_language"], "kwargs": [{"language": "de"}]},
         "the instruction 'language:response_language' is none of the 21 that are checked here (needs a detector of "
         "languages)"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": ["x"]},
         "punctuation:no_comma: expected a table of arguments, got 'x'"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"letter": "x"}]},
         "punctuation:no_comma: letter: unexpected keyword argument"),
        ({"instruction_id_list": ["length_constraints:number_words"], "kwargs": [{"num_words": 3, "relation": "<"}]},
         "length_constraints:number_words: relation: input should be 'less than' or 'at least'"),
        ({"instruction_id_list": ["length_constraints:number_words"], "kwargs": [{"num_words": 3}]},
         "length_constraints:number_words: relation: missing required keyword only argument"),
        ({"instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": [" "]}]},
         "keywords:existence: keywords.0: string should have at least 1 character"),
    ],
)  # fmt: skip
def test_instructions_that_cannot_be_checked(meta: dict[str, Any], reason: str) -> None:
    problem = Problem("bad", "?", None, "instructions", meta=meta)
    complaints = Instructions().preflight(run_of(problem_of(("startend:quotation", {})), problem))
    if not reason:
        assert complaints == []
        return
    assert judge(problem, "x") == [Verdict("unscored", None, "gold", reason)]
    assert complaints == [f"instructions: [data.train] problem 'bad': {reason}; mend the data, or leave the row out"]


def test_other_kinds_are_left_to_others() -> None:
    assert Instructions().verify(Problem("1", "?", "4"), []) is None
    assert Instructions(kinds=("math",)).verify(Problem("1", "?", "4"), [Rollout((), (), (), "x")]) == [
        Verdict("unscored", None, "gold", "the problem has no instructions: expected instruction_id_list and kwargs in "
                "its metadata")
    ]  # fmt: skip


WORDS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=12)


@given(WORDS, st.integers(0, 15))
def test_a_number_of_words_is_either_less_or_at_least(words: list[str], number: int) -> None:
    less, more = (problem_of(("length_constraints:number_words", {"num_words": number, **r})) for r in (LESS, AT_LEAST))
    text = " ".join(words)
    assert (judge(less, text)[0].outcome == "correct") == (len(words) < number)
    assert judge(less, text)[0].outcome != judge(more, text)[0].outcome


@given(WORDS, st.text("abc", min_size=1, max_size=3))
def test_a_keyword_is_there_or_forbidden(words: list[str], word: str) -> None:
    there = problem_of(("keywords:existence", {"keywords": [word]}))
    forbidden = problem_of(("keywords:forbidden_words", {"forbidden_words": [word]}))
    outcomes = {judge(problem, " ".join(words))[0].outcome for problem in (there, forbidden)}
    assert outcomes == {"correct", "incorrect"}
    assert (judge(there, " ".join(words))[0].outcome == "correct") == (word in words)


@given(st.sampled_from(CASES), st.text(max_size=60))
def test_any_text_gets_a_verdict(case: tuple[str, dict[str, Any], list[str], list[str]], text: str) -> None:
    [verdict] = judge(problem_of((case[0], case[1])), text)
    assert verdict.outcome in ("correct", "incorrect")
    assert text.strip() or verdict.outcome == "incorrect"


@pytest.mark.parametrize("unit", ["[", "*", "<", "* ", "- ", "`", "\n", '"', "Section 1", "P.S.", "a.b-", "<<a", "[a"])
def test_long_answers(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    assert {judge(problem_of((name, arguments)), text)[0].outcome for name, arguments, *_ in CASES} <= {
        "correct", "incorrect",
    }  # fmt: skip
