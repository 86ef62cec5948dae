from justtinker_core.testing import check_reward, make_group

from plugin import MyPlugin


def test_terms():
    group = make_group(
        ["x" * 10, "x" * 15, "x" * 40, "x" * 40], outcomes=["correct", "correct", "correct", "incorrect"]
    )
    assert MyPlugin(most=10).score(group) == {"my_plugin": [0.0, -0.5, -1.0, None]}


def test_it_passes_the_checks_for_rewards():
    check_reward(MyPlugin())


def test_in_a_run(run_with):
    done = run_with(MyPlugin(most=10), respond=lambda prompt, index: r"\boxed{2}" + " " * index)
    assert done.status == "finished"
    assert "my_plugin" in done.steps[0].terms
