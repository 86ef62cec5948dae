from justtinker_core import DataSpec

from plugin import MyPlugin


def load(purpose, seed=0):
    return list(MyPlugin(largest=20).load_problems(DataSpec("x", purpose, "my_plugin", {}), seed))


def test_answers_are_right():
    for problem in load("train"):
        a, b = problem.id.split("*")
        assert problem.answer == str(int(a) * int(b))


def test_the_seed_decides_the_order():
    assert load("train", 1) == load("train", 1) != load("train", 2)


def test_no_evaluation_problem_is_trained():
    ids = [{problem.id for problem in load(purpose)} for purpose in ("train", "eval")]
    assert all(ids)
    assert not set.intersection(*ids)


def test_in_a_run(run_with):
    done = run_with(problems=load("train")[:3], respond=lambda prompt, index: r"\boxed{6}")
    assert done.status == "finished"
