"""What the core adds to the waiting: a step's wall time against the slowest sample plus the training chain.

The backend's latencies are those of a service with a clock: groups come in one after another, one is a straggler, and
training takes a cycle. Everything else is real: 32 problems x 8 rollouts of 4,000 tokens, the whole reward stack, the
records. ``pytest -s benchmarks/test_bench_loop.py`` prints the share; a minute and a half, nearly all of it waiting.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from justtinker_core import config_files, hookimpl, loop
from justtinker_core.enabling import open_plugins, resolved
from justtinker_core.loop import opened
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import Adam, Datum, Message, Prompt, Sample, SampleRequest, TrainResult

GROUPS, ROLLOUTS, TOKENS = 32, 8, 4_000
FIRST, LAST, STRAGGLER = 8.0, 20.0, 26.0
"""Seconds until the first, the last but one, and the last group is sampled."""
CYCLE = 10.0
"""Seconds that forward_backward, optim_step and the export of weights take together."""
STEPS = 2


def later(seconds: float, value: Any) -> Future[Any]:
    """A future of the value."""
    future: Future[Any] = Future()
    threading.Timer(seconds, future.set_result, [value]).start()
    return future


class Service:
    """A remote backend, less the model: what it samples was written before."""

    context_length, end_token, concurrent = 32_768, "<|im_end|>", True

    def __init__(self) -> None:
        rng = random.Random(42)
        self.texts = [response(rng) for _ in range(STEPS * GROUPS * ROLLOUTS)]
        self.samples = [
            Sample((i, *rng.choices(range(150_000), k=TOKENS - 1)), (-0.25,) * TOKENS, True)
            for i in range(len(self.texts))
        ]

    @hookimpl
    def open_backend(self, run: Run) -> Service:
        return self

    def encode(self, text: str) -> list[int]:
        return list(range(1 + len(text) // 4))

    def render(self, prompt: str | Sequence[Message], **template: Any) -> Prompt:
        assert isinstance(prompt, str), "chatml_think writes its prompts as text"
        return Prompt(prompt, tokens=tuple(self.encode(prompt)))

    def decode(self, tokens: Sequence[int]) -> str:
        return self.texts[tokens[0]]

    def sampler(self) -> Service:
        return self

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        wait = [FIRST + (LAST - FIRST) * i / (len(requests) - 1) for i in range(len(requests) - 1)] + [STRAGGLER]
        return [
            later(seconds, [self.samples.pop() for _ in range(r.n)]) for r, seconds in zip(requests, wait, strict=True)
        ]

    def forward_backward(self, data: Sequence[Datum], loss: str, config: Mapping[str, float]) -> Future[TrainResult]:
        return later(CYCLE, TrainResult(1.0, tuple((0.0,) * len(d.targets) for d in data)))

    def optim_step(self, adam: Adam) -> Future[Mapping[str, float]]:
        return later(CYCLE, {"grad_norm": 1.0})

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        return later(CYCLE, f"tinker://bench/weights/{name}")

    def usd(self, tokens: Mapping[str, int]) -> float:
        return 1e-6 * sum(tokens.values())

    def forget(self, path: str) -> None: ...

    def close(self) -> None: ...


WORDS = [a + b for a in ("con", "de", "re", "sub", "trans", "pro") for b in ("sider", "rive", "form", "late", "pose")]


def response(rng: random.Random) -> str:
    """16,000 characters of thinking, and an answer that is right half of the time."""
    lines = (
        f"So {rng.choice(WORDS)} ${rng.randrange(99)}x^{rng.randrange(9)}$ and "
        + " ".join(rng.choices(WORDS, k=12))
        + f", which gives {rng.randrange(10_000)}.\n"
        for _ in range(130)
    )
    answer = rng.choice([r"\frac{1}{2}", "0.5", r"\frac{3}{4}", r"\sqrt{2}"])
    return f"<think>\n{''.join(lines)}</think>\n\nSo the answer is $\\boxed{{{answer}}}$."


CONFIG = """
[run]
name = "bench"
model = "none"
steps = {steps}
[sampling]
max_tokens = 8192
[checkpoints]
every = 1
[data.train]
use = "files"
path = "{problems}"
[plugins]
enable = ["service", "chatml_think", "grpo", "math_verify", "correct", "format", "redundancy", "thinking", "group_mean"]
[plugins.chatml_think]
single_tokens = false               # there is no tokenizer
[local_plugins]
service = "{here}:Service"
"""


def test_the_core_adds_little_to_the_waiting(tmp_path: Path) -> None:
    rows = [{"id": str(i), "problem": f"What is half of {i} / {i}?", "answer": r"\frac{1}{2}"} for i in range(1, 200)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "bench.toml").write_text(
        CONFIG.format(steps=STEPS, problems=tmp_path / "problems.jsonl", here=Path(__file__))
    )
    wanted = resolved(config_files.read(tmp_path / "bench.toml"))
    with opened(Run(wanted, open_plugins(wanted), RunDir.create(tmp_path / "run", wanted.dump()))) as run:
        begun = time.perf_counter()
        assert loop.train(run) == "finished"
        seconds = (time.perf_counter() - begun - CYCLE) / STEPS  # the last checkpoint is waited for
        assert {s.metrics["rollouts"] for s in run.history.steps} == {float(GROUPS * ROLLOUTS)}
        assert all(s.metrics["mean_response_tokens"] == TOKENS and s.metrics["trained"] for s in run.history.steps)
    waiting = STRAGGLER + CYCLE
    print(
        f"\na step takes {seconds:.2f} s, of which {waiting:.0f} s are the slowest sample and the training chain: "
        f"the core adds {seconds / waiting - 1:.1%}"
    )
    assert seconds >= waiting, "or the backend was not waited for"
