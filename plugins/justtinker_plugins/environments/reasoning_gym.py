r"""The data sets of reasoning-gym: about 100 games and tasks made by rule.

They are those of Stojanovski et al. 2025 (arXiv:2505.24760). A data set brings its problems and its judge. The judge
runs in processes that can be killed, since it may hang on a text that a policy wrote, and reads such a text without
running it. It scores in [0, 1]; an answer is right from `threshold` on, so there is no partial credit: "the answer is
-4" would get 0.125 where -4 is right.

Held-out problems have a seed of their own, and training leaves out every question that is among them.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any, ClassVar

from pydantic import Field

from justtinker_core import DataSpec, PluginError, Problem, Rollout, RunContext, Verdict, hookimpl, plugin
from justtinker_core.errors import nearest
from justtinker_plugins.environments._reasoning_gym import sets
from justtinker_plugins.environments._reasoning_gym.entries import levels_of, packed
from justtinker_plugins.environments._reasoning_gym.judge import SYMPY, not_arithmetic
from justtinker_plugins.environments._reasoning_gym.sets import LEAKY, NONSENSE, Entry
from justtinker_plugins.shared.answers import Extracted, PipelineOrWhole, extract
from justtinker_plugins.shared.overlap import normalised, overlap_complaints
from justtinker_plugins.shared.pool.kept import KeptPool
from justtinker_plugins.shared.pool.pool import Pool, Result
from justtinker_plugins.text import CLOSE, OPEN

KIND = "reasoning_gym"
WORKER = "justtinker_plugins.environments._reasoning_gym.judge:score"
WARM_UP = ("", "{}", None, None)
ROUNDING = 1e-9
_FIELD = re.compile(r"\{(\w+)\}")
_WRAPPER = re.compile(r"\$([^$]*)\$|\\(?:text|textbf|textit|texttt|mathrm|mbox)\s?\{([^{}]*)\}")
_log = logging.getLogger("justtinker")


@plugin
class ReasoningGym:
    """Problems of one of reasoning-gym's data sets, held-out ones for evaluation, and verdicts by its own judge.

    Only `held_out_seed` decides which `held_out` problems are held out, so every run that leaves these two options,
    `dataset` and `config` alone is evaluated on the same problems. The table's `seed` draws those for training.
    """

    kinds: ClassVar[tuple[str, ...]] = (KIND,)

    dataset: str = ""
    """Name of the data set, such as ``chain_sum``."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The data set's own options, which set the difficulty: ``{max_terms = 3}``."""
    size: Annotated[int, Field(ge=1)] = 1000
    """Number of training problems to make. Those that are asked twice or held out are left out."""
    held_out: Annotated[int, Field(ge=1)] = 100
    """Number of problems to keep for evaluation. Use the same in the tables for training and evaluation."""
    held_out_seed: int = 2026
    """Seed that draws these problems. Use the same in both tables."""
    question: str = "{question}"
    """Text of the question; ``{question}`` is the data set's, ``{name}`` what its metadata has under that name."""
    work: str | None = None
    """Text of the thinking in demonstrations for SFT, with the same names and ``{answer}``. None: no demonstrations."""
    kind: str = KIND
    """`Problem.kind`. With ``"text"``, other verifiers (`exact`) judge in place of the data set's own judge."""
    pipeline: PipelineOrWhole = "strict"
    """strict: boxed answers only. flexible: without a box, also ``Answer: x``, ``#### x``, ``the answer is x``.
    gsm8k: ``#### x`` only. whole: all that follows the thinking."""
    max_chars: Annotated[int, Field(ge=1)] = 10_000
    """Longer answers are wrong."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Least score of a right answer."""
    seconds: Annotated[float, Field(gt=0)] = 2.0
    """CPU seconds in a worker after which an answer counts as wrong."""
    memory: Annotated[int, Field(ge=1 << 28)] = 2 << 30
    """Bytes that a worker may use."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes, started when first needed. Default: one per core, at most 8."""

    def __post_init__(self) -> None:
        self.skipped = Counter[str]()
        self._workers = KeptPool(self._make_pool)

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Training problems, none of them asked twice or held out; or the held-out ones, without demonstrations."""
        sets.check_options(self.dataset, self.config)
        if self.kind == KIND and (leak := LEAKY.get(self.dataset)):
            raise PluginError(
                f"reasoning_gym: the judge of {self.dataset} {leak}; choose another data set, or let another verifier "
                "compare with the gold (kind = 'text' with exact)"
            )
        self.skipped.clear()
        held_out = self._entries("held out", self.held_out_seed, self.held_out)
        if spec.purpose == "eval":
            yield from self._problems(held_out, "held-out", {})
            return
        asked = {normalised(entry["question"]): "is held out for evaluation" for entry in held_out}
        yield from self._problems(self._entries("train", seed, self.size), f"seed-{seed}", asked)

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint for each evaluation set that asks what the run trains on."""
        return overlap_complaints(
            run, KIND, "questions", lambda problem: normalised(problem.question) if "dataset" in problem.meta else None
        )

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout. Equal answers of a group are judged once. All right answers are one vote."""
        if problem.kind != KIND:
            return None
        extracted = [self._extract(rollout) for rollout in rollouts]
        answers = list(dict.fromkeys(found.answer for found in extracted if found.answer is not None))
        judged = self._judge(problem, answers)
        return [
            Verdict("incorrect", None, f"extract {found.pipeline}".strip(), found.reason)
            if found.answer is None
            else judged[found.answer]
            for found in extracted
        ]

    @hookimpl
    def finish_run(self) -> None:
        """Stop the workers."""
        self._workers.close()

    # -- problems ------------------------------------------------------------------------------------------------

    def _entries(self, purpose: str, seed: int, size: int) -> Sequence[Entry]:
        return sets.entries(self.dataset, json.dumps(dict(self.config)), sets.seed_of(purpose, seed), size)

    def _problems(self, entries: Sequence[Entry], name: str, asked: dict[str, str]) -> Iterator[Problem]:
        made = sets.make(self.dataset, json.dumps(dict(self.config)), seed=0, size=1)
        for index, entry in enumerate(entries):
            key = normalised(entry["question"])
            reason = asked.get(key) or (self._unfit(made, entry) if self.kind == KIND else "")
            if reason:
                self.skipped[reason] += 1
                continue
            asked[key] = "is asked twice"
            yield self._problem(entry, f"{self.dataset}-{name}-{index}", name != "held-out")

    def _unfit(self, made: Any, entry: Entry) -> str:
        """Why the judge of a data set is of no use for one of its problems; '' if it is."""
        gold = entry["answer"]
        try:
            if made.score_answer(NONSENSE, entry) >= self.threshold and gold != NONSENSE:
                return f"its judge pays {NONSENSE!r}"
        except Exception:  # it does not pay it, at least
            _log.debug("reasoning_gym: %s raises on %r", self.dataset, NONSENSE, exc_info=True)
        if gold is None:
            return ""
        if self.dataset in SYMPY and not_arithmetic(gold):
            return "its gold is not plain arithmetic"
        answer = self._extract(Rollout((), (), (), f"{OPEN}{CLOSE}{self._written(gold)}")).answer
        paid = answer is not None and made.score_answer(plain(answer, gold), entry) >= self.threshold - ROUNDING
        return "" if paid else "its gold, written as an answer, is not paid"

    def _problem(self, entry: Entry, name: str, demonstrated: bool) -> Problem:
        metadata = entry["metadata"]
        texts = {**metadata, "question": entry["question"], "answer": entry["answer"]}
        demonstration = None
        if demonstrated and self.work is not None and entry["answer"] is not None:
            demonstration = f"{OPEN}{_filled(self.work, texts)}{CLOSE}{self._written(entry['answer'])}"
        own = {"dataset": self.dataset, "config": dict(self.config), "metadata": packed(metadata)}
        return Problem(
            name, _filled(self.question, texts), entry["answer"], self.kind, demonstration,
            {**levels_of(metadata), **own},
        )  # fmt: skip

    def _written(self, answer: str) -> str:
        return {"whole": answer, "gsm8k": f"#### {answer}"}.get(self.pipeline, f"\\boxed{{{answer}}}")

    # -- verdicts ------------------------------------------------------------------------------------------------

    def _extract(self, rollout: Rollout) -> Extracted:
        return extract(rollout.response, self.pipeline, self.max_chars)

    def _judge(self, problem: Problem, answers: Sequence[str]) -> dict[str, Verdict]:
        """Ask the workers. Where an answer breaks the judge, the gold says whose fault it is."""
        asked = _asked(problem)
        if isinstance(asked, str):
            return {answer: Verdict("unscored", answer, "gold", asked) for answer in answers}
        pool = self._workers.get() if answers else None
        gold = problem.answer
        futures = {answer: pool.submit(*asked, plain(answer, gold)) for answer in answers} if pool else {}
        results = {answer: future.result() for answer, future in futures.items()}
        broken = pool is not None and any(result.status in BROKEN for result in results.values())
        control = pool.submit(*asked, gold).result() if pool and broken else Result("ok")
        return {answer: self._verdict(problem, answer, result, control) for answer, result in results.items()}

    def _verdict(self, problem: Problem, answer: str, result: Result, control: Result) -> Verdict:
        if result.status == "ok":
            if result.value >= self.threshold - ROUNDING:
                return Verdict("correct", answer, KIND, vote=problem.answer or "a right answer")
            return Verdict("incorrect", answer, KIND, f"its score is {result.value:.3g}, not {self.threshold:g}")
        why = f"{result.status}: {result.detail}"
        if result.status not in BROKEN:
            return Verdict("unscored", answer, "failed", f"the judge was lost ({why})")
        if control.status != "ok":
            return Verdict("unscored", answer, "failed", f"the judge fails on the gold, too ({control.detail})")
        return Verdict("incorrect", answer, "failed", f"the judge cannot read it ({why})")

    def _make_pool(self) -> Pool:
        if importlib.util.find_spec("reasoning_gym") is None:
            sets.registry()  # says what to install
        return Pool(WORKER, workers=self.workers, limit=self.seconds, memory=self.memory, warm_up=WARM_UP)


BROKEN = ("error", "cpu_limit", "memory")
"""What an answer does to a judge by its own fault, if the gold does not do it too."""


def _asked(problem: Problem) -> tuple[str, str, dict[str, Any]] | str:
    """The arguments of the judge for a problem, without the answer; or why there are none."""
    lacking = [key for key in ("dataset", "config", "metadata") if key not in problem.meta]
    if lacking:
        return f"the problem does not say how to judge it: its meta lacks {', '.join(lacking)}"
    entry = {"question": problem.question, "answer": problem.answer, "metadata": problem.meta["metadata"]}
    return problem.meta["dataset"], json.dumps(problem.meta["config"]), entry


def plain(answer: str, gold: str | None) -> str:
    r"""An answer without ``\text{…}`` or ``$…$`` around the whole, and without a full stop that the gold has not.

    >>> from justtinker_plugins.environments.reasoning_gym import plain
    >>> plain(r"\text{nus.}", "nus"), plain(r"\text{ nus }", "nus"), plain("$4$", "4")
    ('nus', 'nus', '4')
    >>> plain(r"\text{Go}.", "Go"), plain("Go.", "Go.")
    ('Go', 'Go.')
    """
    stop = "." if gold is not None and not gold.endswith(".") else ""
    if answer != gold and (wrapped := _WRAPPER.fullmatch(answer.removesuffix(stop).strip())):
        answer = (wrapped[1] or wrapped[2] or "").strip()
    return answer.removesuffix(stop)


def _filled(template: str, texts: Mapping[str, Any]) -> str:
    """Fill the names of a template. PluginError for a name that the metadata lacks."""

    def text(found: re.Match[str]) -> str:
        if found[1] not in texts:
            raise PluginError(f"reasoning_gym: the metadata has no {found[1]!r}{nearest(found[1], list(texts))}")
        return str(texts[found[1]])

    return _FIELD.sub(text, template)
