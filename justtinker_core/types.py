"""What flows through a run: frozen dataclasses, no behaviour beyond derived properties.

A stage never changes what it was given; it returns a copy: ``replace(group, verdicts=...)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

Message = Mapping[str, str]
"""One chat message: ``{"role": ..., "content": ...}``."""

Outcome = Literal["correct", "incorrect", "unscored"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Level = Literal["info", "warn", "stop"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True, slots=True)
class DataSpec:
    """A ``[data.train]`` or ``[data.eval.NAME]`` table."""

    name: str
    purpose: Literal["train", "eval"]
    use: str
    """The plugin that loads it."""
    options: Mapping[str, Any]
    """The table's other keys: options of that plugin."""
    limit: int | None = None
    """At most so many problems, drawn with the seed."""
    stratify_by: str | None = None
    """With limit: keep the proportions of this meta key."""
    samples: int = 1
    """eval: samples a problem."""
    seed: int = 42

    @property
    def table(self) -> str:
        """How the config calls it."""
        return "data.train" if self.purpose == "train" else f"data.eval.{self.name}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its gold answer."""

    id: str
    """Unique in its data set."""
    question: str
    answer: str | None = None
    """The gold, as the data set writes it; ``None`` where there is only a demonstration."""
    kind: str = "math"
    """What sort of answer it has; a verifier passes on kinds that it does not know."""
    demonstration: str | tuple[str, ...] | None = None
    """A whole response to imitate (SFT), without the end-of-turn token. Several turns: a tuple, the policy's and the
    environment's in alternation, the policy's first and last; what the environment says is not imitated."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Everything else the data set knows: subject, level, source ... Must fit into JSON."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the policy is given. A `build_prompt` plugin fills text (or messages) and stop; core fills tokens."""

    text: str = ""
    messages: tuple[Message, ...] = ()
    """If given instead of text: rendered with the chat template of the backend's tokenizer."""
    stop: tuple[str, ...] = ()
    """Sampling ends at any of these; the first one also ends an SFT target. Empty: the tokenizer's end token."""
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Ask a backend for `n` continuations of one prompt."""

    tokens: tuple[int, ...]
    stop: tuple[str, ...]
    n: int
    max_tokens: int
    temperature: float
    """0 is greedy."""
    top_p: float
    seed: int
    """Sample i of a request is a function of (weights, request, i) alone, whatever else is in the batch."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One continuation as a backend returns it."""

    tokens: tuple[int, ...]
    """What was sampled, the stop token included."""
    logprobs: tuple[float, ...]
    """Natural-log probability of each token under the sampling policy at temperature 1 (T,)."""
    stopped: bool
    """It ended by itself; False: cut at max_tokens."""
    cached: int = 0
    """Prompt tokens that the server still had in its cache; said of a request's first sample."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One response to a prompt: everything that follows the prompt's tokens, tool output and later turns included."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Of each token under the policy that wrote it; 0.0 where the mask is False. Same length as tokens."""
    mask: tuple[bool, ...]
    """Which tokens the policy wrote: only these are trained. Same length as tokens."""
    text: str
    """The response as text, without the stop string that ended it."""
    truncated: bool = False
    """It ran into max_tokens."""

    @property
    def response_tokens(self) -> int:
        """How many tokens the policy wrote."""
        return sum(self.mask)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of one rollout."""

    outcome: Outcome
    """One of `OUTCOMES`. Unscored: nobody could tell (a worker failed, the gold is bad); never silently wrong."""
    answer: str | None = None
    """The extracted answer, None if there is none."""
    rung: str = ""
    """Which check decided."""
    reason: str = ""
    """Why, in words, for incorrect and unscored ones."""
    vote: str | None = None
    """The answer as equal ones are written alike, for majority votes; None: as `answer`."""


@dataclass(frozen=True, slots=True)
class Reward:
    """The reward terms of one rollout: raw numbers in [-1, 1] and the weights that core gives them at this step."""

    terms: Mapping[str, float | None]
    """None = the term does not apply to this rollout."""
    weights: Mapping[str, float]
    """0 for terms that are only observed."""

    @property
    def weighted(self) -> dict[str, float]:
        """What each term that applies adds to the total."""
        return {name: self.weights[name] * raw for name, raw in self.terms.items() if raw is not None}

    @property
    def total(self) -> float:
        """Sum of weight x raw over the terms that apply."""
        return float(sum(self.weighted.values()))


@dataclass(frozen=True, slots=True)
class Group:
    """One problem at one step with its rollouts (G of them) and, stage by stage, what became of them."""

    step: int
    index: int
    """Place in the step's batch."""
    problem: Problem
    prompt: Prompt
    rollouts: tuple[Rollout, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    measures: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """Name -> one number, or None, a rollout."""
    rewards: tuple[Reward, ...] = ()
    advantages: tuple[float | tuple[float, ...] | None, ...] = ()
    """One a rollout, or one a token of the rollout; None: left out of training (unscored)."""
    kept: bool = True
    """False: a `keep_group` plugin dropped it from training (it still counts in every metric)."""

    def select(self, keep: Sequence[bool]) -> Group:
        """The same group with only the rollouts for which `keep` (G,) is true."""

        def pick(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(v for v, k in zip(values, keep, strict=True) if k) if values else ()

        return Group(
            self.step, self.index, self.problem, self.prompt,
            pick(self.rollouts), pick(self.verdicts), {k: pick(v) for k, v in self.measures.items()},
            pick(self.rewards), pick(self.advantages), self.kept,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Datum:
    """One training sequence of T positions: the model reads inputs[t] and is to say targets[t]."""

    inputs: tuple[int, ...]
    targets: tuple[int, ...]
    weights: tuple[float, ...] | None = None
    """cross_entropy: the weight of each target, 0 on the prompt."""
    logprobs: tuple[float, ...] | None = None
    """Policy losses: the sampler's log-probability of each target, 0.0 on the prompt."""
    advantages: tuple[float, ...] | None = None
    """Policy losses: the advantage of each target, 0.0 on the prompt."""


Loss = Literal["cross_entropy", "importance_sampling", "ppo"]


@dataclass(frozen=True, slots=True)
class Update:
    """The data of one optimizer step. Losses are sums over tokens and data."""

    data: tuple[Datum, ...]
    loss: Loss
    config: Mapping[str, float] = field(default_factory=dict)
    """ppo: clip_low_threshold, clip_high_threshold, in ratio space."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What an algorithm wants trained at one step, and the groups that it comes from."""

    groups: tuple[Group, ...] = ()
    updates: tuple[Update, ...] = ()
    trained: int = 0
    """Rollouts (or demonstrations) in the updates."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The algorithm's own numbers for the step's record."""
    new_sampler: bool = True
    """Sample the next step from the weights after these updates. False: `run.sampler` stays until the algorithm calls
    `run.renew_sampler`; only for backends whose sampler outlives an optimizer step (``Backend.concurrent``)."""


@dataclass(frozen=True, slots=True)
class Adam:
    """One optimizer step: Adam with decoupled weight decay. The defaults are those of the Tinker SDK."""

    learning_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-12
    weight_decay: float = 0.0
    grad_clip_norm: float = 0.0
    """0 does not clip."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What forward_backward returns."""

    loss: float
    """Sum over tokens and data."""
    logprobs: tuple[tuple[float, ...], ...]
    """Of each datum's targets under the weights before the update, one tuple (T,) a datum."""
    metrics: Mapping[str, float] = field(default_factory=dict)


class Sampler(Protocol):
    """Samples from the weights as they were when `Backend.sampler()` was called."""

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Send all requests at once; one future each, resolved as it is done, in any order."""


class Backend(Protocol):
    """Where sampling and gradients happen. Calls take effect in the order in which they are made.

    Methods that return a future may return before the work is done; they never wait for earlier ones.
    """

    context_length: int
    """Most tokens of prompt plus response."""
    end_token: str
    """The tokenizer's end-of-text (or end-of-turn) token, the default stop."""
    concurrent: bool
    """A sampler stays good when training goes on, so that evaluations can run in the background."""

    def encode(self, text: str) -> list[int]:
        """Tokens of the text; special tokens written out in it are recognised; nothing is added."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the tokens, special tokens included."""

    def render(self, messages: Sequence[Message]) -> str:
        """The chat template's text for messages, ready for the assistant's turn."""

    def sampler(self) -> Sampler:
        """A sampler of the weights after everything submitted so far. Its futures may raise `SamplingError`."""

    def forward_backward(self, data: Sequence[Datum], loss: Loss, config: Mapping[str, float]) -> Future[TrainResult]:
        """Add the gradient of the summed loss to what has accumulated since the last optimizer step."""

    def optim_step(self, adam: Adam) -> Future[Mapping[str, float]]:
        """Take one Adam step with the accumulated gradient and clear it. Returns metrics, e.g. ``grad_norm``."""

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        """Save weights, optimizer and random state; the path for `restore`. A server may forget it after its time."""

    def restore(self, path: str, *, optimizer: bool) -> None:
        """Load what `save` wrote; without the optimizer a fresh one starts. FileNotFoundError if it is gone."""

    def forget(self, path: str) -> None:
        """Delete a checkpoint that nothing needs any more, if it does not expire by itself."""

    def usd(self, tokens: Mapping[str, int]) -> float | None:
        """What so many tokens cost (prefill, cached_prefill, sampled, trained); None: nothing, or nobody knows."""

    def close(self) -> None:
        """Let go of everything; safe to call twice."""


@dataclass(frozen=True, slots=True)
class StepStats:
    """The numbers of one training step, as they stand in ``steps.jsonl``."""

    step: int
    metrics: Mapping[str, float]
    """Over all groups, before any is filtered: reward, accuracy, mean_response_tokens, what plugins measure ..."""
    terms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Reward term -> raw (mean where it applies), weighted (mean over all scored rollouts), applies (share), weight."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """prefill (a request's prompt, once), cached_prefill (for its other samples), sampled, trained."""
    usd: float | None = None
    """What they cost, if the backend knows."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time: collect, train, total. The only part of a record that differs between equal runs."""


@dataclass(frozen=True, slots=True)
class EvalStats:
    """One evaluation, as it stands in ``evals.jsonl``."""

    step: int
    name: str
    """The data table: ``[data.eval.NAME]``."""
    metrics: Mapping[str, float]
    """accuracy (avg@k), pass@k, majority@k, rates, mean_response_tokens, what plugins measure."""
    intervals: Mapping[str, Sequence[float]]
    """95 % confidence interval, clustered by problem, for each metric that is a rate."""
    settings: Mapping[str, Any]
    """problems, samples, temperature, top_p, max_tokens, seed."""
    examples: Sequence[Mapping[str, Any]] = ()
    """A few of the answers: question, gold, response, outcome."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """prefill, cached_prefill, sampled."""
    usd: float | None = None
    """What they cost, if the backend knows."""
    seen: int = 0
    """The step after which monitors see it: later than `step` if it was made in the background."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    by: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """Key of the problems' metadata (subject, level ...) -> its values -> problems, accuracy, low, high."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything recorded before the step under inspection, oldest first."""

    steps: tuple[StepStats, ...] = ()
    evals: tuple[EvalStats, ...] = ()
    checkpoints: tuple[int, ...] = ()
    """The steps whose weights are saved, and kept."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a monitor has to say about a step."""

    level: Level
    """info, warn, or stop: save a checkpoint and end the run."""
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The numbers behind it."""
    source: str = ""
    """The plugin's name; core fills it in."""
