from justtinker_core.testing import make_group

from plugin import MyPlugin


def test_the_words_are_counted():
    group = make_group(["Wait. Let me check: actually 3.", "3", "waiting"])
    assert MyPlugin().measure(group) == {"my_plugin": [3.0, 0.0, 0.0]}


def test_in_a_run(run_with):
    done = run_with(MyPlugin(), respond=lambda prompt, index: "hmm" * (index == 0))
    assert 0 < done.steps[0].metrics["my_plugin"] < 1
