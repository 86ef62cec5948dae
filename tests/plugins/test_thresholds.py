from __future__ import annotations

import math
from typing import Any

import pytest

from justtinker_core import Finding, PluginError
from justtinker_core.options import configure
from justtinker_core.types import History, StepStats
from justtinker_plugins.monitors.thresholds import Thresholds
from tests.plugins.health_runs import published, series, told

HEALTHY = {
    "accuracy": 0.8,
    "thinking_rate": 0.8,
    "mean_response_tokens": 4000.0,
    "redundancy_score": 0.38,
    "chunk_similarity": 0.41,
}


def inspect(metrics: dict[str, float], **options: Any) -> list[Finding]:
    """What is said of one step, where one is enough."""
    thresholds = configure(Thresholds, "plugins.thresholds", {"steps": 1, **options})
    return list(thresholds.inspect_step(StepStats(1, metrics), History()))


def when(values: list[float | None], **options: Any) -> list[int]:
    """The steps at which something is said of accuracies, of which 0.5 is the least."""
    thresholds = configure(Thresholds, "plugins.thresholds", {"min_accuracy": 0.5, **options})
    return [step for step, _ in told(thresholds, series(accuracy=values))]


@pytest.mark.parametrize(
    ("values", "steps", "said"),
    [
        ([0.4, 0.4, 0.4, 0.4, 0.4], 3, [3]),  # once
        ([0.4, 0.4, 0.6, 0.4, 0.4], 3, []),
        ([0.6, 0.4, 0.4, 0.4, 0.6, 0.4, 0.4, 0.4], 3, [4, 8]),  # a new crossing
        ([0.4, 0.4, 0.6, 0.4], 1, [1, 4]),
        ([0.4, None, 0.4, 0.4], 2, [4]),  # a step without the metric is no crossing
    ],
)
def test_a_line_is_crossed_for_some_steps_and_that_is_said_once(
    values: list[float | None], steps: int, said: list[int]
) -> None:
    assert when(values, steps=steps) == said


@pytest.mark.parametrize(("action", "levels"), [("stop", ["stop"]), ("warn", ["warn"]), ("off", [])])
def test_what_it_may_do(action: str, levels: list[str]) -> None:
    assert [f.level for f in inspect({"redundancy_score": 0.9}, action=action)] == levels


def test_the_default_says_for_how_long() -> None:
    thresholds = configure(Thresholds, "plugins.thresholds", {})
    [(step, finding)] = told(thresholds, series(thinking_rate=[0.5] * 9))
    assert (step, finding.level) == (3, "warn")
    assert finding.message == "few responses think: thinking_rate = 0.5 is below min_thinking_rate = 0.6, for 3 steps"


def test_a_healthy_step_and_one_without_metrics_say_nothing() -> None:
    assert inspect(HEALTHY) == inspect({}) == inspect({"chunk_similarity": 0.55}) == []


@pytest.mark.parametrize(
    ("metric", "on_the_line", "over", "option", "words"),
    [
        (
            "mean_response_tokens",
            5000,
            5294.0,
            "max_response_tokens",
            "responses are long: mean_response_tokens = 5294 is above",
        ),
        ("thinking_rate", 0.6, 0.59, "min_thinking_rate", "few responses think: thinking_rate = 0.59 is below"),
        (
            "redundancy_score",
            0.4,
            0.41,
            "max_redundancy",
            "responses repeat themselves: redundancy_score = 0.41 is above",
        ),
        (
            "chunk_similarity",
            0.6,
            0.61,
            "max_chunk_similarity",
            "passages of a response are alike: chunk_similarity = 0.61 is above",
        ),
    ],
)
def test_crossing_a_line_warns(metric: str, on_the_line: float, over: float, option: str, words: str) -> None:
    assert inspect({metric: on_the_line}) == []
    assert inspect({metric: over}) == [
        Finding("warn", f"{words} {option} = {on_the_line:g}", {metric: over, option: pytest.approx(on_the_line)})
    ]
    assert inspect({metric: over}, **{option: 0 if option.startswith("min") else math.inf}) == []


def test_similar_chunks_with_little_redundancy_are_suspicious() -> None:
    metrics = {"chunk_similarity": 0.55, "redundancy_score": 0.2}
    (finding,) = inspect(metrics)
    assert finding.message == (
        "responses may loop in other words: chunk_similarity = 0.55 is above suspicious_chunk_similarity = 0.5 while "
        "redundancy_score = 0.2 is below low_redundancy = 0.3"
    )
    assert finding.evidence == {**metrics, "suspicious_chunk_similarity": 0.5, "low_redundancy": 0.3}
    assert inspect({**metrics, "redundancy_score": 0.3}) == []
    assert inspect(metrics, suspicious_chunk_similarity=math.inf) == []


def test_accuracy_is_watched_on_request() -> None:
    assert inspect({"accuracy": 0.1}) == []
    (finding,) = inspect({"accuracy": 0.1}, min_accuracy=0.5)
    assert finding.evidence == {"accuracy": 0.1, "min_accuracy": 0.5}


def test_thresholds_may_be_zero_but_not_less() -> None:
    assert len(inspect({"redundancy_score": 0.1}, max_redundancy=0)) == 1
    with pytest.raises(
        PluginError, match=r"\[plugins.thresholds\] max_redundancy = -1: input should be greater than or equal"
    ):
        inspect({}, max_redundancy=-1)


def test_the_published_collapse() -> None:
    """With the recipe's one step, and with three."""
    for steps, length, thinking in ((1, 119, 137), (3, 143, 139)):
        said = told(configure(Thresholds, "plugins.thresholds", {"steps": steps}), published())
        assert min(step for step, f in said if "mean_response_tokens" in f.evidence) == length
        assert min(step for step, f in said if "thinking_rate" in f.evidence) == thinking
