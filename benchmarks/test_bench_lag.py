"""Steps an hour with lag 0, 1 and 2, against a server with the Tinker service's clock, scaled down.

The real SDK talks over HTTP to a server in miniature (tests/plugins/tinker_server.py). What trains or exports waits for
the next tick of the clock and takes one cycle, 10 s on the service. Samples take 0.3 to 0.8 cycles, one request of each
step two. ``pytest -s benchmarks/test_bench_lag.py`` prints a table; about a minute, nearly all of it waiting.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from tests import digits
from tests.plugins.tinker_fixtures import run_loop, set_environment
from tests.plugins.tinker_server import MODEL, TinkerServer

pytest.importorskip("tinker", reason="the server in miniature is asked by the real SDK: install the extra 'tinker'")
pytest.importorskip("torch", reason="the server's tokenizer is the local backend's: install the extra 'local'")

CYCLE = 0.5
"""Seconds that stand for 10."""
GROUPS, STEPS = 8, 10
LAGS = (0, 1, 2)

CONFIG = """
[run]
name = "lag"
model = "{model}"
steps = {steps}
[sampling]
max_tokens = 8
[data.train]
use = "arithmetic"
limit = 200
[plugins]
enable = ["tinker", "chatml_think", "grpo", "exact", "digits", "group_mean"]
[plugins.tinker]
base_url = "{url}"
[plugins.grpo]
problems_per_step = {groups}
rollouts_per_problem = 4
lag = {lag}
[local_plugins]
digits = "{digits}:Digits"
"""


class Results(dict[str, tuple[float, Any]]):
    """Answers that can be had only from a time on."""

    def __getitem__(self, request: str) -> Any:
        ready, result = super().__getitem__(request)
        time.sleep(max(0.0, ready - time.monotonic()))
        return result


class ClockedServer(TinkerServer):
    """The server in miniature, with the service's clock and one straggler a step."""

    def __init__(self, tokenizer_directory: str) -> None:
        super().__init__(tokenizer_directory)
        self.results = Results()

    def future(self, result: Any, kind: str = "json", **more: Any) -> dict[str, Any]:
        answer = super().future(result, kind, **more)
        self.results[answer["request_id"]] = (self.sampled() if kind == "sample" else self.trained(), result)
        return answer

    def trained(self) -> float:
        """When what arrives now is done: it waits for the next tick."""
        return CYCLE * (math.floor(time.monotonic() / CYCLE) + 2)

    def sampled(self) -> float:
        """When the next sample request is answered."""
        place = (self.counts["asample"] - 1) % GROUPS
        cycles = 2.0 if place == GROUPS - 1 else 0.3 + 0.5 * place / (GROUPS - 2)
        return time.monotonic() + CYCLE * cycles


def steps_an_hour(folder: Path, url: str, lag: int) -> tuple[float, list[dict[str, Any]]]:
    """Train. Return steps an hour, after a first one to warm up, of a service whose cycle takes 10 s; and records."""
    run = folder / "run"
    run.mkdir(parents=True)
    text = CONFIG.format(model=MODEL, steps=STEPS, url=url, groups=GROUPS, lag=lag, digits=digits.__file__)
    (run / "config.toml").write_text(text)
    assert run_loop(run) == "finished"
    records = [json.loads(line) for line in (run / "steps.jsonl").read_text().splitlines()]
    seconds = sum(record["seconds"]["total"] for record in records[1:]) / (STEPS - 1)
    return 3600 / (seconds / CYCLE * 10), records


def test_sampling_ahead_makes_more_steps_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from justtinker_plugins.backends._local import model as models

    set_environment(monkeypatch)
    models.tiny_tokenizer().save_pretrained(str(tmp_path / "tokenizer"))
    rates = {}
    for lag in LAGS:
        server = ClockedServer(str(tmp_path / "tokenizer"))
        server.start()
        try:
            rates[lag], records = steps_an_hour(tmp_path / f"lag{lag}", server.url, lag)
        finally:
            server.stop()
        assert [r["metrics"]["rollouts"] for r in records] == [4.0 * GROUPS] * STEPS, "no rollout is dropped"
        assert all(r["metrics"]["trained"] for r in records)
        assert [r["metrics"].get("sampler_age", 0.0) for r in records] == [min(lag, n) for n in range(STEPS)]
    print("\nlag  steps an hour  against lag 0")
    for lag, rate in rates.items():
        print(f"{lag:3}  {rate:13.0f}  {rate / rates[0]:13.2f}")
    assert rates[1] > 1.3 * rates[0]
    assert rates[2] > 1.3 * rates[0]
