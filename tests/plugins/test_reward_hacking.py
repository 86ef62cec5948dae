from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.options import configure
from justtinker_core.types import EvalStats, History
from justtinker_plugins.monitors.reward_hacking import RewardHacking
from justtinker_plugins.shared.records.history import Records
from tests.plugins.health_runs import series, told


def monitor(**options: Any) -> RewardHacking:
    return configure(RewardHacking, "plugins.reward_hacking", options)


def levels(records: Records, **options: Any) -> list[tuple[int, str]]:
    return [(step, f.level) for step, f in told(monitor(**options), records)]


def ramp(start: float, end: float, steps: int = 30) -> list[float]:
    """Ten steps of the first, then up or down to the other."""
    return [start] * 10 + np.linspace(start, end, steps).tolist()


def with_terms(records: Records, **weighted: list[float]) -> Records:
    """The same steps with these reward terms."""
    steps = tuple(
        replace(stats, terms={name: {"raw": values[i], "weighted": values[i]} for name, values in weighted.items()})
        for i, stats in enumerate(records.steps)
    )
    return replace(records, steps=steps)


def with_evals(records: Records, *accuracy: float, width: float = 0.0, every: int = 10) -> Records:
    """Evaluations after steps 10, 20 ..."""
    evals = tuple(
        EvalStats(
            every * i,
            "math",
            {"accuracy": a},
            {"accuracy": [a - width, a + width]} if width else {},
            {},
            seen=every * i,
        )
        for i, a in enumerate(accuracy, 1)
    )
    return replace(records, evals=evals)


def test_disputed_answers_warn_and_stop() -> None:
    records = series(disputed=ramp(0.02, 0.5))
    (_, warning), (_, stop) = told(monitor(), records)
    assert (warning.level, stop.level) == ("warn", "stop")
    assert warning.message.startswith("the second verifier disagrees on 1")
    assert levels(records, disputed_rise=0.6) == []


def test_boxes_that_a_second_opinion_does_not_dispute_never_stop_alone() -> None:
    boxes = ramp(0.1, 0.9)
    assert [level for _, level in levels(series(multiple_boxed_rate=boxes))] == ["warn", "stop"]
    assert [level for _, level in levels(series(multiple_boxed_rate=boxes, disputed=[0.01] * 40))] == ["warn"]
    assert [level for _, level in levels(series(multiple_boxed_rate=boxes, disputed=ramp(0.01, 0.5)))][-1] == "stop"


def test_more_boxes_warn_and_longer_answers_make_it_a_stop() -> None:
    records = series(multiple_boxed_rate=ramp(0.15, 0.9), correct_response_tokens=ramp(22.0, 60.0))
    records = replace(records, checkpoints=(5, 10, 15, 20))
    (_, warning), (step, stop) = told(monitor(), records)
    assert (warning.level, stop.level) == ("warn", "stop")
    assert (
        warning.message
        == "36% of the answers have several boxes, at first 15%; the last checkpoint before that: step 15"
    )
    assert "; correct answers have 34 tokens, at first 22; the last checkpoint" in stop.message
    assert step < 30
    assert stop.evidence["last_healthy_checkpoint"] == 15
    assert stop.evidence["longer"] == {
        "then": 22.0,
        "now": pytest.approx(33.8, abs=0.1),
        "times": pytest.approx(1.07, abs=0.01),
    }


def test_a_sign_of_twice_its_limit_is_enough() -> None:
    found = levels(series(multiple_boxed_rate=ramp(0.15, 0.9)))
    assert [level for _, level in found] == ["warn", "stop"]
    assert [level for _, level in levels(series(multiple_boxed_rate=ramp(0.15, 0.5)))] == ["warn"]


def test_longer_answers_alone_are_only_mentioned() -> None:
    assert [level for _, level in levels(series(correct_response_tokens=ramp(22.0, 88.0)))] == ["info"]


def test_correct_answers_that_repeat_themselves() -> None:
    steps = series(reward=[0.8] * 40)
    records = with_terms(steps, correct=[0.8] * 40, redundancy=ramp(-0.02, -0.2))
    (_, finding), *_ = told(monitor(), records)
    assert finding.message.startswith("the redundancy penalty of correct answers is 0.13, at first 0.02")
    assert levels(series(redundancy_penalty=ramp(0.0, 0.09))) == []


def test_steps_without_a_correct_answer_are_no_healthy_beginning() -> None:
    wrong = {"redundancy": {"raw": 0.0, "weighted": 0.0, "applies": 0.0}}
    some = {"redundancy": {"raw": -0.15, "weighted": -0.01, "applies": 0.3}}
    steps = series(reward=[0.0] * 4 + [0.3] * 36, redundancy_penalty=[0.01] * 40).steps
    records = Records(tuple(replace(s, terms=wrong if s.step <= 4 else some) for s in steps))
    assert levels(records) == []


def test_terms_that_take_over_while_the_reward_does_not_fall() -> None:
    correct, style = ramp(0.8, 0.3), ramp(0.1, 0.7)
    records = with_terms(
        series(reward=[a + b for a, b in zip(correct, style, strict=True)]), correct=correct, style=style
    )
    (_, finding), *_ = told(monitor(), records)
    assert finding.message.startswith(
        "'correct' makes 67% of the weighted terms, at first 89%, and the reward has not f"
    )
    fallen = with_terms(series(reward=correct), correct=correct, style=style)
    assert levels(fallen) == []
    assert levels(records, outcome_term="style") == []


def test_reward_up_and_evaluation_down() -> None:
    reward = (np.linspace(0.5, 0.9, 40) + 0.01 * (-1) ** np.arange(40)).tolist()
    (step, finding), *more = told(monitor(), with_evals(series(reward=reward), 0.8, 0.82, 0.74))
    assert (step, finding.level, more) == (31, "warn", [])
    assert finding.message.startswith(
        "accuracy on math is 0.74 at step 30, its best was 0.82 at step 20, and the reward has risen from 0.67"
    )
    assert levels(with_evals(series(reward=reward), 0.8, 0.82, 0.78)) == []  # a small dip
    assert levels(with_evals(series(reward=reward), 0.8, 0.82, 0.74, width=0.06)) == []  # within the noise
    assert levels(with_evals(series(reward=reward), 0.8, 0.82, 0.64, width=0.06)) == [(31, "warn")]
    assert levels(with_evals(series(reward=reward[::-1]), 0.8, 0.82, 0.64)) == []  # both down: no hacking
    assert levels(with_evals(series(accuracy=reward), 0.8, 0.82, 0.64)) == []  # no reward known


def test_an_evaluation_that_is_well_again_ends_the_alarm() -> None:
    reward = np.linspace(0.5, 0.9, 60).tolist()
    found = levels(with_evals(series(reward=reward), 0.8, 0.82, 0.7, 0.82, 0.7))
    assert found == [(31, "warn"), (51, "warn")]


def test_a_level_is_said_once_and_small_waves_do_not_repeat_it() -> None:
    wave = [0.15] * 10 + [0.4, 0.36, 0.33, 0.38] * 20
    assert levels(series(multiple_boxed_rate=wave)) == [(15, "warn")]


@pytest.mark.parametrize(("action", "found"), [("stop", ["warn", "stop"]), ("warn", ["warn", "warn"]), ("off", [])])
def test_what_it_may_do(action: str, found: list[str]) -> None:
    records = series(multiple_boxed_rate=ramp(0.15, 0.9), correct_response_tokens=ramp(22.0, 60.0))
    assert [level for _, level in levels(records, action=action)] == found


def test_a_great_change_shows_before_the_two_windows_are_apart() -> None:
    """As docs/reward-hacking.md says: the leaky runs are stopped at steps 7 and 8."""
    (step, level), *_ = levels(series(multiple_boxed_rate=[0.1] * 5 + [0.9] * 5))
    assert (step, level) == (7, "warn")


def test_not_enough_data() -> None:
    assert (
        monitor()
        .lacks(History(series(accuracy=[1.0] * 20).steps))
        .startswith("not enough data: no step has a reward, ")
    )
    assert (
        monitor().lacks(History(series(reward=[1.0] * 9).steps))
        == "not enough data: it takes 10 steps, and there are 9"
    )
    assert monitor().lacks(History(series(reward=[1.0] * 10).steps)) == ""
    assert levels(series(accuracy=[1.0] * 50)) == []


rates = st.lists(st.tuples(st.floats(0, 1), st.floats(1, 99)), min_size=1, max_size=50)


@given(rates, st.lists(st.floats(0, 1), max_size=4), st.integers(0, 49))
def test_a_resumed_run_sees_the_same(rows: list[tuple[float, float]], accuracy: list[float], place: int) -> None:
    boxed, tokens = zip(*rows, strict=True)
    records = series(multiple_boxed_rate=boxed, correct_response_tokens=tokens, reward=boxed)
    records, place = with_evals(records, *accuracy), min(place, len(rows) - 1)
    expected = [f for step, f in told(monitor(), records) if step == place + 1]
    assert list(monitor().inspect_step(records.steps[place], records.before(place))) == expected


@given(st.floats(0, 1), st.floats(1, 1e4), st.integers(1, 60))
def test_what_never_changes_is_no_sign(rate: float, tokens: float, steps: int) -> None:
    same = [rate] * steps
    records = series(multiple_boxed_rate=same, correct_response_tokens=[tokens] * steps, reward=same)
    assert levels(with_evals(with_terms(records, correct=same, redundancy=same), *[rate] * 5)) == []
