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
from justtinker_core.testing._report import Failure, described, place
from justtinker_core.types import OUTCOMES, Group, Outcome, Problem, Prompt, Rollout, Verdict

Case = tuple[Problem | str | None, str, Outcome]
"""A problem (or only its gold), a response, and what is to be said of it."""
FEW = 4
"""Problems, and responses of others, with which the costly checks are made."""


def check_verifier(plugin: Any, cases: Iterable[Case], *, seconds: float = 1.0, patience: float = 60.0) -> None:
    """AssertionError with all that is wrong with a verifier, an instance or a class with its defaults.

    `cases` are of its own kind, some right and some wrong: ``("42", "so it is \\boxed{42}", "correct")``, with a
    `Problem` in place of the gold where the verifier needs more than that. They also serve as material for the checks
    that are the same for all verifiers. `seconds`: most CPU time for one response of 64,000 characters. `patience`:
    seconds on the clock after which a call counts as lost. One into C that heeds no signals cannot be stopped from
    here: pytest's option ``faulthandler_timeout`` shows where it is.
    """
    __tracebackhide__ = True
    listed = [checked_case(number, case) for number, case in enumerate(cases)]
    if not listed:
        raise ValueError("check_verifier needs cases: (gold or Problem, response, outcome)")
    battery = Battery("check_verifier", "verify", "one Verdict a rollout", plugin, verdicts, seconds, patience)
    battery.demand(partial(make_checks, listed))


def make_checks(cases: Sequence[tuple[Problem, str, Outcome]], battery: Battery) -> None:
    """All checks, in an order in which the plain ones come first."""
    own, mixed = [group_of(problem, [response]) for problem, response, _ in cases], mixed_groups(cases)[::-1]
    hint = f"The first case's problem is of kind {own[0].problem.kind!r}; others: make_problem(..., kind=...)."
    # Last problem first, cases after all: then a memory that even copies share shows, if it mixes problems up.
    answers = battery.answers([*mixed, *own], hint)
    if answers is None:
        return
    right_or_wrong(battery, cases, own, answers[len(mixed) :])
    found = answers[: len(mixed)]
    battery.same_answers(mixed, found, partial(alone, battery))
    foreign(battery, mixed[-1])
    hostile(battery, mixed[-1], found[-1])
    odd_golds(battery, mixed[-1])
    battery.speed(mixed[-1])


def verdicts(plugins: Plugins, group: Group) -> tuple[Verdict, ...]:
    """As the loop gets them."""
    return judge(replace(group, verdicts=()), plugins).verdicts


def raw(plugins: Plugins, group: Group) -> Any:
    """The hook's answer, or None."""
    return plugins.first("verify", checked_verdicts, problem=group.problem, rollouts=group.rollouts)


def checked_case(number: int, case: Any) -> tuple[Problem, str, Outcome]:
    """A case with a whole problem. ValueError says what is wrong with it."""
    try:
        problem, response, outcome = case
    except (TypeError, ValueError):
        raise ValueError(f"case {number} is {case!r}; (gold or Problem, response, outcome) is wanted") from None
    if outcome not in OUTCOMES:
        raise ValueError(f"case {number}: no outcome is called {outcome!r}{nearest(str(outcome), OUTCOMES)}")
    if not isinstance(problem, Problem):
        problem = make_problem("What is it?", problem)
    return problem, response, outcome


def mixed_groups(cases: Sequence[tuple[Problem, str, Outcome]]) -> list[Group]:
    """A few problems, each with its own responses, those of other cases, and one of them twice."""
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
    """Whether two problems differ in their names at most."""
    return replace(a, id="") == replace(b, id="")


def group_of(problem: Problem, texts: Sequence[str]) -> Group:
    """A group without verdicts."""
    return Group(1, 0, problem, Prompt(), tuple(map(make_rollout, texts)))


def right_or_wrong(
    battery: Battery, cases: Sequence[tuple[Problem, str, Outcome]], groups: Sequence[Group], found: Sequence[Any]
) -> None:
    """Each case has the outcome that it is to have."""
    with battery.report.check("cases", "Each case has its outcome.") as failures:
        for number, ((_, _, outcome), group, (verdict,)) in enumerate(zip(cases, groups, found, strict=False)):
            if verdict.outcome != outcome:
                given = f"case {number}: {place(group, 0)}"
                failures.append(Failure(given, outcome, described(verdict), "Mend the verifier, or the case."))


def alone(battery: Battery, groups: Sequence[Group], wanted: Sequence[Sequence[Any]]) -> None:
    """What is said of a response does not depend on the others of its group."""
    fix = "Judge each rollout by the problem and its own text; what compares rollouts is a reward."
    with battery.report.check("company", "A verdict does not depend on the rest of the group.") as failures:
        for group, old in zip(groups, wanted, strict=True):
            for rollout, verdict in zip(group.rollouts, old, strict=True):
                single = replace(group, rollouts=(rollout,))
                found = battery.tried(single, failures, fix)
                battery.compare(single, [verdict], found, failures, "without the rest of its group", fix)


def foreign(battery: Battery, group: Group) -> None:
    """A problem of a kind that it has never heard of."""
    group = replace(group, problem=replace(group.problem, kind="unheard-of"))
    fix = "Begin with: if problem.kind not in self.kinds: return None"
    with battery.report.check(
        "kinds", "It passes on kinds of problems that are not its own, or judges them."
    ) as failures:
        try:
            battery.call(partial(raw, battery.plugins, group), battery.patience)
        except PluginError as error:
            given = f"a problem of kind {group.problem.kind!r}"
            failures.append(Failure(given, "None, or one Verdict a rollout", str(error), fix))


def hostile(battery: Battery, group: Group, wanted: Sequence[Verdict]) -> None:
    """Texts that a policy will write: a verdict for each, and the rest of the group keeps its own."""
    fix = "Expect any text: cap its length, catch what a parser raises, and give a verdict with a reason."
    groups = {name: replace(group, rollouts=(*group.rollouts, make_rollout(t))) for name, t in _hostile.TEXTS.items()}
    found = battery.survives("hostile texts", "Whatever a policy writes, it gets a verdict.", groups, fix)
    if not battery.report.good("company"):
        battery.leave_out("hostile company")
        return
    fix = "A response that is too much for the verifier must not cost the others of its group their verdicts."
    with battery.report.check("hostile company", "A hostile response costs the others nothing.") as failures:
        for name, judged in found.items():
            battery.compare(group, wanted, judged[:-1], failures, f"in a group with {name}", fix)


def odd_golds(battery: Battery, group: Group) -> None:
    """Golds that a data set may hold: unscored or wrong, but no error; an empty one must not make everything right."""
    fix = "Answer 'unscored' with a reason: a bad row of a data set must not end a run."
    texts: tuple[Rollout, ...] = (*group.rollouts, make_rollout(""), make_rollout("I do not know."))
    groups = {
        name: replace(group, problem=replace(group.problem, answer=gold), rollouts=texts)
        for name, gold in _hostile.GOLDS.items()
    }
    found = battery.survives("odd golds", "A bad gold is answered, and ends nothing.", groups, fix)
    with battery.report.check("empty golds", "Without a gold not every response is right.") as failures:
        for name in set(_hostile.EMPTY_GOLDS) & set(found):
            if all(verdict.outcome == "correct" for verdict in found[name]):
                given = f"{name} ({groups[name].problem.answer!r}) and {len(texts)} responses"
                all_right = "all are correct, 'I do not know.' and '' too"
                failures.append(Failure(given, "unscored: there is nothing to compare with", all_right, fix))
