from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem
from justtinker_core.testing import Runner
from justtinker_core.types import DataSpec
from tests.cookbook.conftest import recipe

ChangeOfBase = recipe("change_of_base:ChangeOfBase")
digits = recipe("change_of_base:digits")


def loaded(purpose: str, seed: int = 0, **options: object) -> list[Problem]:
    name = "train" if purpose == "train" else "held_out"
    spec = DataSpec(name, purpose, "change_of_base", {})  # type: ignore[arg-type]
    return list(ChangeOfBase(**options).load_problems(spec, seed))


@given(st.integers(1, 10**9), st.integers(2, 9))
def test_pythons_own_reading_agrees(number: int, base: int) -> None:
    assert int(digits(number, base), base) == number


@settings(max_examples=20)
@given(st.integers(), st.integers(), st.integers(300, 400), st.integers(300, 400))
def test_no_seed_or_size_makes_the_sides_meet(a: int, b: int, largest_a: int, largest_b: int) -> None:
    train = loaded("train", a, count=500, largest=largest_a)
    held_out = loaded("eval", b, count=100, largest=largest_b)
    assert not {p.question for p in train} & {p.question for p in held_out}
    assert len({p.id for p in train}) == 500


def test_every_problem_is_on_one_side() -> None:
    found = []
    for purpose, name in (("train", "train"), ("eval", "held_out")):
        with pytest.raises(PluginError, match=r"count = 9999: there are only (\d+); raise largest") as error:
            loaded(purpose, count=9999, largest=1000)
        assert f"[data.{'train' if purpose == 'train' else 'eval.' + name}]" in str(error.value)
        found.append(int(str(error.value).split("only ")[1].split(";")[0]))
    assert sum(found) == 8000
    assert found[1] == pytest.approx(800, abs=100)


def test_seeds() -> None:
    assert loaded("train", 1, count=50) == loaded("train", 1, count=50) != loaded("train", 2, count=50)
    assert loaded("eval", 1, count=50) == loaded("eval", 2, count=50)
    assert loaded("eval", count=200)[:50] == loaded("eval", count=50)


def test_in_a_run(run_with: Runner) -> None:
    sets = {"train": loaded("train", count=20), "held_out": loaded("eval", count=5)}
    answers = {p.question: p.answer for p in (*sets["train"], *sets["held_out"])}
    done = run_with(problems=sets, respond=lambda prompt, index: f"\\boxed{{{answers[prompt]}}}", steps=2)
    assert done.steps[-1].metrics["accuracy"] == done.evals[-1].metrics["accuracy"] == 1
    assert run_with(ChangeOfBase(count=20), steps=1).status == "finished"
