r"""Environments behind OpenEnv's WebSocket protocol: one episode a rollout, one session an episode.

A problem is a seed: ``reset(seed=…)`` makes its question, and the same reset begins each of its rollouts. The policy's
turns are actions; what the environment answers is never trained. The episode's text ends with a line of ours, such as
``[episode over: reward 1, 3 turns]``, which the verdict is read from, so saved rollouts can be judged again without
the server. The policy cannot write that line: what it writes is always followed by ours, or cut off.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from justtinker_core import (
    DataSpec,
    Group,
    PluginError,
    Policy,
    Problem,
    Prompt,
    Rollout,
    RunContext,
    Verdict,
    hookimpl,
    plugin,
)
from justtinker_plugins.environments._openenv import End, LostError, RefusedError, Session, number_of, shown
from justtinker_plugins.shared.overlap import overlap_complaints
from justtinker_plugins.text import answer_part

KIND = "openenv"
_JSON = re.compile(r"```json\s*(.*?)```|<tool_call>(.*?)</tool_call>", re.DOTALL)


@plugin
class OpenEnv:
    """Problems, episodes and verdicts of an environment that an OpenEnv server runs.

    Only `held_out_seed` decides which `held_out` seeds are held out for evaluation; training has others.
    """

    kinds: ClassVar[tuple[str, ...]] = (KIND,)

    url: str = "http://127.0.0.1:8000"
    """Address of the server."""
    action: str = ""
    """Field of the action that takes the turn's text. Empty: the turn holds the whole action as a JSON object, in its
    last ``json`` block or ``<tool_call>``, or by itself."""
    observation: str = ""
    """Field of the observation that the policy sees. Empty: its only text, or else all of it as JSON."""
    open: str = ""
    """With `close`: text that begins an action inside the response."""
    close: str = ""
    """Text that ends an action and the policy's turn. Empty: each turn is a chat message of its own; that needs prompts
    of messages (`chat_template`)."""
    turns: Annotated[int, Field(ge=1)] = 10
    """Most actions in an episode."""
    reward: Literal["last", "sum"] = "last"
    """last: the reward of the episode is that of its last step that has one. sum: of all steps."""
    threshold: float = 1.0
    """Least reward of an episode that counts as correct."""
    seconds: Annotated[float, Field(gt=0)] = 60.0
    """Wall-clock seconds that the server has for an answer."""
    question: str = "{observation}"
    """Text of the question; ``{observation}`` is the first observation."""
    size: Annotated[int, Field(ge=1)] = 100
    """Number of training problems."""
    held_out: Annotated[int, Field(ge=1)] = 20
    """Number of problems kept for evaluation. Use the same in the tables for training and evaluation."""
    held_out_seed: int = 2026
    """Seed that draws these problems. Use the same in both tables."""

    def __post_init__(self) -> None:
        if bool(self.open) != bool(self.close) or (self.close and self.close in self.open):
            raise ValueError(f"open = {self.open!r}, close = {self.close!r}: expected two texts, or none")
        if "{observation}" not in self.question:
            raise ValueError(f"question = {self.question!r} never shows the {{observation}}; write it where it goes")

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """One problem a seed. PluginError if no server answers, or if the environment does not follow seeds."""
        held_out = self._seeds(f"openenv held out {self.held_out_seed}", self.held_out, set())
        seeds = held_out if spec.purpose == "eval" else self._seeds(f"openenv {seed}", self.size, set(held_out))
        session = Session(self.url, self.seconds)
        try:
            with contextlib.closing(session):
                first = self._reset(session, seeds[0])
                if self._reset(session, seeds[0]) != first:
                    raise PluginError(
                        f"openenv: two resets with the seed {seeds[0]} gave different observations; the server at "
                        f"{self.url} must follow the seed, since a problem's rollouts are compared with each other"
                    )
                for number in seeds:
                    yield self._problem(number, self._reset(session, number))
        except LostError as error:
            raise PluginError(f"openenv: {error}; start the server, or change url in [plugins.openenv]") from error

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint for each evaluation set that plays the episodes that the run trains on."""
        return overlap_complaints(run, KIND, "seeds", lambda problem: problem.meta.get("seed"))

    @hookimpl
    def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout | None:
        """Play an episode: reset, then alternate policy and environment until one of them ends it."""
        if problem.kind != KIND:
            return None
        session = Session(self.url, self.seconds)
        with contextlib.closing(session):
            try:
                if self._reset(session, problem.meta["seed"]) != problem.meta["observation"]:
                    raise LostError("the reset gave another observation than when the problem was loaded")
                end = self._play(session, prompt, policy)
            except LostError as error:
                end = End("lost", reason=str(error))
        return _ended(policy, end)

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Correct from `threshold` on; unscored if the episode was lost, or the environment gave no reward."""
        if problem.kind != KIND:
            return None
        return [self._verdict(rollout) for rollout in rollouts]

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float | None]] | None:
        """`env_reward` and `env_turns` of each episode; None for one that was lost or cut off."""
        if group.problem.kind != KIND:
            return None
        ends = [None if rollout.truncated else End.of(rollout.text) for rollout in group.rollouts]
        played = [end if end and end.how != "lost" else None for end in ends]
        return {
            "env_reward": [end.reward if end else None for end in played],
            "env_turns": [float(end.turns) if end else None for end in played],
        }

    def _seeds(self, name: str, count: int, taken: set[int]) -> list[int]:
        rng, found = random.Random(name), dict[int, None]()
        while len(found) < count:
            if (number := rng.getrandbits(31)) not in taken:
                found[number] = None
        return list(found)

    def _reset(self, session: Session, seed: int) -> str:
        return shown(session.reset(seed).observation, self.observation)

    def _problem(self, seed: int, observation: str) -> Problem:
        question = self.question.replace("{observation}", observation)
        return Problem(f"seed {seed}", question, kind=KIND, meta={"seed": seed, "observation": observation})

    def _play(self, session: Session, prompt: Prompt, policy: Policy) -> End:
        rewards: list[float] = []
        for turn in range(1, self.turns + 1):
            said = policy.generate(stop=[self.close] if self.close else ())
            if policy.truncated or (self.close and self.close not in said):
                return End("stopped", self._total(rewards), turn - 1)
            told, done, reward = self._act(session, self._read(said, prompt, first=turn == 1))
            rewards += [] if reward is None else [reward]
            if done:
                return End("over", self._total(rewards), turn)
            if turn < self.turns:
                self._tell(policy, told)
        return End("stopped", self._total(rewards), self.turns)

    def _act(self, session: Session, action: dict[str, Any] | str) -> tuple[str, bool, float | None]:
        """Take an action, or say what is wrong with it; return what the policy sees, whether it is over, the reward."""
        if isinstance(action, str):
            return f"error: {action}", False, None
        try:
            result = session.step(action)
        except RefusedError:
            return "error: this is no action of the environment", False, None
        return shown(result.observation, self.observation), bool(result.done), number_of(result.reward)

    def _read(self, said: str, prompt: Prompt, first: bool) -> dict[str, Any] | str:
        """Read the action of a turn; or say why there is none."""
        if self.close:
            before, _, _ = said.partition(self.close)
            _, opened, text = before.rpartition(self.open)
            if not opened:
                return "no action was begun"
        else:
            ends = [said.removesuffix(stop) for stop in prompt.stop if stop and said.endswith(stop)]
            answer = answer_part((prompt.opened or "" if first else "") + (ends[0] if ends else said))
            if answer is None:
                return "the thinking is never closed"
            text = answer
        return {self.action: text.strip()} if self.action else _object_in(text)

    def _tell(self, policy: Policy, told: str) -> None:
        if self.close:
            policy.observe(f"{told}\n")
        else:
            policy.reply({"role": "user", "content": told})

    def _total(self, rewards: Sequence[float]) -> float | None:
        return (sum(rewards) if self.reward == "sum" else rewards[-1]) if rewards else None

    def _verdict(self, rollout: Rollout) -> Verdict:
        if rollout.truncated:
            return Verdict("incorrect", None, KIND, "the response ran out of tokens before the episode was over")
        end = End.of(rollout.text)
        if end is None:
            return Verdict("unscored", None, KIND, "the text does not end as an episode does: [episode over: …]")
        if end.how == "lost":
            return Verdict("unscored", None, KIND, end.reason)
        if end.reward is None and end.how == "over":
            return Verdict("unscored", None, KIND, "the environment gave no reward")
        if end.reward is None:
            return Verdict("incorrect", None, KIND, f"no reward in {end.turns} turns")
        if end.reward >= self.threshold:
            return Verdict("correct", None, KIND, vote="the reward")
        return Verdict("incorrect", None, KIND, f"the reward is {end.reward:g}, not {self.threshold:g}")


def _ended(policy: Policy, end: End) -> Rollout:
    """The rollout of an episode that has ended; cut off only if the policy's own words were."""
    if policy.truncated:
        return policy.rollout()
    policy.observe(f"\n{end.line}")
    rollout = policy.rollout()
    if rollout.truncated:  # the context had no room for the line: the records get it, the model does not
        return replace(rollout, text=f"{rollout.text}\n{end.line}", truncated=False)
    return rollout


def _object_in(text: str) -> dict[str, Any] | str:
    """Read the last JSON object of a turn; or say why there is none.

    >>> _object_in('I look. <tool_call>{"move": "left"}</tool_call>')
    {'move': 'left'}
    """
    blocks = _JSON.findall(text)
    try:
        found = json.loads("".join(blocks[-1]) if blocks else text)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else "expected an action as a JSON object"
