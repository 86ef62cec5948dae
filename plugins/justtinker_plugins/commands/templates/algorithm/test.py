from justtinker_core.testing import make_problem

from plugin import MyPlugin

TWO = make_problem(question="1+1=?", answer="2")


def test_all_rollouts_are_trained_if_the_rewards_differ(run_with):
    plugin = MyPlugin(problems_per_step=1, rollouts_per_problem=4)
    done = run_with(plugin, steps=1, problems=[TWO], respond=lambda prompt, index: f"\\boxed{{{index % 2 + 1}}}")
    assert done.status == "finished"
    assert done.steps[0].metrics["trained"] == 4


def test_nothing_is_trained_if_they_are_equal(run_with):
    plugin = MyPlugin(problems_per_step=1)
    done = run_with(plugin, steps=1, problems=[TWO], respond=lambda prompt, index: r"\boxed{2}")
    assert done.steps[0].metrics["trained"] == 0
