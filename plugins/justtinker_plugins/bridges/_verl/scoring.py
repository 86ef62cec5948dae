"""One response as verl hands it over: options from its config, a sample from its columns, an answer in its shape."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, Literal, NamedTuple

from justtinker_core import Group, PluginError, Scorer
from justtinker_core.errors import nearest
from justtinker_plugins.bridges import STANDARD, _stack
from justtinker_plugins.shared.foreign import column

log = logging.getLogger("justtinker_plugins.bridges.verl")
RESERVED = ("score", "acc", "unscored", "reward", "pred")
"""Keys of an answer that are not rewards: ours, and two that verl's validation gives a meaning of its own."""
FROM_VERL = ("reward_router_address", "reward_model_tokenizer")
"""What verl passes by itself if the run has a reward model."""
ACC = {"correct": 1.0, "incorrect": 0.0, "unscored": None}


@dataclass(frozen=True, slots=True)
class Options:
    """The bridge's options, which verl's config holds in ``reward.custom_reward_function.reward_kwargs``."""

    config: Any = field(default_factory=lambda: STANDARD)
    """A file of rewards, a preset, a run directory, or tables."""
    sets: Sequence[str] = ()
    plugins: Sequence[str] = ()
    question: str = "question"
    """The key of ``extra_info`` that holds the question; '' judges without one."""
    kind: str = "math"
    """`Problem.kind`, which decides the verifier."""
    opened: str = ""
    """What the prompt already held of the response: ``<think>`` for templates that open the thinking."""
    unscored: float | Literal["raise"] | None = None
    """The score of a response that nobody could grade; default: 0, or the group's mean where groups are seen."""
    wait: float = 1800.0
    """Seconds for which a group waits for the next of its responses. Only where groups are seen."""


def options_of(given: Mapping[str, Any]) -> Options:
    """Read the options from verl's config. PluginError names one that there is not, or that cannot be."""
    known = [option.name for option in fields(Options)]
    options = {name: plain(value) for name, value in given.items() if name not in FROM_VERL}
    for name in options:
        if name not in known:
            raise PluginError(f"reward_kwargs: there is no option {name!r}{nearest(name, known)}")
    found = Options(**options)
    if not (found.unscored in (None, "raise") or (isinstance(found.unscored, Real) and math.isfinite(found.unscored))):
        raise PluginError(f"reward_kwargs.unscored: expected a number or 'raise', got {found.unscored!r}")
    return found


def scorer_of(options: Options, alone: bool) -> Scorer:
    """Return this process's scorer. PluginError if it needs groups but judges `alone`, or a reward has a key's name."""
    scorer = _stack.scorer_named(options.config, options.sets, options.plugins)
    if alone:
        _stack.check_alone(scorer, "verl's compute_score")
    if taken := [name for name in _stack.reward_names(scorer) if name in RESERVED]:
        raise PluginError(
            f"the name of the reward {taken[0]!r} means something else to verl; give it another in [local_plugins]"
        )
    return scorer


def plain(value: Any) -> Any:
    """Return OmegaConf's tables and lists as dicts and lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(inner) for inner in value]
    return value


class Sample(NamedTuple):
    """A response and its problem. `tokens` is None, and `truncated` unknown, where verl hands over text alone."""

    response: str
    answer: str | None
    extra_info: Mapping[str, Any]
    data_source: str
    tokens: int | None = None
    truncated: bool = False
    step: int | None = None


def question_of(extra_info: Mapping[str, Any], options: Options) -> str:
    """Return the question. PluginError if ``extra_info`` has none, with the way out."""
    if not options.question:
        return ""
    try:
        return str(column(extra_info, options.question, "extra_info"))
    except PluginError as error:
        raise PluginError(
            f"{error}: name the question's with reward_kwargs.question, or judge without one with question=''"
        ) from error


def score(samples: Sequence[Sample], options: Options, alone: bool) -> Group:
    """Score the responses to one problem; what they share is taken from the first."""
    first = samples[0]
    return scorer_of(options, alone).score(
        question=question_of(first.extra_info, options),
        answer=first.answer,
        responses=[sample.response for sample in samples],
        kind=options.kind,
        meta={**first.extra_info, "data_source": first.data_source},
        tokens=None if first.tokens is None else [sample.tokens or 0 for sample in samples],
        truncated=[sample.truncated for sample in samples],
        opened=options.opened,
        step=first.step,
    )


def numbers_of(group: Group, options: Options, alone: bool) -> list[dict[str, float | None] | PluginError]:
    """Return verl's dict for each response of a scored group; all have the same keys.

    ``score``: the weighted sum; for an unscored response `Options.unscored`. ``acc``: 1 correct, 0 incorrect, None
    unscored. ``unscored``: 1 or 0. And each reward plugin's raw number, None where it does not apply. verl's validation
    leaves None out of its means. An unscored response is a PluginError with ``unscored = "raise"``.
    """
    scorer = scorer_of(options, alone)
    totals = [_stack.total(group, i) for i in range(len(group.rollouts))]
    graded = [total for total in totals if total is not None]
    mean = sum(graded) / len(graded) if graded else 0.0
    found: list[dict[str, float | None] | PluginError] = []
    for i, (total, verdict) in enumerate(zip(totals, group.verdicts, strict=True)):
        unscored = float(total is None)
        if total is None:
            why = f"a response could not be graded ({verdict.rung}: {verdict.reason})"
            if options.unscored == "raise":
                found.append(PluginError(why))
                continue
            total = mean if options.unscored is None else options.unscored
            warn_once(why, total)
        numbers = {"score": total, "acc": ACC[verdict.outcome], "unscored": unscored}
        found.append({**numbers, **_stack.raw_values(scorer, group, i)})
    return found


_warned: list[str] = []


def warn_once(why: str, stand_in: Any) -> None:
    """Say once a process that an unscored response has a number."""
    if not _warned:
        _warned.append(why)
        log.warning(
            "%s. verl needs a number: its score is %g, and `unscored` is 1. Said once a process.", why, stand_in
        )


def compute_score(
    data_source: str, solution_str: str, ground_truth: Any, extra_info: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, float | None]:
    """Score one response for verl's ``reward.custom_reward_function``; `options` are those of `Options`.

    The keys are described at `numbers_of`. PluginError if the options, the rewards or the data are wrong, if a reward
    compares the responses of a group, or if a weight follows a schedule.
    """
    chosen = options_of(options)
    sample = Sample(
        solution_str, _stack.gold_of(ground_truth, "ground_truth"), dict(extra_info or {}), str(data_source)
    )
    found = numbers_of(score([sample], chosen, alone=True), chosen, alone=True)[0]
    if isinstance(found, PluginError):
        raise found
    return found
