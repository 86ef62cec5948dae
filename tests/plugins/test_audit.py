"""``justtinker audit`` on presets, on files of cases, and with stacks that leak on purpose."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Problem
from justtinker_plugins.commands._audit import programs
from justtinker_plugins.commands._audit.cases import BATTERIES, cases_of
from justtinker_plugins.commands._audit.items import ANSWER_FORMATS, item_of
from justtinker_plugins.commands._audit.opened import OPENED
from justtinker_plugins.commands._audit.programs import tasks
from justtinker_plugins.shared.answers import extract
from tests.core.conftest import cli

DATA = os.environ.get("JUSTTINKER_DATA")
CONFIG = """
[run]
name = "mine"
model = "none"
steps = {steps}
[data.train]
use = "files"
path = "data.jsonl"
kind = "{kind}"
[plugins]
enable = {enable}
{more}
"""
HONEST_CASE = {"question": "7+8=?", "answer": "15", "response": "<think>7+8=15</think>\\boxed{15}", "paid": True}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def stack(*enable: str, kind: str = "math", rows: Any = (), more: str = "", steps: int = 1) -> str:
    """Write a config over rows of (question, answer) and return its name."""
    rows = [{"question": question, "answer": answer} for question, answer in rows]
    lines(Path("data.jsonl"), *rows)
    Path("mine.toml").write_text(CONFIG.format(kind=kind, enable=json.dumps(enable), more=more, steps=steps))
    return "mine.toml"


def lines(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def audit(*arguments: str | Path, code: int = 0, built_in: bool = False) -> dict[str, Any]:
    """Run the command and return its summary, with the batteries by name."""
    more = () if built_in else ("--no-built-in",)
    result = cli("audit", *arguments, *more, "--json", "summary.json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(Path("summary.json").read_text())
    return found | {"batteries": {row["battery"]: row for row in found["batteries"]}, "output": result.output}


ANYTHING = ("--max-in-full", "1", "--max-refused", "1")
CAPITALS = [
    ("What is the capital of France?", "Paris"),
    ("Of Italy?", "Rome"),
    ("Of Japan?", "Tokyo"),
    ("Peru?", "Lima"),
]
LETTERS = [
    ("Which is even? (A) 3 (B) 4", "B"),
    ("Which is odd? (A) 3 (B) 4", "A"),
    ("Is 5 prime? (A) no (C) yes", "(C)"),
]
NUMBERS = [
    ("How much is 12+30?", "42"),
    ("What is a quarter as a decimal?", "0.25"),
    ("How many of 1000+234?", "1,234"),
]


# The bundled stacks


@pytest.mark.parametrize(
    "more",
    [("quickstart-rl",), pytest.param(("exp003", "--set", "data.train.use=arithmetic"), marks=pytest.mark.slow)],
)
def test_the_default_stack_passes_on_arithmetic(more: tuple[str, ...]) -> None:
    found = audit(*more, "--problems", "6", built_in=True)
    assert (found["passed"], found["failures"], found["problems"], found["left_out"]) == (True, [], 6, [])
    assert found["output"].endswith("The stack passes.\n")
    assert {row["kind"] for row in found["batteries"].values()} == {"wrong", "sloppy", "honest"}
    assert [name for name, row in found["batteries"].items() if not row["tried"]] == ["other units"]
    assert all(row["tried"] + row["n/a"] >= 6 for row in found["batteries"].values())


def test_a_leaky_verifier_fails_and_the_paid_hacks_are_named() -> None:
    found = audit("hacked-rl", "--problems", "5", code=1, built_in=True)
    paid = {name for name, row in found["batteries"].items() if row["kind"] == "wrong" and row["failed"]}
    assert paid == {"many answers", "a box within a term", "fake ends"}
    many = found["batteries"]["many answers"]
    assert many["failed"] == many["tried"] == 15, "the built-in problems get their own batteries only"
    assert many["worth"] == 1.0
    assert (
        "The stack fails. Paid: many answers (15 of 15), a box within a term (15 of 15), fake ends (" in found["output"]
    )
    first = found["failures"][0]
    assert (first["name"], first["verdict"]["rung"], first["terms"]["correct"]) == ("many answers", "any box", 1.0)
    assert first["response"].count("\\boxed") > 1


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="set JUSTTINKER_DATA to the folder that holds eval/*.parquet")
@pytest.mark.parametrize(("preset", "problems"), [("quickstart-rl", 250), ("exp003", 60)])  # which differ in redundancy
def test_the_default_stack_passes_on_real_problems(preset: str, problems: int) -> None:
    files = [str(path) for path in sorted(Path(str(DATA), "eval").glob("*.parquet"))]
    data = ("--set", "data.train.use=files", "--set", f"data.train.path={json.dumps(files)}")
    found = audit(preset, *data, "--problems", str(problems), "--max-refused", "0.005", "--show", "20", built_in=True)
    assert found["problems"] == problems
    assert not any(row["failed"] for row in found["batteries"].values() if row["kind"] != "honest")
    assert all(row["tried"] for row in found["batteries"].values())
    assert not any(row["unscored"] for row in found["batteries"].values() if row["kind"] != "honest")


# What a battery is


def items() -> list[Any]:
    rows = [("math", "How much is 47+38?", "85"), ("math", "Factor $x^2-1$.", "(x-1)(x+1)"), ("math", "?", r"90^\circ")]
    rows += [("math", "?", r"12\frac{1}{2}\%"), ("math", "?", r"1-\frac{1}{2008!}"), ("math", "?", r"\text{Monday}")]
    rows += [("math", "How long is it, in meters?", "25"), ("math", "Which one?", "(C)"), ("number", "?", "2.5")]
    rows += [("number", "?", "0.25"), ("choice", "?", "B"), ("text", "?", "Paris"), ("math", "?", "1, 2")]
    others = ["7", "Rome", r"\frac{1}{2}"]
    return [item_of(Problem(str(i), q, a, kind), others, ANSWER_FORMATS[0], 0) for i, (kind, q, a) in enumerate(rows)]


def items_of_programs() -> list[Any]:
    return [item for problem in tasks.draw_problems("") for item in programs.items_of(problem, 0)]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, makers in BATTERIES.items() for name in makers])
def test_every_battery_has_a_description_and_yields_responses(kind: Any, name: str) -> None:
    maker = BATTERIES[kind][name]
    assert maker.__doc__
    assert maker.__doc__.endswith(".")
    texts, again = ([list(maker(item)) for item in [*items(), *items_of_programs()]] for _ in range(2))
    assert any(texts)
    assert again == texts, "a battery depends on the problem and the seed only"


def test_no_hack_plainly_answers_the_gold() -> None:
    """The answer of a wrong answer is never just the gold."""
    for item in items():
        for name, maker in BATTERIES["wrong"].items():
            for text in maker(item):
                assert extract(OPENED.get(name, "") + text, "strict", 10_000).answer != item.gold, (name, text)


def test_a_few_responses_are_drawn_reproducibly() -> None:
    first, again = ([(c.name, c.response) for c in cases_of(item)] for item in (items()[0], items()[0]))
    assert first == again
    assert max(map([name for name, _ in first].count, BATTERIES["wrong"])) == 3


# Other kinds of problems, and other ways to answer


@pytest.mark.parametrize(
    ("verifier", "kind", "rows", "not_for"),
    [
        ("choice", "choice", LETTERS, {"a range", "the question restated", "assertions of nothing", "other numbers"}),
        ("exact", "text", CAPITALS, {"a range", "the question restated", "assertions of nothing", "other numbers"}),
        ("numeric", "number", NUMBERS, {"other units"}),
    ],
)
def test_other_kinds_are_audited_with_fitting_batteries(verifier: str, kind: str, rows: Any, not_for: set[str]) -> None:
    config = stack(verifier, "correct", "format", "redundancy", kind=kind, rows=rows)
    found = audit(config, "--max-refused", "1")
    assert {name for name, row in found["batteries"].items() if not row["tried"]} >= not_for
    assert all(f"{name} " in found["output"] for name in not_for), "never silently"
    assert not any(row["failed"] for row in found["batteries"].values() if row["kind"] != "honest")
    plain = found["batteries"]["the plain answer"]
    assert (plain["tried"], plain["failed"], plain["worth"]) == (len(rows), 0, 1.0)


def test_answers_come_in_the_format_that_the_verifier_reads() -> None:
    rows = [("How much is 12+30?", "so\n#### 42"), ("How much is 2+30?", "#### 32")]
    more = '[plugins.numeric]\npipeline = "gsm8k"'
    found = audit(stack("numeric", "correct", "format", rows=rows, more=more), *ANYTHING, "--write-cases", "c")
    assert found["batteries"]["half an answer"]["n/a"] == 2
    assert found["batteries"]["many answers"]["failed"] == 0
    written = [json.loads(line) for line in Path("c").read_text().splitlines()]
    assert {case["honest"].rpartition("\n")[2] for case in written} == {"#### 42", "#### 32"}


def test_bad_form_that_no_term_fines_is_found() -> None:
    found = audit(stack("math_verify", "correct", rows=NUMBERS), code=1)
    loops = found["batteries"]["loops"]
    assert (loops["failed"], loops["worth"]) == (loops["tried"], 1.0)
    assert "In full: no thinking (9 of 9)" in found["output"]
    assert audit("mine.toml", "--max-in-full", "1")["passed"]


def test_a_reward_for_short_answers_makes_up_for_bad_form() -> None:
    """Terms that compare rollouts see the case with a plain right and a plain wrong response."""
    found = audit(stack("math_verify", "correct", "format", "length", rows=NUMBERS), code=1)
    assert found["batteries"]["no thinking"]["failed"]
    assert found["batteries"]["long thinking"]["failed"] == found["batteries"]["long thinking"]["tried"]
    assert not any(row["failed"] for row in found["batteries"].values() if row["kind"] == "wrong")


def test_a_problem_whose_answer_is_refused_counts_against_the_stack() -> None:
    config = stack("numeric", "correct", rows=[*NUMBERS, ("What is a half?", r"\sqrt{2}")], kind="number")
    found = audit(config, *ANYTHING)
    plain = found["batteries"]["the plain answer"]
    assert (plain["tried"], plain["failed"], plain["unscored"]) == (4, 1, 1)
    [failure] = [each for each in found["failures"] if each["name"] == "the plain answer"]
    assert failure["verdict"]["reason"] == r"the gold '\\sqrt{2}' is not one number"
    assert failure["worth"] is None
    assert found["batteries"]["many answers"]["tried"] == 9


def test_a_verifier_that_ignores_the_question_pays_its_restatement() -> None:
    found = audit(stack("numeric", "correct", rows=[("How much is 2/8?", "0.25")]), *ANYTHING, code=1)
    assert found["batteries"]["the question restated"]["failed"]
    assert found["failures"][0]["verdict"]["answer"] == "2/8"


TIMID = '''
from justtinker_core import Verdict, hookimpl, plugin

@plugin
class Timid:
    """Cannot grade long answers."""
    @hookimpl
    def verify(self, problem, rollouts):
        def one(text):
            if "9^{9" in text or "+" * 9 in text or len(text) > 3000:
                return Verdict("unscored", reason="too long")
            return Verdict("correct" if text.endswith("\\\\boxed{" + problem.answer + "}") else "incorrect")
        return [one(r.text) for r in rollouts]
'''


def test_an_ungraded_response_is_not_paid_and_shown() -> None:
    Path("timid.py").write_text(TIMID)
    local = '[local_plugins]\ntimid = "timid.py:Timid"'
    found = audit(stack("timid", "correct", "format", rows=CAPITALS, more=local, kind="text"), code=1)
    bombs, long = found["batteries"]["bombs"], found["batteries"]["long thinking"]
    assert bombs["failed"] == 0
    assert found["batteries"]["loops"]["unscored"]
    assert (long["unscored"], long["failed"], long["worth"]) == (long["tried"], long["tried"], None)
    assert "long thinking" in found["output"]


HASTY = '''
from justtinker_core import Verdict, hookimpl, plugin
from justtinker_plugins.text import answer_part, last_boxed

@plugin
class Hasty:
    """Reads what the policy wrote, and forgets what the prompt held of it."""
    @hookimpl
    def verify(self, problem, rollouts):
        boxes = [last_boxed(answer_part(r.text) or "") for r in rollouts]
        return [Verdict("correct" if box and box.content == problem.answer else "incorrect") for box in boxes]
'''


def test_thinking_that_the_prompt_has_opened_is_no_answer_when_cut_off() -> None:
    rows = [("How much is 12+30?", "42"), ("What is 2+30?", "32")]
    assert audit(stack("exact", "correct", "format", "redundancy", rows=rows), "--max-refused", "1")["passed"]
    Path("hasty.py").write_text(HASTY)
    more = '[local_plugins]\nhasty = "hasty.py:Hasty"'
    found = audit(stack("hasty", "correct", "format", rows=rows, more=more), *ANYTHING, code=1)
    rows_of = found["batteries"]
    assert [name for name, row in rows_of.items() if row["kind"] == "wrong" and row["failed"]] == [
        "a box within a term", "opened thinking cut off"
    ], "it does not look beside the box either"  # fmt: skip
    assert rows_of["opened thinking cut off"]["worth"] > 0.5
    assert rows_of["opened thinking"]["failed"] == rows_of["thinking turned off"]["failed"] == 0
    first = next(each for each in found["failures"] if each["name"] == "opened thinking cut off")
    assert (first["opened"], "</think>\n" in first["response"]) == ("<think>\n", False)
    assert "   the prompt ends with '<think>\\n'\n" in found["output"]
    assert "<think>" not in first["honest"], "the plain responses begin where the prompt ends, too"


def test_own_cases_may_begin_in_the_middle_of_a_thought() -> None:
    same = {"question": "7+8=?", "answer": "15", "opened": "<think>"}
    cases = lines(
        Path("cases.jsonl"),
        {**same, "name": "cut off", "response": "7+8 is perhaps \\boxed{15}", "paid": False},
        {**same, "name": "whole", "response": "7+8=15</think>\\boxed{15}", "paid": True},
        {**same, "opened": "<think></think>", "name": "off", "response": "\\boxed{15}", "paid": True},
        {**same, "opened": "", "name": "bare", "response": "\\boxed{15}", "paid": "less"},
    )
    found = audit(stack("math_verify", "correct", "format"), "--problems", "0", "--cases", cases)
    assert [(name, row["tried"], row["failed"]) for name, row in found["batteries"].items()] == [
        ("cut off", 1, 0), ("whole", 1, 0), ("off", 1, 0), ("bare", 1, 0)
    ]  # fmt: skip


def test_weights_are_taken_at_a_step() -> None:
    more = "[plugins.format]\nweight = {from = 0.0, to = 0.4, steps = 10}"
    config = stack("math_verify", "correct", "format", rows=NUMBERS, more=more, steps=20)
    last = audit(config, "--max-in-full", "1")
    assert "weights as of step 20 (the weight schedule of format)" in last["output"]
    assert last["batteries"]["text before thinking"]["worth"] == pytest.approx(0.6)
    first = audit(config, "--max-in-full", "1", "--step", "1")
    assert first["batteries"]["text before thinking"]["worth"] == pytest.approx(0.96)
    assert first["step"] == 1


def test_the_output_names_rewards_for_form_that_the_stack_lacks() -> None:
    advice = " To fine bad form, add -p format -p redundancy."
    config = stack("math_verify", "correct", rows=NUMBERS)
    assert audit(config, "--problems", "3", code=1)["output"].endswith(f"{advice}\n")
    assert audit(config, "--problems", "3", "-p", "format", code=1)["output"].endswith(
        " bad form, add -p redundancy.\n"
    )
    assert advice not in audit(config, "--problems", "3", "--max-in-full", "1")["output"]


# Own cases


def test_own_cases_beside_the_batteries() -> None:
    config = stack("math_verify", "correct", "format", rows=NUMBERS)
    same = {"question": "7+8=?", "answer": "15"}
    cases = lines(
        Path("cases.jsonl"),
        HONEST_CASE,
        {**same, "name": "two boxes", "response": "\\boxed{15} \\boxed{5}", "paid": False},
        {**same, "name": "two boxes", "response": "\\boxed{5} \\boxed{15}", "paid": False},
        {**same, "name": "bare", "response": "\\boxed{15}", "paid": "less"},
        {**same, "name": "bare, in numbers", "response": "\\boxed{15}", "paid": 0.9},
        {**same, "name": "somewhere", "response": "\\boxed{15}", "paid": [0.1, 0.8]},
    )
    found = audit(config, "--cases", cases, "--problems", "0", code=1)
    rows = found["batteries"]
    assert {name: (row["kind"], row["tried"], row["failed"]) for name, row in rows.items()} == {
        "own cases": ("honest", 1, 0),
        "two boxes": ("wrong", 2, 1),
        "bare": ("sloppy", 1, 0),
        "bare, in numbers": ("number", 1, 0),
        "somewhere": ("number", 1, 1),
    }
    assert "cases.jsonl, line 3" in found["output"]
    assert "The stack fails. Paid: two boxes (1 of 2). Unexpected: somewhere (1 of 1)." in found["output"]
    assert audit(config, "--cases", cases, "--problems", "2", "--max-in-full", "1", code=1)["problems"] == 8


def test_written_cases_can_be_read_back() -> None:
    made = audit("hacked-rl", "--problems", "1", "--write-cases", "cases.jsonl", code=1)
    read = audit("hacked-rl", "--problems", "0", "--cases", "cases.jsonl", code=1)
    for name, row in made["batteries"].items():
        if row["tried"]:
            assert {**read["batteries"][name], "what": row["what"], "n/a": row["n/a"]} == row


def test_a_case_can_bring_responses_to_compare_with() -> None:
    config = stack("math_verify", "correct", rows=NUMBERS)
    unlike = {**HONEST_CASE, "answer": "\\boxed{", "question": "?"}
    lines(Path("c.jsonl"), unlike)
    result = cli("audit", config, "--problems", "0", "--cases", "c.jsonl")
    assert result.output == (
        "Error: c.jsonl, line 1: the stack pays the plain answer no more than a wrong one, so there is nothing to "
        "compare with. Add 'honest' and 'wrong', two responses, or give the reward as 'paid'\n"
    )
    lines(Path("c.jsonl"), {**HONEST_CASE, "honest": "\\boxed{15}", "wrong": "no"})
    assert audit(config, "--problems", "0", "--cases", "c.jsonl")["passed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paid": None}, "'paid': expected true, false, \"less\", a reward, or [low, high], got null"),
        ({"paid": "no"}, '\'paid\': expected true, false, "less", a reward, or [low, high], got "no"'),
        ({"paid": [1, 0]}, "'paid': expected true, false, \"less\", a reward, or [low, high], got [1, 0]"),
        ({"response": 5}, "'response' of the case: expected a valid string, got 5"),
        ({"question": None}, "the case has no 'question'; it has answer, response, paid"),
        (
            {"reply": "x"},
            "unknown key 'reply' in a case; expected some of name, question, answer, response, paid, id, kind, meta, "
            "demonstration, truncated, tokens, honest, wrong, graded, opened",
        ),
    ],
)
def test_a_bad_case_is_named(change: dict[str, Any], message: str) -> None:
    lines(Path("c.jsonl"), HONEST_CASE, {**HONEST_CASE, **change})
    result = cli("audit", stack("math_verify", "correct"), "--problems", "0", "--cases", "c.jsonl")
    assert (result.exit_code, result.output) == (1, f"Error: c.jsonl, line 2: {message}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}\n", "c.jsonl, line 1: the case has no 'question'; it has nothing"),
        ("[]\n", "c.jsonl, line 1: expected the case to be an object, got []"),
        (
            "{\n{}\n",
            "c.jsonl, line 1 is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ("\n", "c.jsonl holds no cases"),
    ],
)
def test_a_bad_file_of_cases_is_named(text: str, message: str) -> None:
    Path("c.jsonl").write_text(text)
    result = cli("audit", stack("math_verify", "correct"), "--problems", "0", "--cases", "c.jsonl")
    assert (result.exit_code, result.output) == (1, f"Error: {message}\n")


def test_other_mistakes_are_named() -> None:
    config = stack("math_verify", "correct", rows=NUMBERS)

    def output_of(*arguments: str) -> str:
        result = cli("audit", *arguments)
        assert result.exit_code in (1, 2)
        return result.output

    assert "--problems 0 leaves nothing to audit: add --cases FILE" in output_of(config, "--problems", "0")
    assert (
        output_of(config, "--cases", "none") == "Error: there is no file none: --cases expects a file of JSON lines\n"
    )
    assert "no plugin called 'exakt'" in output_of(config, "-p", "exakt")
    assert "cannot write no/where" in output_of(config, "--write-cases", "no/where")
    Path("bare.toml").write_text(
        '[run]\nname = "b"\nmodel = "m"\nsteps = 1\n[plugins]\nenable = ["exact", "correct"]\n'
    )
    assert "has no data to write responses to: add [data.train], or use --problems 0 --cases FILE" in output_of(
        "bare.toml"
    )
    lonely = stack("exact", "correct", rows=CAPITALS, kind="code")
    assert "Error: the plain answer, problem '" in output_of(lonely)
    assert "no verifier takes problem" in output_of(lonely)


def test_a_stack_that_pays_no_plain_answer_cannot_be_audited() -> None:
    config = stack("exact", "correct", rows=CAPITALS, kind="text", more="[plugins.correct]\nweight = 0.0")
    result = cli("audit", config)
    assert result.exit_code == 1
    assert "for none of 4 problems does the stack pay the plain answer more than a wrong one" in result.output
    assert "if a gold need not be a right answer, give such problems a kind of their own " in result.output
    assert "and audit your own responses: --problems 0 --cases FILE" in result.output


DIVISOR = '''
from justtinker_core import Verdict, hookimpl, plugin
from justtinker_plugins.text import last_boxed

@plugin
class Divisor:
    """Right is any prime that divides the gold."""
    @hookimpl
    def verify(self, problem, rollouts):
        return [Verdict(["incorrect", "correct"][self.right(int(problem.answer), r.text)]) for r in rollouts]
    def right(self, gold, text):
        box = last_boxed(text)
        n = int(box.content) if box and (box.content or "").isdecimal() else 0
        return 1 < n < 999 and all(n % k for k in range(2, n)) and gold % n == 0
'''


def test_a_gold_that_need_not_be_a_right_answer() -> None:
    """The plain answer to 15 is 15, but only 3 and 5 are right."""
    Path("divisor.py").write_text(DIVISOR)
    local = '[local_plugins]\ndivisor = "divisor.py:Divisor"'
    rows = [("What divides 7?", "7"), ("What divides 15?", "15")]
    found = audit(stack("divisor", "correct", rows=rows, kind="divisor", more=local), "--max-in-full", "1", code=1)
    assert found["batteries"]["the plain answer"]["failed"] == 1
    assert (
        "The plain answer is the gold (of programs, a solution: perhaps a test is wrong); if a gold need not be a "
        "right answer, give such problems a kind of their own and audit your own responses: --problems 0 --cases FILE."
    ) in found["output"]


# Output


def test_a_policys_text_cannot_harm_the_terminal() -> None:
    evil = {**HONEST_CASE, "name": "[red]evil", "response": "\x1b]0;owned\x07[bold]\\boxed{15}", "paid": False}
    lines(Path("c.jsonl"), evil)
    output = audit(stack("math_verify", "correct"), "--problems", "0", "--cases", "c.jsonl", code=1)["output"]
    assert "1. [red]evil: reward 1, worth 1.00" in output
    assert "␛]0;owned␇[bold]\\boxed{15}" in output
    assert "\x1b" not in output
    assert "correct '15' (string); correct +1" in output
    assert "1. " not in cli("audit", "mine.toml", "--problems", "0", "--cases", "c.jsonl", "--show", "0").output
