"""`check_verifier`: the conformance battery of a verifier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from justtinker_core.answers import checked_verdicts
from justtinker_core.errors import PluginError, nearest
from justtinker_core.grading import judge
from justtinker_core.plugins import Plugins
from justtinker_core.testing import _hostile
from justtinker_core.testing._battery import Battery
from justtinker_core.testing._builders import make_problem, make_rollout
from justtinker_core.testing._report import Failure, describe_answer, describe_rollout
from justtinker_core.types import OUTCOMES, Group, Outcome, Problem, Prompt, Rollout, Verdict

Case = tuple[Problem | str | None, str, Outcome]
"""A problem (or only its gold), a response, and the outcome that it must get."""
FEW = 4
"""How many problems the costly checks use, and how many responses of each kind to one."""


def check_verifier(plugin: Any, cases: Iterable[Case], *, seconds: float = 1.0, patience: float = 60.0) -> None:
    """Check a verifier, an instance or a class with its defaults. Raises an AssertionError with all that is wrong.

    `cases` are of the verifier's own kind, some right and some wrong: ``("42", "so it is \\boxed{42}", "correct")``;
    give a `Problem` in place of the gold if the verifier needs more. The checks that are the same for all verifiers
    use them too. `seconds` bounds the CPU time for one response of 64,000 characters. After `patience` seconds a call
    counts as hung. A call into C that ignores signals cannot be stopped from here: pytest's option
    ``faulthandler_timeout`` shows where it hangs.
    """
    __tracebackhide__ = True
    listed = [checked_case(number, case) for number, case in enumerate(cases)]
    if not listed:
        raise ValueError("check_verifier needs cases: (gold or Problem, response, outcome)")
    battery = Battery("check_verifier", "verify", "one Verdict per rollout", plugin, verdicts, seconds, patience)
    battery.run(partial(make_checks, listed))


def make_checks(cases: Sequence[tuple[Problem, str, Outcome]], battery: Battery) -> None:
    """Make all checks, basic ones first."""
    own, mixed = [group_of(problem, [response]) for problem, response, _ in cases], mixed_groups(cases)[::-1]
    hint = f"The first case's problem is of kind {own[0].problem.kind!r}; others: make_problem(..., kind=...)."
    # Last problem first, and the cases last: this exposes a memory that even copies share, if it mixes up problems.
    answers = battery.check_answers([*mixed, *own], hint)
    if answers is None:
        return
    check_cases(battery, cases, own, answers[len(mixed) :])
    found = answers[: len(mixed)]
    battery.check_sameness(mixed, found, partial(check_company, battery))
    check_kinds(battery, mixed[-1])
    check_hostile_texts(battery, mixed[-1], found[-1])
    check_odd_golds(battery, mixed[-1])
    battery.check_speed(mixed[-1])


def verdicts(plugins: Plugins, group: Group) -> tuple[Verdict, ...]:
    """Ask for verdicts as the loop does."""
    return judge(replace(group, verdicts=()), plugins).verdicts


def raw_verdicts(plugins: Plugins, group: Group) -> Any:
    """Ask for the hook's answer, which may be None."""
    return plugins.first("verify", checked_verdicts, problem=group.problem, rollouts=group.rollouts)


def checked_case(number: int, case: Any) -> tuple[Problem, str, Outcome]:
    """Return a case with a whole problem. Raises a ValueError if anything is wrong with it."""
    try:
        problem, response, outcome = case
    except (TypeError, ValueError):
        raise ValueError(f"case {number}: expected (gold or Problem, response, outcome), got {case!r}") from None
    if outcome not in OUTCOMES:
        raise ValueError(f"case {number}: no outcome is called {outcome!r}{nearest(str(outcome), OUTCOMES)}")
    if not isinstance(problem, Problem):
        problem = make_problem("What is it?", problem)
    return problem, response, outcome


def mixed_groups(cases: Sequence[tuple[Problem, str, Outcome]]) -> list[Group]:
    """Return groups of a few problems, each with its own responses, those of other cases, and one of them twice."""
    problems: list[Problem] = []
    for problem, _, _ in cases:
        if not any(same_question(problem, p) for p in problems):
            problems.append(problem)
    others = list(dict.fromkeys(response for _, response, _ in cases))[:FEW]
    groups = []
    for problem in problems[:FEW]:
        own = [response for p, response, _ in cases if same_question(problem, p)][:FEW]
        groups.append(group_of(problem, [*dict.fromkeys([*own, *others]), own[0]]))
    return groups


def same_question(a: Problem, b: Problem) -> bool:
    """Return whether two problems differ at most in their ids."""
    return replace(a, id="") == replace(b, id="")


def group_of(problem: Problem, texts: Sequence[str]) -> Group:
    """Make a group without verdicts."""
    return Group(1, 0, problem, Prompt(), tuple(map(make_rollout, texts)))


def check_cases(
    battery: Battery, cases: Sequence[tuple[Problem, str, Outcome]], groups: Sequence[Group], found: Sequence[Any]
) -> None:
    """Check that each case gets its outcome."""
    with battery.report.check("cases", "Each case has its outcome.") as failures:
        for number, ((_, _, outcome), group, (verdict,)) in enumerate(zip(cases, groups, found, strict=False)):
            if verdict.outcome != outcome:
                given = f"case {number}: {describe_rollout(group, 0)}"
                failures.append(Failure(given, outcome, describe_answer(verdict), "Fix the verifier, or the case."))


def check_company(battery: Battery, groups: Sequence[Group], expected: Sequence[Sequence[Any]]) -> None:
    """Check that the verdict on a response does not depend on the others of its group."""
    fix = "Judge each rollout by the problem and its own text; comparing rollouts is for rewards."
    with battery.report.check("company", "A verdict does not depend on the rest of the group.") as failures:
        for group, old in zip(groups, expected, strict=True):
            for rollout, verdict in zip(group.rollouts, old, strict=True):
                single = replace(group, rollouts=(rollout,))
                found = battery.try_ask(single, failures, fix)
                battery.compare(single, [verdict], found, failures, "without the rest of its group", fix)


def check_kinds(battery: Battery, group: Group) -> None:
    """Check that a problem of an unknown kind is no error."""
    group = replace(group, problem=replace(group.problem, kind="unheard-of"))
    fix = "Begin with: if problem.kind not in self.kinds: return None"
    with battery.report.check("kinds", "It passes on a problem of an unknown kind, or judges it.") as failures:
        try:
            battery.call(partial(raw_verdicts, battery.plugins, group), battery.patience)
        except PluginError as error:
            given = f"a problem of kind {group.problem.kind!r}"
            failures.append(Failure(given, "None, or one Verdict per rollout", str(error), fix))


def check_hostile_texts(battery: Battery, group: Group, expected: Sequence[Verdict]) -> None:
    """Check that texts which a policy will write get verdicts, and that the rest of the group keeps its own."""
    fix = "Expect any text: cap its length, catch what a parser raises, and give a verdict with a reason."
    groups = {name: replace(group, rollouts=(*group.rollouts, make_rollout(t))) for name, t in _hostile.TEXTS.items()}
    found = battery.check_survival("hostile texts", "Whatever a policy writes, it gets a verdict.", groups, fix)
    if not battery.report.has_passed("company"):
        battery.skip("hostile company")
        return
    fix = "A response that is too much for the verifier must not cost the others of its group their verdicts."
    with battery.report.check("hostile company", "A hostile response costs the others nothing.") as failures:
        for name, judged in found.items():
            battery.compare(group, expected, judged[:-1], failures, f"in a group with {name}", fix)


def check_odd_golds(battery: Battery, group: Group) -> None:
    """Check that bad golds are no error, and that without a gold not everything is right."""
    fix = "Answer 'unscored' with a reason: a bad row of a data set must not end a run."
    texts: tuple[Rollout, ...] = (*group.rollouts, make_rollout(""), make_rollout("I do not know."))
    groups = {
        name: replace(group, problem=replace(group.problem, answer=gold), rollouts=texts)
        for name, gold in _hostile.GOLDS.items()
    }
    found = battery.check_survival("odd golds", "A bad gold gets an answer and ends nothing.", groups, fix)
    with battery.report.check("empty golds", "Without a gold not every response is right.") as failures:
        for name in set(_hostile.EMPTY_GOLDS) & set(found):
            if all(verdict.outcome == "correct" for verdict in found[name]):
                given = f"{name} ({groups[name].problem.answer!r}) and {len(texts)} responses"
                all_right = "all are correct, even 'I do not know.' and ''"
                failures.append(Failure(given, "unscored: there is nothing to compare with", all_right, fix))
