from __future__ import annotations

import doctest
import re
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, config
from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import DataSpec
from justtinker_plugins.datasets import word_problems
from justtinker_plugins.datasets.word_problems import (
    FACTORS,
    TEMPLATES,
    Story,
    WordProblems,
    demonstrate,
    key_of,
    mistakes_in,
    names_of,
    problem_of,
    stories_of,
)
from justtinker_plugins.shared.overlap import overlaps

STORIES = st.sampled_from(sorted(TEMPLATES)).flatmap(lambda name: st.sampled_from(stories_of(name, 20)))
STEP = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")


def load(purpose: Literal["train", "eval"], seed: int = 0, **options: Any) -> list[Problem]:
    spec = DataSpec("train" if purpose == "train" else "held_out", purpose, "word_problems", options)
    return list(configure(WordProblems, spec.table, options).load_problems(spec, seed))


def sort_of(problems: list[Problem], new: str) -> list[Problem]:
    return [problem for problem in problems if problem.meta["new"] == new]


def boxed(problem: Problem) -> str:
    return str(problem.demonstration).rpartition("\\boxed{")[2].rstrip("}")


def test_documented_examples() -> None:
    result = doctest.testmod(word_problems)
    assert (result.failed, result.attempted) == (0, 8)


def test_a_problem() -> None:
    problem = problem_of(Story("change", (3, 4, 20)), ("Mia", "Tom"), "pens", {"new": "numbers"}, "a text")
    assert problem == Problem(
        id="change: 3, 4, 20",
        question="Mia has 20 dollars and buys 3 pens for 4 dollars each. How many dollars does Mia keep?",
        answer="8",
        kind="math",
        demonstration="a text",
        meta={"level": 2, "template": "change", "new": "numbers"},
    )


@pytest.mark.parametrize("level", [1, 2])
def test_there_are_many_templates_and_each_calculation_has_another_one(level: int) -> None:
    shapes = Counter(TEMPLATES[name].shape for name in names_of(level))
    assert shapes.total() >= 16
    assert min(shapes.values()) >= 2
    assert {len(shape) for shape in shapes} == {level}


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_template_tells_every_number_that_it_uses(name: str) -> None:
    template = TEMPLATES[name]
    letters = set(re.findall(r"[abc]", " ".join(template.shape)))
    assert set(re.findall(r"\{([abc])\}", template.text)) == letters
    assert {len(story.numbers) for story in stories_of(name, 20)} == {len(letters)}


@given(STORIES)
def test_a_careful_teacher_is_right_with_sensible_numbers(story: Story) -> None:
    problem = problem_of(story, ("Mia", "Tom"), "pens", {})
    text = demonstrate(TEMPLATES[story.template].steps, story.numbers, "pens")
    assert text.endswith(f".</think>\\boxed{{{problem.answer}}}")
    steps = [(int(x), operation, int(y), int(z)) for x, operation, y, z in STEP.findall(text)]
    assert len(steps) == problem.meta["level"]
    assert steps[-1][-1] == int(problem.answer)
    for x, operation, y, result in steps:
        assert result == {"+": x + y, "-": x - y, "*": x * y, "/": x / y}[operation]
        bounded = {"*": {x, y}, "/": {y, result}}.get(operation, {x, y, result})
        assert bounded <= set(range(2, 21) if operation in "+-" else FACTORS)
    assert set(map(str, story.numbers)) == set(re.findall(r"\d+", problem.question))


@given(STORIES)
def test_every_mistake_ends_in_a_wrong_answer(story: Story) -> None:
    steps = TEMPLATES[story.template].steps
    right = demonstrate(steps, story.numbers, "pens").partition("</think>")[2]
    sorts = mistakes_in(steps, story.numbers)
    assert len(sorts) >= len(steps)
    for taken, slips in chain.from_iterable(sorts):
        text = demonstrate(taken, story.numbers, "pens", slips)
        assert re.fullmatch(r"<think>(\d+ [-+*/] \d+ = [1-9]\d* \w+\.\s?)+</think>\\boxed\{\d+\}", text)
        assert not text.endswith(right)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(2, 150), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_training_never_sees_what_is_held_out(seed: int, held_out_seed: int, held_out: int, hidden: int) -> None:
    options = {"held_out_seed": held_out_seed, "held_out": min(held_out, 24 * hidden), "held_out_templates": hidden}
    train, evaluation = load("train", seed, count=1500, **options), load("eval", seed, **options)
    assert not set(map(key_of, train)) & set(map(key_of, evaluation))
    told = {problem.meta["template"] for problem in train}
    new = {problem.meta["template"] for problem in sort_of(evaluation, "template")}
    assert not told & new
    assert {problem.meta["template"] for problem in sort_of(evaluation, "numbers")} <= told
    assert len(told) == len(TEMPLATES) - 2 * hidden
    assert {TEMPLATES[name].shape for name in told} == {template.shape for template in TEMPLATES.values()}


def test_what_is_held_out() -> None:
    problems = load("eval")
    assert Counter((p.meta["new"], p.meta["level"]) for p in problems) == {
        (new, level): 50 for new in ("numbers", "template") for level in (1, 2)
    }
    assert len({p.id for p in problems}) == len({p.question for p in problems}) == 200
    assert len({p.meta["template"] for p in sort_of(problems, "template")}) == 8
    assert all(p.demonstration is None for p in problems)


def test_what_is_trained() -> None:
    problems = load("train")
    assert Counter(p.meta["level"] for p in problems) == {1: 750, 2: 750}
    assert len({p.id for p in problems}) == len({p.question for p in problems}) == 1500
    assert {frozenset(p.meta) for p in problems} == {frozenset({"level", "template"})}


def test_few_questions_look_like_one_that_is_held_out() -> None:
    for seed in range(3):
        assert len(list(overlaps(load("train", seed), {"held_out": load("eval")}))) < 15


def test_problems_are_functions_of_the_seeds() -> None:
    assert load("train", 1, count=50) == load("train", 1, count=50) != load("train", 2, count=50)
    assert load("eval", 1) == load("eval", 2) != load("eval", 1, held_out_seed=1)
    assert load("eval", held_out=20) == load("eval")[:40]


def test_the_teacher_errs_and_skips_as_often_as_configured() -> None:
    problems = load("train", seed=1, count=2400)
    thinking = [p for p in problems if str(p.demonstration).startswith("<think>")]
    assert 1 - len(thinking) / len(problems) == pytest.approx(0.05, abs=0.015)
    for some, margin in ((problems, 0.04), ([p for p in problems if p not in thinking], 0.15)):
        assert sum(boxed(p) != p.answer for p in some) / len(some) == pytest.approx(0.7, abs=margin)
    assert all(boxed(p) == p.answer for p in load("train", mistakes=0.0))


def test_the_teachers_mistakes_are_of_every_sort() -> None:
    seen = Counter()
    for problem in load("train", mistakes=1.0, no_thinking=0.0):
        steps = STEP.findall(str(problem.demonstration))
        shape = [step[1] for step in TEMPLATES[problem.meta["template"]].shape]
        slip = any(
            int(z) != {"+": int(x) + int(y), "-": int(x) - int(y), "*": int(x) * int(y), "/": int(x) // int(y)}[o]
            for x, o, y, z in steps
        )
        sort = "slip" if slip else "dropped" if len(steps) < len(shape) else "operation"
        seen[sort, problem.meta["level"]] += 1
    for sort in ("operation", "slip"):
        assert seen[sort, 1] / 750 == pytest.approx(1 / 2, abs=0.06)
    for sort in ("operation", "slip", "dropped"):
        assert seen[sort, 2] / 750 == pytest.approx(1 / 3, abs=0.06)


def test_an_evaluation_of_what_is_trained_does_not_start(tmp_path: Path) -> None:
    tables = {"run": {"name": "x", "model": "tiny", "steps": 1}}
    run = Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path), train_problems=tuple(load("train")))
    stranger = Problem("boxes: 3, 4", "What is 3*4?", "12")
    run.eval_problems = {"same": (*load("eval"), stranger), "other": tuple(load("eval", held_out_seed=1))}
    trained = set(map(key_of, run.train_problems))
    numbers, templates = WordProblems().preflight(run)
    fix = (
        "; give largest, held_out, held_out_templates and held_out_seed the same values in both tables (or once, in "
        "[plugins.word_problems])"
    )
    shared = sum(key_of(problem) in trained for problem in run.eval_problems["other"])
    assert numbers == f"[data.eval.other] asks {shared} problems that [data.train] trains on{fix}"
    told = {problem.meta["template"] for problem in run.train_problems}
    new = {problem.meta["template"] for problem in sort_of(list(run.eval_problems["other"]), "template")}
    assert templates == f"[data.eval.other] asks {len(told & new)} new templates that [data.train] trains on{fix}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 10**6}, r"\[data.train\] count = 1000000: expected at most \d+, which are left for training"),
        ({"held_out": 201}, r"\[data.train\] held_out = 201: input should be less than or equal to 200"),
        (
            {"held_out": 200, "held_out_templates": 1, "held_out_seed": 1},
            r"\[data.train\] held_out = 200: expected at most \d+, or more held_out_templates",
        ),
        ({"held_out_templates": 5}, r"\[data.train\] held_out_templates = 5: input should be less than or equal to 4"),
        ({"mistakes": 1.5}, r"\[data.train\] mistakes = 1.5: input should be less than or equal to 1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError) as error:
        load("train", **options)
    assert re.fullmatch(message, str(error.value)), error.value
