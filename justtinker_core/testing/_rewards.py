"""`check_reward`: the conformance battery of a reward term."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from justtinker_core.grading import gather, score
from justtinker_core.plugins import Plugins
from justtinker_core.testing import _hostile
from justtinker_core.testing._battery import Battery, with_text
from justtinker_core.testing._builders import make_group, make_rollout
from justtinker_core.types import Group, Verdict

THINKING = "<think>Two and two, and nothing else: 2+2=4.</think>\nThe sum is \\boxed{4}."
LOOP = "<think>" + "so it is four, and four it is; " * 60 + "</think>\\boxed{4}"


def check_reward(
    plugin: Any, groups: Group | Iterable[Group] | None = None, *, seconds: float = 1.0, patience: float = 60.0
) -> None:
    """AssertionError with all that is wrong with a reward plugin, an instance or a class with its defaults.

    A term may compare the rollouts of a group, so unlike a verifier's its numbers may depend on the company; but not on
    the rollouts' order, nor on other groups. `groups`, from `make_group`, are what it is tried with: give your own if
    its problems need a certain `meta`, or it reads `measures` of others. `seconds` and `patience` as in
    `check_verifier`.
    """
    __tracebackhide__ = True
    listed = [groups] if isinstance(groups, Group) else ordinary() if groups is None else list(groups)
    for number, group in enumerate(listed):
        if not group.rollouts or len(group.verdicts) != len(group.rollouts):
            raise ValueError(f"group {number} needs rollouts with a verdict each: make_group(texts, outcomes) has them")
    if not listed:
        raise ValueError("check_reward needs a group: make_group(texts, outcomes), or leave `groups` out")
    wanted = "term -> for each rollout a number in [-1, 1] or None"
    battery = Battery("check_reward", "score", wanted, plugin, terms, seconds, patience)
    battery.demand(partial(make_checks, listed))


def make_checks(groups: Sequence[Group], battery: Battery) -> None:
    """All checks, in an order in which the plain ones come first."""
    found = battery.answers(groups, "A term is asked for all rollouts, wrong and unscored ones too.")
    if found is None:
        return
    battery.same_answers(groups, found)
    fix = "Expect groups of one, of equals, of unscored rollouts, and responses of no token: mind the divisions."
    rule = "Odd groups get valid answers."
    battery.survives("odd groups", rule, {n: g for group in groups for n, g in odd(group).items()}, fix)
    fix = "Expect any text: a policy that is trained will find the one that breaks the run."
    texts = {name: with_text(groups[0], text) for name, text in _hostile.TEXTS.items()}
    battery.survives("hostile texts", "Whatever a policy writes, it gets its numbers.", texts, fix)
    battery.speed(groups[0])


def terms(plugins: Plugins, group: Group) -> list[Mapping[str, float | None]]:
    """As the loop gets them: what the plugin itself measures is in the group."""
    measures, _ = gather("measure", group, plugins, plugins.who("measure"))
    scored = score(replace(group, measures={**group.measures, **measures}) if measures else group, plugins)
    return [reward.terms for reward in scored.rewards]


def ordinary() -> list[Group]:
    """What a run has to offer: right and wrong, with thinking and without, looping, cut off, not graded."""
    texts = [THINKING, LOOP, "4", "<think>It is 5.</think>\\boxed{5}", "I think so", THINKING]
    mixed = make_group(texts, ["correct", "correct", "correct", "incorrect", "incorrect", "correct"])
    cut = make_rollout("<think>" + "and so on, " * 40, truncated=True)
    return [
        mixed,
        make_group(texts[:4], [Verdict("correct", "4", "exact"), "unscored", "incorrect", "incorrect"], told=5),
        make_group([THINKING, THINKING.replace("4", "22")]),
        make_group(["5", "6", ""], ["incorrect"] * 3),
        replace(mixed, rollouts=(*mixed.rollouts[:3], cut, *mixed.rollouts[4:])),
    ]


def odd(group: Group) -> dict[str, Group]:
    """Rare kinds of a group, by name."""
    size = len(group.rollouts)

    def judged(verdict: Verdict) -> Group:
        return replace(group, verdicts=(verdict,) * size)

    silent = replace(make_rollout(""), truncated=True)
    return {
        "a group of one": group.select([i == 0 for i in range(size)]),
        "nothing but right answers": judged(Verdict("correct")),
        "nothing but wrong answers": judged(Verdict("incorrect", reason="no answer")),
        "nothing that could be graded": judged(Verdict("unscored", reason="the worker failed")),
        "the same response throughout": replace(group, rollouts=group.rollouts[:1] * size),
        "a response without a token": replace(group, rollouts=(*group.rollouts[:-1], silent)),
        "no response has a token": replace(group, rollouts=(silent,) * size),
        "tokens of a tool only": replace(group, rollouts=(make_rollout("", told=3),) * size),
    }
