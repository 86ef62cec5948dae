"""`check_reward`: the conformance battery of a reward term."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from justtinker_core.grading import gathering, scoring
from justtinker_core.hookspecs import attribute_of
from justtinker_core.plugins import Plugins
from justtinker_core.testing import _hostile
from justtinker_core.testing._battery import Battery
from justtinker_core.testing._builders import make_group, make_rollout
from justtinker_core.testing._variations import permuted, with_text
from justtinker_core.types import Group, Verdict

THINKING = "<think>Two and two, and nothing else: 2+2=4.</think>\nThe sum is \\boxed{4}."
LOOP = "<think>" + "so it is four, and four it is; " * 60 + "</think>\\boxed{4}"


def check_reward(
    plugin: Any, groups: Group | Iterable[Group] | None = None, *, seconds: float = 1.0, patience: float = 60.0
) -> None:
    """Check a reward, an instance or a class with its defaults. Raises an AssertionError with all that is wrong.

    A reward may compare the rollouts of a group if it says ``per_group = True``: then, unlike a verdict, its numbers
    may depend on the rest of the group; but not on the order of the rollouts, nor on other groups. The checks use
    `groups`, made by `make_group`: give your own if the plugin needs a certain `meta` or another plugin's `measures`.
    `seconds` and `patience` are those of `check_verifier`.
    """
    __tracebackhide__ = True
    listed = [groups] if isinstance(groups, Group) else ordinary_groups() if groups is None else list(groups)
    for number, group in enumerate(listed):
        if not group.rollouts or len(group.verdicts) != len(group.rollouts):
            raise ValueError(f"group {number} needs rollouts with a verdict each: make_group(texts, outcomes) has them")
    if not listed:
        raise ValueError("check_reward needs a group: make_group(texts, outcomes), or leave `groups` out")
    expected = "term -> for each rollout a number in [-1, 1] or None"
    battery = Battery("check_reward", "score", expected, plugin, terms, seconds, patience)
    battery.run(partial(make_checks, listed))


def make_checks(groups: Sequence[Group], battery: Battery) -> None:
    """Make all checks, basic ones first."""
    found = battery.check_answers(groups, "A reward gets all rollouts, wrong and unscored ones too.")
    if found is None:
        return
    battery.check_sameness(groups, found, partial(check_alone, battery))
    fix = "Expect groups of one, of equals, of unscored rollouts, and responses without a token: mind divisions by 0."
    rule = "Odd groups get valid answers."
    battery.check_survival("odd groups", rule, {n: g for group in groups for n, g in odd_groups(group).items()}, fix)
    fix = "Expect any text: training a policy will find the one that breaks the run."
    texts = {name: with_text(groups[0], text) for name, text in _hostile.TEXTS.items()}
    battery.check_survival("hostile texts", "Whatever a policy writes, it gets its numbers.", texts, fix)
    battery.check_speed(groups[0])


def check_alone(battery: Battery, groups: Sequence[Group], expected: Sequence[Sequence[Any]]) -> None:
    """Check that a reward which compares the rollouts of a group says so; each is scored alone, with its measures."""
    (active,) = battery.plugins.active.values()
    if attribute_of(active.instance, "per_group"):
        return
    fix = (
        "If it compares the group, write per_group: ClassVar[bool] = True in the class: bridges that see one response "
        "then refuse it. Else score each rollout by its own text, verdict and measures."
    )
    with battery.report.check("alone", "Unless it says per_group = True, the group does not matter.") as failures:
        for group, old in zip(groups, expected, strict=True):
            for index, numbers in enumerate(old):
                single = permuted(group, [index])
                found = battery.try_ask(single, failures, fix)
                battery.compare(single, [numbers], found, failures, "without the rest of its group", fix)


def terms(plugins: Plugins, group: Group) -> list[Mapping[str, float | None]]:
    """Ask for terms as the loop does, with the plugin's own measures in the group."""

    async def scored_group() -> Group:
        measures, _ = await gathering("measure", group, plugins, plugins.who("measure"))
        return await scoring(replace(group, measures={**group.measures, **measures}) if measures else group, plugins)

    scored = plugins.wait_for(scored_group())
    return [reward.terms for reward in scored.rewards]


def ordinary_groups() -> list[Group]:
    """Return groups as in a run: right and wrong, with thinking and without, looping, cut off, not graded."""
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


def odd_groups(group: Group) -> dict[str, Group]:
    """Return rare variants of a group by name."""
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
