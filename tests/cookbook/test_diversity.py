from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.testing import Runner, check_reward, make_group
from tests.cookbook.conftest import recipe

Diversity = recipe("diversity:Diversity")
TEXTS = st.lists(
    st.tuples(st.text("ab ", max_size=12), st.sampled_from(["correct", "incorrect", "unscored"])), max_size=6
)


def scored(texts: list[str], outcomes: list[str] | None = None, n: int = 2) -> list[float | None]:
    return Diversity(n=n).score(make_group(texts, outcomes))["diversity"]  # type: ignore[no-any-return]


def test_the_battery() -> None:
    check_reward(Diversity)


def test_by_hand() -> None:
    # 2-shingles: {ab, bc}, {ab, bd}, {ef}; resemblances 1/3, 0, 0
    assert scored(["a b c", "a b d", "e f"]) == [pytest.approx(5 / 6), pytest.approx(5 / 6), 1.0]
    assert scored(["a b c", "a b c"]) == [0.0, 0.0]
    assert scored(["a", "a", "b"]) == [0.5, 0.5, 1.0]  # shorter than a shingle


def test_only_correct_ones_with_company() -> None:
    assert scored(["a b", "c d", "c d"], ["correct", "incorrect", "unscored"]) == [None] * 3
    assert scored(["a b", "x y", "c d"], ["correct", "incorrect", "correct"]) == [1.0, None, 1.0]


@given(TEXTS, st.randoms())
def test_the_order_of_a_group_does_not_matter(group: list[tuple[str, str]], random: object) -> None:
    places = list(range(len(group)))
    random.shuffle(places)  # type: ignore[attr-defined]
    values = scored([text for text, _ in group], [outcome for _, outcome in group])
    shuffled = scored([group[i][0] for i in places], [group[i][1] for i in places])
    assert shuffled == [values[i] for i in places]  # to the last digit
    assert all(value is None or 0 <= value <= 1 for value in values)


def test_in_a_run_and_observed(run_with: Runner) -> None:
    def respond(prompt: str, index: int) -> str:
        return f"{'so it is' if index < 2 else f'number {index} says'} \\boxed{{{prompt[0]}}}"

    done = run_with(Diversity, respond=respond, steps=1, config={"plugins.diversity.mode": "observe"})
    group = next(g for g in done.groups if g.verdicts[0].outcome == "correct")
    raw = [reward.terms["diversity"] for reward in group.rewards]
    assert raw[0] == raw[1] < raw[2] == 1  # type: ignore[operator]
    assert {reward.weights["diversity"] for reward in group.rewards} == {0.0}
