"""skyrl-gym: `JusttinkerEnv`, an environment of one turn that can be registered.

``skyrl_gym.register("justtinker", entry_point="justtinker_plugins.bridges.skyrl_gym:JusttinkerEnv", kwargs={"config":
"rewards.toml"})``. Its base is skyrl-gym's, which is imported when the class is asked for. PluginError without it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

from justtinker_core import PluginError
from justtinker_plugins.bridges import STANDARD, _stack
from justtinker_plugins.shared.foreign import column, package
from justtinker_plugins.shared.messages import text_of

log = logging.getLogger(__name__)


def __getattr__(name: str) -> Any:
    if name == "JusttinkerEnv":
        return environment_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def environment_class() -> type[Any]:
    """Return `OneResponse` as a subclass of skyrl-gym's environment."""
    base = package("skyrl_gym.envs.base_text_env", "the bridge to skyrl-gym", "skyrl-gym").BaseTextEnv
    return type("JusttinkerEnv", (OneResponse, base), {"__module__": __name__, "__doc__": OneResponse.__doc__})


class OneResponse:
    """The model answers once; the rewards of a config are what the answer earns.

    `extras` is a row of the data: the gold answer stands in ``reward_spec.ground_truth`` (or ``reward_model``, as in
    verl's files), the question in ``question`` or ``extra_info.question``, else it is the prompt's last user message.
    ``extra_info`` is the problem's `meta`, ``kind`` its kind. `config`, `sets` and `plugins` are a `Scorer`'s; they are
    given to `skyrl_gym.register` as ``kwargs``, or stand in `env_config`, which wins. `opened` is what the prompt
    already holds of each response, such as ``<think>``. SkyRL wants a number for each response, so one that nobody
    could grade earns `unscored`, with a warning and ``metadata["unscored"]``; "raise" stops the run instead.

    PluginError if the row has no gold answer, the config is wrong, or a reward compares the responses of a group.
    """

    def __init__(
        self,
        env_config: Any = None,
        extras: Mapping[str, Any] | None = None,
        *,
        config: _stack.Config = STANDARD,
        sets: Sequence[str] = (),
        plugins: Sequence[str] = (),
        opened: str = "",
        unscored: float | Literal["raise"] = 0.0,
    ) -> None:
        super().__init__()
        given = {"config": config, "sets": sets, "plugins": plugins, "opened": opened, "unscored": unscored}
        options = {name: option(env_config, name, value) for name, value in given.items()}
        self.scorer = _stack.scorer_named(options["config"], options["sets"], options["plugins"])
        _stack.check_alone(self.scorer, "skyrl-gym")
        self.opened, self.unscored = options["opened"], options["unscored"]
        if self.unscored != "raise" and not (isinstance(self.unscored, int | float) and math.isfinite(self.unscored)):
            raise PluginError(f"unscored: expected a number or 'raise', got {self.unscored!r}")
        self.row = dict(extras or {})
        self.answer, self.question = gold_of(self.row), question_of(self.row)
        self.metrics: dict[str, float] = {}

    def init(self, prompt: list[dict[str, str]]) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """Hand the prompt through; if the row names no question, the prompt's last user message is it."""
        said = [message for message in prompt if message.get("role") == "user"]
        if self.question is None and said:
            self.question = text_of(said[-1], "the prompt's last user message")
        return prompt, {}

    def step(self, action: str) -> dict[str, Any]:
        """Score the response, and end the episode. ``metadata``: outcome, unscored, reason, answer, terms."""
        if self.question is None:
            raise PluginError("the bridge to skyrl-gym: no question; call init, or give the row a column 'question'")
        group = self.scorer.score(
            question=self.question,
            answer=self.answer,
            responses=[action],
            kind=self.row.get("kind", "math"),
            meta=self.row.get("extra_info") or {},
            opened=self.opened,
        )
        [verdict], total = group.verdicts, _stack.total(group, 0)
        terms = _stack.raw_values(self.scorer, group, 0)
        self.metrics = {f"reward/{name}": raw for name, raw in terms.items() if raw is not None}
        self.metrics["unscored"] = float(total is None)
        if total is not None:
            self.metrics["correct"] = float(verdict.outcome == "correct")
        reward = self.instead(verdict.reason) if total is None else total
        metadata = {
            "outcome": verdict.outcome,
            "unscored": total is None,
            "reason": verdict.reason,
            "answer": verdict.answer,
            "terms": terms,
        }
        return {"observations": [], "reward": reward, "done": True, "metadata": metadata}

    def instead(self, reason: str) -> float:
        """What an unscored response earns."""
        if self.unscored == "raise":
            raise PluginError(f"a response is unscored: {reason}")
        log.warning("a response is unscored and earns %s: %s", self.unscored, reason)
        return float(self.unscored)

    def get_metrics(self) -> dict[str, float]:
        """The episode's numbers, which SkyRL averages: ``correct`` and rewards are missing where they do not apply."""
        return self.metrics


def option(env_config: Any, name: str, default: Any) -> Any:
    """An option from the environment's config, which is a table, an object or nothing."""
    if isinstance(env_config, Mapping):
        return env_config.get(name, default)
    return getattr(env_config, name, default)


def gold_of(row: Mapping[str, Any]) -> str | None:
    """Return the gold answer of a row; None if the row says that it has none. PluginError if it says nothing."""
    table = next((name for name in ("reward_spec", "reward_model") if name in row), "reward_spec")
    cell = column(row, table, "the row (extras)")
    if not isinstance(cell, Mapping):
        raise PluginError(f"the row (extras): expected a table {table!r}, got {cell!r:.80}")
    return _stack.gold_of(column(cell, "ground_truth", f"the row's {table}"), f"the row's {table}.ground_truth")


def question_of(row: Mapping[str, Any]) -> str | None:
    """Return the question of a row, if one of its columns has it."""
    question = row.get("question", (row.get("extra_info") or {}).get("question"))
    return None if question is None else str(question)
