from __future__ import annotations

from justtinker_core import Group, Problem, Rollout, Verdict
from justtinker_core.types import Outcome, Prompt
from justtinker_plugins.metrics.answers import Answers


def measured(*rollouts: tuple[str, Outcome]) -> dict[str, list[float | None]]:
    made = tuple(Rollout((0,) * len(t), (0.0,) * len(t), (True,) * len(t), t) for t, _ in rollouts)
    group = Group(1, 0, Problem("p", "?"), Prompt(), made, tuple(Verdict(outcome) for _, outcome in rollouts))
    return {name: list(values) for name, values in Answers().measure(group).items()}


def test_boxes_are_counted_after_the_thinking() -> None:
    found = measured(
        (r"<think>\boxed{1}</think>\boxed{2} or \boxed{3}", "correct"),
        (r"<think>\boxed{1} \boxed{2}</think>\boxed{2}", "correct"),
        (r"\boxed{1} \boxed{2} \boxed{3", "incorrect"),
        (r"<think>\boxed{1} \boxed{2} and no end", "incorrect"),
        ("none", "incorrect"),
    )
    assert found["boxed_count"] == [2, 1, 3, 0, 0]
    assert found["multiple_boxed_rate"] == [1, 0, 1, 0, 0]


def test_only_correct_answers_have_a_correct_length() -> None:
    assert measured(("abc", "correct"), ("ab", "incorrect"), ("a", "unscored"))["correct_response_tokens"] == [
        3, None, None,
    ]  # fmt: skip


def test_groups_of_one_mind() -> None:
    right = measured(("a", "correct"), ("b", "unscored"), ("c", "correct"))
    assert (right["all_right_rate"], right["all_wrong_rate"]) == ([1, None, 1], [0, None, 0])
    wrong = measured(("a", "incorrect"), ("b", "incorrect"))
    assert (wrong["all_right_rate"], wrong["all_wrong_rate"]) == ([0, 0], [1, 1])
    mixed = measured(("a", "incorrect"), ("b", "correct"))
    assert mixed["all_right_rate"] == mixed["all_wrong_rate"] == [0, 0]
    nobody = measured(("a", "unscored"))
    assert nobody["all_right_rate"] == nobody["all_wrong_rate"] == [None]
