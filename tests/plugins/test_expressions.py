from __future__ import annotations

import asyncio
import doctest
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, Rollout, config
from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import DataSpec
from justtinker_plugins.datasets import expressions
from justtinker_plugins.datasets.expressions import INPUTS, STEPS, Expressions, demonstrate, outputs_of, problem_of
from justtinker_plugins.verifiers.code import Code
from tests.plugins.sandbox import needs_sandbox


def load(purpose: Literal["train", "eval"], seed: int = 0, **options: Any) -> list[Problem]:
    spec = DataSpec("train" if purpose == "train" else "held_out", purpose, "expressions", options)
    return list(configure(Expressions, spec.table, options).load_problems(spec, seed))


def outputs(problem: Problem) -> tuple[int, ...]:
    return tuple(problem.meta["input_output"]["outputs"])


def values(expression: str) -> tuple[int, ...]:
    return tuple(map(eval(f"lambda x: {expression}"), INPUTS))


def test_documented_examples() -> None:
    result = doctest.testmod(expressions)
    assert (result.failed, result.attempted) == (0, 3)


def test_a_problem() -> None:
    assert problem_of(("add 3", "square", "times 2"), "a text") == Problem(
        id="add 3; square; times 2",
        question="f(x): add 3, square, times 2",
        answer="f=lambda x:(x+3)**2*2",
        kind="code",
        demonstration="a text",
        meta={
            "parentheses": 1,
            "input_output": {"fn_name": "f", "inputs": [[-7], [-1], [0], [2], [10]], "outputs": [32, 8, 18, 50, 338]},
        },
    )


SEQUENCES = st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4)


@given(SEQUENCES)
def test_a_careful_teacher_is_right(steps: list[str]) -> None:
    program = demonstrate(steps, [True] * len(steps)).partition("f=lambda x:")[2].partition("\n")[0]
    assert values(program) == outputs_of(steps)


@given(SEQUENCES, st.data())
def test_a_forgetful_teacher_is_wrong_only_for_lack_of_parentheses(steps: list[str], data: st.DataObject) -> None:
    careful = data.draw(st.lists(st.booleans(), min_size=len(steps), max_size=len(steps)))
    sloppy, right = demonstrate(steps, careful), demonstrate(steps, [True] * len(steps))
    assert sloppy.replace("(", "").replace(")", "") == right.replace("(", "").replace(")", "")


def test_training_and_evaluation_share_no_function() -> None:
    train, held_out = load("train"), load("eval")
    assert len(held_out) == 100
    assert not set(map(outputs, train)) & set(map(outputs, held_out))
    ids = [problem.id for problem in train + held_out]
    assert len(ids) == len(set(ids)) > 3900
    assert all(problem.demonstration is None for problem in held_out)


def test_problems_are_functions_of_the_seeds() -> None:
    assert load("train", 1, count=50) == load("train", 1, count=50) != load("train", 2, count=50)
    assert load("eval", 1) == load("eval", 2) != load("eval", 1, held_out_seed=1)
    assert load("eval", held_out=20) == load("eval")[:20]


def test_the_teacher_forgets_and_skips_as_often_as_configured() -> None:
    problems = load("train", steps=2)
    hard = [problem for problem in problems if problem.meta["parentheses"]]
    right = [problem for problem in hard if str(problem.answer) in str(problem.demonstration)]
    assert 1 - len(right) / len(hard) == pytest.approx(0.7, abs=0.1)
    thinking = [problem for problem in load("train") if str(problem.demonstration).startswith("<think>")]
    assert 1 - len(thinking) / len(load("train")) == pytest.approx(0.05, abs=0.02)
    assert all(p.answer in str(p.demonstration) for p in load("train", count=200, parentheses_drop=0.0))


def test_an_evaluation_of_what_is_trained_does_not_start(tmp_path: Path) -> None:
    tables = {"run": {"name": "x", "model": "tiny", "steps": 1}}
    run = Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path), train_problems=tuple(load("train")))
    run.eval_problems = {"same": tuple(load("eval")), "other": tuple(load("eval", held_out_seed=1))}
    (complaint,) = Expressions().preflight(run)
    assert complaint.startswith("[data.eval.other] asks ")
    assert complaint.endswith(
        "functions that [data.train] trains on; give steps, held_out and held_out_seed the same values in both tables "
        "(or once, in [plugins.expressions])"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": 304, "steps": 2}, "[data.train] held_out = 304: there are only 304 problems of 2 steps"),
        ({"steps": 5}, "[data.train] steps = 5: input should be less than or equal to 4"),
        ({"parentheses_drop": 2.0}, "[data.train] parentheses_drop = 2.0: input should be less than or equal to 1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError) as error:
        load("train", **options)
    assert str(error.value) == message


@needs_sandbox
def test_the_hidden_tests_pay_what_is_right_and_nothing_else() -> None:
    problem = problem_of(("add 3", "times 2"))
    texts = [demonstrate(["add 3", "times 2"], [True, careful]) for careful in (True, False)]
    texts.append("```python\ndef f(x):\n    return 2 * x + 6\n```")
    verdicts = asyncio.run(Code().verify(problem, [Rollout((), (), (), text) for text in texts]))
    assert verdicts is not None
    assert [verdict.outcome for verdict in verdicts] == ["correct", "incorrect", "correct"]
    assert verdicts[1].reason == "test 1 of 5: f(-7) gives -1, expected -8"
