import re

from justtinker_core import DataSpec

from plugin import MyPlugin


def problems():
    return list(MyPlugin(count=4).load_problems(DataSpec("x", "train", "my_plugin", {}), seed=1))


def bisect(prompt, index):
    """A policy that halves the numbers left."""
    low, high = 1, 100
    for guess, hint in re.findall(r"\[(\d+)\] (higher|lower)", prompt):
        low, high = (int(guess) + 1, high) if hint == "higher" else (low, int(guess) - 1)
    return f"[{(low + high) // 2}]"


def test_bisection_wins(run_with):
    done = run_with(MyPlugin(), problems=problems(), respond=bisect, config={"sampling.max_tokens": 100})
    assert done.status == "finished"
    for group in done.groups:
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True):
            assert verdict.outcome == "correct"
            assert rollout.text.endswith(" right\n")
            assert 0 < rollout.response_tokens < len(rollout.tokens)  # hints are not trained


def test_repeating_a_guess_loses(run_with):
    done = run_with(
        MyPlugin(),
        problems=problems(),
        respond=lambda prompt, index: "[101] right",
        config={"sampling.max_tokens": 100},
    )
    assert {verdict.outcome for group in done.groups for verdict in group.verdicts} == {"incorrect"}
