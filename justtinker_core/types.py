"""The data of a run: frozen dataclasses whose only behaviour is derived properties, and two protocols.

No stage changes what it was given. It returns a copy: ``replace(group, verdicts=...)``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args, runtime_checkable

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
    """The plugin that loads the problems."""
    options: Mapping[str, Any]
    """The table's other keys: options of that plugin."""
    limit: int | None = None
    """Use at most this many problems, drawn with the seed."""
    stratify_by: str | None = None
    """With `limit`: keep the proportions of this key of `Problem.meta`."""
    samples: int = 1
    """Of an evaluation set: samples per problem."""
    seed: int = 42

    @property
    def table(self) -> str:
        """The name of the table in the config."""
        return "data.train" if self.purpose == "train" else f"data.eval.{self.name}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its gold answer."""

    id: str
    """Unique in its data set."""
    question: str
    answer: str | None = None
    """The gold answer as the data set writes it; ``None`` if there is only a demonstration."""
    kind: str = "math"
    """What sort of answer the problem has. A verifier passes on kinds that it does not know."""
    demonstration: str | tuple[str, ...] | None = None
    """A whole response to imitate (SFT), without the end-of-turn token. For several turns, a tuple that alternates
    between policy and environment, with the policy first and last. The environment's turns are not imitated."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Everything else the data set knows: subject, level, source ... Must be serializable as JSON."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The policy's input. A `build_prompt` plugin fills `text` (or `messages`) and `stop`; the core fills `tokens`."""

    text: str = ""
    messages: tuple[Message, ...] = ()
    """Given instead of `text`: the backend renders them in the model's chat format."""
    stop: tuple[str, ...] = ()
    """Sampling ends at any of these strings; the first also ends an SFT target. Default: what ends the model's turn in
    its chat format, and the tokenizer's end token."""
    tokens: tuple[int, ...] = ()
    template: Mapping[str, Any] = field(default_factory=dict)
    """For `messages`: variables of the chat template, such as ``enable_thinking``; and ``renderer``, the name of a
    renderer of the package `renderers` that takes the template's place."""
    opened: str | None = None
    """What the end of the prompt already holds of the response: ``<think>\\n``, or a whole block if thinking is off.
    None: the core looks at the end of the text. See `Rollout.opened`."""


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """A request to a backend for `n` continuations of one prompt."""

    tokens: tuple[int, ...]
    stop: tuple[str, ...]
    n: int
    max_tokens: int
    temperature: float
    """0 is greedy."""
    top_p: float
    seed: int
    """Sample i of a request depends on (weights, request, i) alone, whatever else is in the batch."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One continuation that a backend returns."""

    tokens: tuple[int, ...]
    """The sampled tokens, stop token included."""
    logprobs: tuple[float, ...]
    """Natural-log probability of each token under the sampling policy at temperature 1 (T,)."""
    stopped: bool
    """True: the sample ended by itself. False: it was cut off at max_tokens."""
    cached: int = 0
    """Prompt tokens that the server had in its cache; reported with a request's first sample."""


_CHANNEL = re.compile(r"(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>(\w+)[^<]*<\|message\|>")


def in_tags(text: str) -> str:
    """Rewrite a response in OpenAI's harmony format: all before the channel ``final`` becomes a ``<think>`` block."""
    before, *parts = _CHANNEL.split(text)
    opened, pieces = False, [before]
    for channel, content in zip(parts[::2], parts[1::2], strict=True):
        if channel == "final":
            pieces.append("</think>" if opened else "")
        else:
            pieces.append("\n" if opened else "<think>")
        opened = channel != "final"
        pieces.append(content)
    return "".join(pieces)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One response to a prompt: everything after the prompt's tokens, tool output and later turns included."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Log-probability of each token under the policy that wrote it; 0.0 where the mask is False. As long as tokens."""
    mask: tuple[bool, ...]
    """True for each token that the policy wrote: only these are trained. As long as tokens."""
    text: str
    """The response as text, without the stop string that ended it."""
    truncated: bool = False
    """The response was cut off at max_tokens."""
    opened: str = ""
    """What the end of the prompt already held of the response: an opening ``<think>``, or ``<think></think>`` if the
    prompt turns thinking off. Empty for most prompts."""
    reference: tuple[float, ...] = ()
    """Log-probability of each token under the weights that the run began with. Filled, in training only, if an active
    plugin says ``reads = ("reference",)``; else empty. As long as tokens."""

    @property
    def response(self) -> str:
        """The whole response: what the prompt held of it, then the text. Whoever looks for its parts reads this.

        gpt-oss thinks in a channel of its own; here, that reads as a ``<think>`` block too.
        """
        return self.opened + (in_tags(self.text) if self.text.startswith("<|channel|>") else self.text)

    @property
    def response_tokens(self) -> int:
        """How many tokens the policy wrote."""
        return sum(self.mask)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's judgement of one rollout."""

    outcome: Outcome
    """One of `OUTCOMES`. Unscored: nobody could tell (a worker failed, the gold is bad). Never silently wrong."""
    answer: str | None = None
    """The extracted answer; None if there is none."""
    rung: str = ""
    """Which check decided."""
    reason: str = ""
    """Why the rollout is incorrect or unscored, in words."""
    vote: str | None = None
    """The answer in a form that equal answers share, for majority votes. None: use `answer`."""


@dataclass(frozen=True, slots=True)
class Reward:
    """The reward terms of one rollout: raw numbers in [-1, 1], and the weights that the core gives them."""

    terms: Mapping[str, float | None]
    """Raw numbers by term. None: the term does not apply to this rollout."""
    weights: Mapping[str, float]
    """The weight of each term at this step; 0 for terms that are only observed."""

    @property
    def weighted(self) -> dict[str, float]:
        """What each term that applies adds to the total."""
        return {name: self.weights[name] * raw for name, raw in self.terms.items() if raw is not None}

    @property
    def total(self) -> float:
        """The sum of weight x raw over the terms that apply."""
        return float(sum(self.weighted.values()))


@dataclass(frozen=True, slots=True)
class Group:
    """One problem at one step, its G rollouts, and what each stage adds to them."""

    step: int
    index: int
    """The group's place in the step's batch."""
    problem: Problem
    prompt: Prompt
    rollouts: tuple[Rollout, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    measures: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """Name -> one number, or None, for each rollout."""
    rewards: tuple[Reward, ...] = ()
    advantages: tuple[float | tuple[float, ...] | None, ...] = ()
    """For each rollout a number, or a number for each of its tokens. None: left out of training (unscored)."""
    kept: bool = True
    """False: the algorithm or a `keep_group` plugin dropped the group from training. It still counts in all metrics."""

    def select(self, keep: Sequence[bool]) -> Group:
        """Return the group with only those rollouts for which `keep` (G,) is true."""

        def pick(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(v for v, k in zip(values, keep, strict=True) if k) if values else ()

        return Group(
            self.step, self.index, self.problem, self.prompt,
            pick(self.rollouts), pick(self.verdicts), {k: pick(v) for k, v in self.measures.items()},
            pick(self.rewards), pick(self.advantages), self.kept,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Datum:
    """One training sequence of T positions: the model reads inputs[t] and learns to predict targets[t]."""

    inputs: tuple[int, ...]
    targets: tuple[int, ...]
    weights: tuple[float, ...] | None = None
    """cross_entropy: the weight of each target; 0 on the prompt."""
    logprobs: tuple[float, ...] | None = None
    """Policy losses: the sampler's log-probability of each target; 0.0 on the prompt."""
    advantages: tuple[float, ...] | None = None
    """Policy losses: the advantage of each target; 0.0 on the prompt."""
    mask: tuple[float, ...] | None = None
    """gspo and dro: 1.0 on each target that the policy wrote, 0.0 on all others."""


Loss = Literal["cross_entropy", "importance_sampling", "ppo", "cispo", "gspo", "dro"]


@dataclass(frozen=True, slots=True)
class Update:
    """The data of one optimizer step. Losses are sums over tokens and data."""

    data: tuple[Datum, ...]
    loss: Loss
    config: Mapping[str, float] = field(default_factory=dict)
    """ppo, cispo, gspo: clip_low_threshold and clip_high_threshold, as ratios; ppo: dual_clip; dro: beta."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What an algorithm trains at one step, and the groups it comes from."""

    groups: tuple[Group, ...] = ()
    updates: tuple[Update, ...] = ()
    trained: int = 0
    """How many rollouts (or demonstrations) the updates hold."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The algorithm's own numbers for the step's record."""
    new_sampler: bool = True
    """Sample the next step from the weights after these updates. False: `run.sampler` stays until the algorithm calls
    `run.renew_sampler`. Use False only with backends whose sampler outlives an optimizer step
    (``Backend.concurrent``)."""


@dataclass(frozen=True, slots=True)
class Adam:
    """The settings of one optimizer step: Adam with decoupled weight decay. The defaults are the Tinker SDK's."""

    learning_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-12
    weight_decay: float = 0.0
    grad_clip_norm: float = 0.0
    """0 does not clip."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The result of `Backend.forward_backward`."""

    loss: float
    """The sum over tokens and data."""
    logprobs: tuple[tuple[float, ...], ...]
    """For each datum, a tuple (T,) of its targets' log-probabilities under the weights before the update."""
    metrics: Mapping[str, float] = field(default_factory=dict)


class Sampler(Protocol):
    """Samples from the weights as they were when `Backend.sampler()` was called."""

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Send all requests at once. Returns one future per request; they may resolve in any order."""


class Backend(Protocol):
    """Where sampling and gradients happen. Calls take effect in the order in which they are made.

    A method that returns a future may return before the work is done, and never waits for earlier futures.
    """

    context_length: int
    """The longest prompt plus response, in tokens."""
    end_token: str
    """The tokenizer's end token: the default stop of a prompt given as text."""
    concurrent: bool
    """True: a sampler stays valid while training goes on, so evaluations can run in the background."""

    def encode(self, text: str) -> list[int]:
        """Encode a text. Special tokens spelled out in it are recognised; nothing is added."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Decode tokens to text, special tokens included."""

    def render(self, prompt: str | Sequence[Message], **template: Any) -> Prompt:
        """Make a prompt as the model was trained to see it: text after what the tokenizer puts before any text, or
        messages in the model's chat format, ready for its turn. Fills `text`, `tokens` and `stop`.
        """

    def sampler(self) -> Sampler:
        """Return a sampler of the weights after every earlier call. Its futures may raise `SamplingError`."""

    def forward_backward(self, data: Sequence[Datum], loss: Loss, config: Mapping[str, float]) -> Future[TrainResult]:
        """Add the gradient of the summed loss to what has accumulated since the last optimizer step."""

    def optim_step(self, adam: Adam) -> Future[Mapping[str, float]]:
        """Take one Adam step with the accumulated gradient and clear it. Returns metrics, e.g. ``grad_norm``."""

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        """Save weights, optimizer and random state. Returns the path for `restore`. A server may delete the checkpoint
        after `ttl_seconds`."""

    def restore(self, path: str, *, optimizer: bool) -> None:
        """Load a checkpoint; without its optimizer, start a fresh one. Raises FileNotFoundError if it is gone."""

    def forget(self, path: str) -> None:
        """Delete a checkpoint that is no longer needed, if it does not expire by itself."""

    def usd(self, tokens: Mapping[str, int]) -> float | None:
        """Return what these tokens cost (prefill, cached_prefill, sampled, trained); None if free or unknown."""

    def close(self) -> None:
        """Release everything. Safe to call twice."""


@runtime_checkable
class LossChecker(Protocol):
    """A backend that knows before a run which losses it can compute. `grpo` asks others for ppo and
    importance_sampling only."""

    def check_loss(self, loss: Loss, config: Mapping[str, float]) -> str:
        """Return why it cannot compute a loss with these settings, and what can; "" if it can."""


@runtime_checkable
class ReferenceModel(Protocol):
    """A backend that can also compute log-probabilities under other weights than those it trains. Optional."""

    def reference_logprobs(
        self, sequences: Sequence[tuple[int, ...]], path: str | None
    ) -> list[Future[tuple[float, ...]]]:
        """For each sequence of T tokens, the log-probability of each but the first (T-1,).

        `path` is the checkpoint of the weights; None: those that the model had when it was opened. One future per
        sequence; they may raise `SamplingError`.
        """


@dataclass(frozen=True, slots=True)
class StepStats:
    """The numbers of one training step, as recorded in ``steps.jsonl``."""

    step: int
    metrics: Mapping[str, float]
    """Over all groups, before filtering: reward, accuracy, mean_response_tokens, what plugins measure ..."""
    terms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Reward term -> raw (mean where it applies), weighted (mean over all scored rollouts), applies (share), weight."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """prefill (each request's prompt, once), cached_prefill (for its other samples), sampled, trained."""
    usd: float | None = None
    """What the tokens cost, if the backend knows."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time: collect, train, total. The only part of a record that differs between equal runs."""


@dataclass(frozen=True, slots=True)
class EvalStats:
    """One evaluation, as recorded in ``evals.jsonl``."""

    step: int
    name: str
    """The evaluation set: ``[data.eval.NAME]``."""
    metrics: Mapping[str, float]
    """accuracy (avg@k), pass@k, majority@k, rates, mean_response_tokens, what plugins measure."""
    intervals: Mapping[str, Sequence[float]]
    """The 95 % confidence interval, clustered by problem, of each metric that is a rate."""
    settings: Mapping[str, Any]
    """problems, samples, temperature, top_p, max_tokens, seed."""
    examples: Sequence[Mapping[str, Any]] = ()
    """A few of the answers: question, gold, response, outcome."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """prefill, cached_prefill, sampled."""
    usd: float | None = None
    """What the tokens cost, if the backend knows."""
    seen: int = 0
    """The step after which monitors see the evaluation; later than `step` if it ran in the background."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    by: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """Key of the problems' metadata (subject, level ...) -> its values -> problems, accuracy, low, high."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything recorded before the step under inspection, oldest first."""

    steps: tuple[StepStats, ...] = ()
    evals: tuple[EvalStats, ...] = ()
    checkpoints: tuple[int, ...] = ()
    """Steps whose weights are saved and kept."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A monitor's remark about a step."""

    level: Level
    """info, warn, or stop: save a checkpoint and end the run."""
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The numbers behind the message."""
    source: str = ""
    """The plugin's name, filled in by the core."""
