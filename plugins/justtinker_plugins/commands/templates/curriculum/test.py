import pytest
from justtinker_core.testing import make_problem

from plugin import MyPlugin

PROBLEMS = [make_problem(f"{'1+' * number}0=?", str(number)) for number in range(1, 9)]


def questions(done, step):
    return {group.problem.question for group in done.groups if group.step == step}


def test_short_questions_come_first(run_with):
    done = run_with(MyPlugin(start=0.5), problems=PROBLEMS, steps=1)
    assert questions(done, 1) == {problem.question for problem in PROBLEMS[:4]}


def test_all_take_part_in_the_end(run_with):
    done = run_with(MyPlugin(start=0.5, growth=0.5), problems=PROBLEMS, steps=4)
    assert questions(done, 3) | questions(done, 4) == {problem.question for problem in PROBLEMS}


def test_a_start_of_nothing():
    with pytest.raises(ValueError, match="expected a share above 0, at most 1"):
        MyPlugin(start=0)
