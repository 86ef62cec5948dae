"""A scripted policy that knows the golds of a run's evaluation sets and answers with other ways to write them.

``run_all(folder, place, …)`` evaluates it on the nine real sets with the real command and a real config: files,
prompts, verifier, statistics and records are the product's own. It never answers with the gold's own text: see
`equivalent_variants`.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import Any

import zstandard

from justtinker_core import Problem, hookimpl, plugin
from justtinker_core.rollouts import fill_prompt
from justtinker_core.run import Run
from justtinker_core.types import Sample, SampleRequest
from justtinker_plugins.commands._audit.honest import NUMBERS
from justtinker_plugins.commands._audit.variants import equivalent_variants
from justtinker_plugins.commands._audit.variants.forms import INTEGER
from justtinker_plugins.shared.answers import extract
from justtinker_plugins.shared.latex.asked_form import forms_asked
from tests.core.conftest import ScriptedBackend, cli

CONFIG = """
[run]
name = "real-problems"
model = "scripted"
steps = 0
[sampling]
max_tokens = 2000
[plugins]
enable = ["variants", "chatml_think", "math_verify", "thinking"]
[plugins.chatml_think]
single_tokens = false
[plugins.variants]
shuffled = {shuffled}
[local_plugins]
variants = "{here}:Variants"
"""
SET = '[data.eval.{name}]\nuse = "files"\npath = "{path}"\nsamples = {samples}\n'


@plugin
class Variants:
    """Answers with variants of each gold, or of another problem's gold."""

    shuffled: bool = False
    """Answer each problem with the gold of another problem of its set, one with a different text."""

    @hookimpl
    def open_backend(self, run: Run) -> ScriptedBackend:
        """Return a backend that samples but has no weights."""
        return Policy(self, run)


class Policy(ScriptedBackend):
    """Text in, text out; a character is a token."""

    context_length = 100_000

    def __init__(self, plugin: Variants, run: Run) -> None:
        super().__init__()
        self.plugin, self.run = plugin, run

    @cached_property
    def answers(self) -> dict[tuple[int, ...], list[str]]:
        """Prompt -> variants of its gold. The problems are loaded after the backend is opened."""
        found = {}
        for problems in self.run.eval_problems.values():
            golds = other_golds(problems) if self.plugin.shuffled else [str(p.answer) for p in problems]
            for problem, gold in zip(problems, golds, strict=True):
                prompt = fill_prompt(problem, self.run.plugins, self)
                found[prompt.tokens] = variants(gold, problem.question)
        return found

    def sampler(self) -> Any:
        """Return itself."""
        return self

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Draw n variants by the request's seed, different ones as long as there are enough."""
        futures = []
        for request in requests:
            known = self.answers[request.tokens]
            drawn = random.Random(request.seed).sample(known, len(known))
            futures.append(done_future([sample_of(drawn[i % len(drawn)], request.stop[0]) for i in range(request.n)]))
        return futures


UNFINISHED = frozenset({"around", "times one half", "times two halves"})
"""Changes that leave work, such as ``\\frac{24}{2}``, which a question for a value forbids."""


def variants(gold: str, question: str) -> list[str]:
    """Ways to write the gold that extraction does not turn into the gold's own text, nor the question forbids."""
    left_out = UNFINISHED | ({"fraction"} if INTEGER.fullmatch(gold) else set())
    left_out |= NUMBERS if forms_asked(question) else set()
    as_asked = [text for change, text in equivalent_variants(gold) if change not in left_out]
    return [text for text in as_asked if extracted(text) != gold.strip()]


def extracted(answer: str) -> str | None:
    return extract(rf"$\boxed{{{answer}}}$.", "strict", 2000).answer


def done_future(samples: list[Sample]) -> Future[list[Sample]]:
    future: Future[list[Sample]] = Future()
    future.set_result(samples)
    return future


def sample_of(answer: str, stop: str) -> Sample:
    text = f"<think>\nLet me see.\n</think>\n\nThe answer is $\\boxed{{{answer}}}$.{stop}"
    return Sample(tuple(map(ord, text)), (-0.1,) * len(text), True)


def other_golds(problems: Sequence[Problem]) -> list[str]:
    """Reorder the golds so that no problem keeps its gold's text."""
    order = sorted(range(len(problems)), key=lambda i: str(problems[i].answer))
    most = max(Counter(p.answer for p in problems).values())
    golds = [""] * len(problems)
    for place, i in enumerate(order):
        golds[i] = str(problems[order[(place + most) % len(order)]].answer)
    return golds


def run_all(folder: Path, place: Path, shuffled: bool = False, samples: int = 4) -> Path:
    """Evaluate all sets of a folder; return the directory of the evaluation."""
    place.mkdir(parents=True)
    config = place / "config.toml"
    sets = [SET.format(name=p.stem, path=p, samples=samples) for p in sorted(folder.glob("*.parquet"))]
    config.write_text(CONFIG.format(shuffled=str(shuffled).lower(), here=Path(__file__)) + "".join(sets))
    result = cli("eval", config, "--dir", place / "eval")
    assert result.exit_code == 0, result.output
    return place / "eval"


def verdicts(directory: Path, name: str) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(problem, verdict) of every rollout of a set."""
    [file] = (directory / "rollouts").glob(f"eval_{name}_*.jsonl.zst")
    lines = zstandard.ZstdDecompressor().stream_reader(file.read_bytes()).read().decode().splitlines()
    return [(g["problem"], row["verdict"]) for g in map(json.loads, lines) for row in g["rollouts"]]
