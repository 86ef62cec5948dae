"""What a hook is handed: the run, and the policy that an environment plays with. The core passes its own classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from justtinker_core.types import Backend, Group, History, Message, Problem, Prompt, Rollout, Sampler

if TYPE_CHECKING:
    from justtinker_core.config import RunConfig
    from justtinker_core.rundir import RunDir

T = TypeVar("T")


class RunContext(Protocol):
    """What a hook may use of the run. The core passes its own `justtinker_core.run.Run`."""

    config: RunConfig
    """The resolved config: every option, defaults included."""
    files: RunDir
    """The files of the run directory: read records, write files of your own."""
    previous: Sequence[Path]
    """Directories of the runs that the same command made before this one."""
    last: bool
    """No other run follows in the same command."""
    train_problems: tuple[Problem, ...]
    """The problems of ``[data.train]``, after `limit` and `drop_problems`."""
    eval_problems: dict[str, tuple[Problem, ...]]
    """The problems of each ``[data.eval.NAME]``, by name."""
    skipped: dict[str, Counter[str]]
    """Data table -> reason why a row gave no problem -> number of rows."""
    backend: Backend
    """The opened backend."""
    ready: bool
    """The backend is open and has passed its own preflight, so it can encode."""
    step: int
    """The current step, from 1; 0 before the first."""
    history: History
    """The steps, evaluations and checkpoints so far."""
    tokens: Counter[str]
    """prefill, cached_prefill, sampled and trained tokens of this process's steps."""
    spent: float
    """USD spent so far, on steps that were set aside too."""

    @property
    def dir(self) -> Path:
        """The run directory."""

    def draw(self, step: int, n: int, items: Sequence[T]) -> list[T]:
        """The n items of a step: a new order every epoch, a pure function of (seed, step)."""

    def draw_problems(self, step: int, n: int, drawn: Sequence[Problem] = ()) -> list[Problem]:
        """The n training problems that a step samples next, after those `drawn`: by a `draw_problems` plugin, else by
        `draw`.
        """

    def prompt(self, problem: Problem) -> Prompt:
        """The prompt of a problem, encoded."""

    def rollouts(self, step: int, problems: Sequence[Problem], n: int) -> tuple[Group, ...]:
        """Sample, verify, measure and score n rollouts per problem with the current sampler; one group per problem."""

    def stream_rollouts(self, step: int, problems: Sequence[Problem], n: int) -> Iterator[Group]:
        """Like `rollouts`, but yields each group as soon as it is judged. Episodes are all played first."""

    def start_rollouts(self, step: int, problems: Sequence[Problem], n: int) -> Future[tuple[Group, ...]]:
        """Like `rollouts`, for a later step: request them from the current sampler, and go on.

        A backend that samples while it trains (``Backend.concurrent``) does so, and the groups are judged in the
        background; on any other they are sampled and judged before this returns.
        """

    def credit(self, group: Group) -> Group:
        """Give a judged group its advantages, and ask whether it is kept."""

    def report_progress(self, stage: str, done: int, total: int) -> None:
        """Tell reporters that `done` of `total` of a stage within the step are done, from any thread.

        Call it as often as you like: what comes within a quarter of a second of the last call is dropped.
        """

    @property
    def sampler(self) -> Sampler:
        """The sampler that `rollouts` uses; of the newest weights, unless a batch had ``new_sampler=False``."""

    def renew_sampler(self) -> None:
        """Sample from the weights as they are now, from the next request on."""


class Policy(Protocol):
    """What a `rollout` plugin plays one episode with. The core passes its own `justtinker_core.episodes.Policy`."""

    @property
    def truncated(self) -> bool:
        """The response ran out of tokens, or of the model's context: end the episode."""

    def generate(self, stop: str | Sequence[str] = ()) -> str:
        """Let the policy go on until (one of) `stop`, or the prompt's stops. Returns the turn, its stop included."""

    def observe(self, text: str) -> None:
        """Add what the environment says. It is never trained. If no room is left for a turn, truncate the episode."""

    def reply(self, *messages: Message) -> None:
        """Like `observe`, for chats: end the policy's turn, add messages, begin its next turn, as the template does."""

    def rollout(self) -> Rollout:
        """The episode so far."""
