from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Finding, PluginError
from justtinker_core.options import configure
from justtinker_core.types import StepStats
from justtinker_plugins.monitors.thresholds import Thresholds

HEALTHY = {
    "accuracy": 0.8,
    "thinking_rate": 0.8,
    "mean_response_tokens": 4000.0,
    "redundancy_score": 0.38,
    "chunk_similarity": 0.41,
}


def inspect(metrics: dict[str, float], **options: Any) -> list[Finding]:
    thresholds = configure(Thresholds, "plugins.thresholds", options)
    return list(thresholds.inspect_step(StepStats(1, metrics)))


def test_a_healthy_step_and_one_without_metrics_say_nothing() -> None:
    assert inspect(HEALTHY) == inspect({}) == inspect({"chunk_similarity": 0.55}) == []


@pytest.mark.parametrize(
    ("metric", "on_the_line", "over", "option", "message"),
    [
        ("mean_response_tokens", 5000, 5294.0, "max_response_tokens", "= 5294 is above max_response_tokens = 5000"),
        ("thinking_rate", 0.6, 0.59, "min_thinking_rate", "= 0.59 is below min_thinking_rate = 0.6"),
        ("redundancy_score", 0.4, 0.41, "max_redundancy", "= 0.41 is above max_redundancy = 0.4"),
        ("chunk_similarity", 0.6, 0.61, "max_chunk_similarity", "= 0.61 is above max_chunk_similarity = 0.6"),
    ],
)
def test_crossing_a_line_warns(metric: str, on_the_line: float, over: float, option: str, message: str) -> None:
    assert inspect({metric: on_the_line}) == []
    assert inspect({metric: over}) == [
        Finding("warn", f"{metric} {message}", {metric: over, option: pytest.approx(on_the_line)})
    ]
    assert inspect({metric: over}, **{option: 0 if option.startswith("min") else math.inf}) == []


def test_similar_chunks_with_little_redundancy_are_suspicious() -> None:
    metrics = {"chunk_similarity": 0.55, "redundancy_score": 0.2}
    (finding,) = inspect(metrics)
    assert finding.message == (
        "chunk_similarity = 0.55 is above suspicious_chunk_similarity = 0.5 while redundancy_score = 0.2 "
        "is below low_redundancy = 0.3: perhaps loops in other words"
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


@pytest.mark.skipif(not os.environ.get("JUSTTINKER_DATA"), reason="JUSTTINKER_DATA names no folder of real data")
def test_the_published_collapse() -> None:
    with Path(os.environ["JUSTTINKER_DATA"], "exp_001_collapse.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ("accuracy", "thinking_rate", "mean_response_tokens")
    warned = {int(row["step"]): inspect({name: float(row[name]) for name in names}) for row in rows}
    assert min(step for step, found in warned.items() if any("response" in f.message for f in found)) == 119
    assert min(step for step, found in warned.items() if any("thinking" in f.message for f in found)) == 137
