"""What a run is warned of before it begins and may still be meant: rewards that do not tell right from wrong, weights
that turn a penalty into a prize, verifiers that are never asked.

Found out by asking the run's own plugins about a few real problems, so nothing here knows a plugin by name. What cannot
be found out (a reward that reads token ids, say) is passed over in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout
from justtinker_core.answers import checked_verdicts
from justtinker_core.grading import judge
from justtinker_core.run import Run

EQUAL = 1e-9
Pair = tuple[str, str]
"""A right answer and a wrong one, said in the same way."""


def warnings(run: Run, problems: Sequence[Problem], said: Mapping[str, Sequence[Pair]]) -> Iterator[str]:
    """What to warn of. `said`: of each training problem, by its id, the ways of answering it."""
    if run.plugins.who("rollout"):
        return  # episodes cannot be made up
    if pays(run):
        yield from failures(run, problems, said)
        yield from blind_rewards(run, problems, said)
        yield from prizes(run, problems, said)
    yield from unasked_verifiers(run, [*problems, *(p for some in run.eval_problems.values() for p in some)])


def pays(run: Run) -> bool:
    """Whether the run trains on rewards."""
    algorithms = (run.plugins.active[name].instance for name in run.plugins.who("collect_batch"))
    return any("score" in getattr(algorithm, "needs", ()) for algorithm in algorithms)


def blind_rewards(run: Run, problems: Sequence[Problem], said: Mapping[str, Sequence[Pair]]) -> Iterator[str]:
    """A warning if on none of the problems a right answer is paid more than a wrong one."""
    found = [(problem, rewards) for problem in problems if (rewards := paid(run, problem, said[problem.id]))]
    if found and all(right <= wrong + EQUAL for _, (right, wrong) in found):
        problem, (right, wrong) = found[0]
        yield (
            f"the rewards do not tell right from wrong: on none of {len(found)} problems that were tried is a right "
            f"answer paid more than a wrong one ({problem.id!r}: {right:.3g} and {wrong:.3g}); enable a reward that "
            "does, such as correct, or mend the weights"
        )


def paid(run: Run, problem: Problem, ways: Sequence[Pair]) -> tuple[float, float] | None:
    """The rewards of a right and of a wrong answer, in the first way of saying them that the verifier reads."""
    for texts in ways:
        group = judged(run, problem, texts)
        if group and [verdict.outcome for verdict in group.verdicts] == ["correct", "incorrect"]:
            right, wrong = (reward.total for reward in group.rewards)
            return right, wrong
    return None


def judged(run: Run, problem: Problem, texts: Sequence[str], logprob: float = math.nan) -> Group | None:
    """The responses with their rewards at the run's last step; None where a plugin cannot judge what nobody sampled."""
    said = rollouts(run, texts, logprob)
    try:
        return judge(Group(max(run.config.run.steps, 1), 0, problem, Prompt(), said), run.plugins)
    except PluginError:
        if not math.isnan(logprob):
            raise
        return None


def rollouts(run: Run, texts: Sequence[str], logprob: float = math.nan) -> tuple[Rollout, ...]:
    """Responses that no policy has written: their log-probabilities are unknown."""
    tokens = [tuple(run.backend.encode(text)) for text in texts]
    return tuple(Rollout(t, (logprob,) * len(t), (True,) * len(t), s) for t, s in zip(tokens, texts, strict=True))


def failures(run: Run, problems: Sequence[Problem], said: Mapping[str, Sequence[Pair]]) -> Iterator[str]:
    """A warning if a plugin fails on a made-up response as it would on a sampled one, with log-probabilities."""
    for problem in problems:
        try:
            judged(run, problem, said[problem.id][0], logprob=-0.5)
        except PluginError as error:
            yield f"a made-up response cannot be rewarded, and perhaps no sampled one: {error}"
            return


def prizes(run: Run, problems: Sequence[Problem], said: Mapping[str, Sequence[Pair]]) -> Iterator[str]:
    """A warning for each term with a negative weight whose raw values are penalties."""
    weights = run.plugins.weights(max(run.config.run.steps, 1))
    if not problems or min(weights.values(), default=0.0) >= 0:
        return
    problem = problems[0]
    group = judged(run, problem, [*dict.fromkeys(text for pair in said[problem.id] for text in pair), *poor(problem)])
    if group is None:
        return
    for term, weight in group.rewards[0].weights.items():
        raws = [raw for reward in group.rewards if (raw := reward.terms[term]) is not None]
        if weight < 0 and raws and min(raws) < 0 >= max(raws):
            yield (
                f"the weight of {term!r} is {weight:g}, and its raw values are penalties (down to {min(raws):g}): that "
                "pays for what is to be fined; make the weight positive"
            )


def poor(problem: Problem) -> tuple[str, str]:
    """Right answers in bad form, of which terms that fine it have something to say: no thinking, and a long loop."""
    box = f"\\boxed{{{problem.answer}}}"
    return box, f"<think>{'Checking. ' * 300}</think>{box}"


def unasked_verifiers(run: Run, problems: Sequence[Problem]) -> Iterator[str]:
    """A warning for each verifier that is never asked, though it would judge problems that one before it judges."""
    names = run.plugins.who("verify")
    asked, behind = set[str](), dict[str, tuple[str, str]]()
    for problem in of_every_kind(problems) if len(names) > 1 else ():
        first, *others = [name for name in names if takes(run, name, problem)] or [""]
        asked.add(first)
        behind |= dict.fromkeys(others, (first, problem.kind))
    for name in names:
        if name in behind and name not in asked:
            first, kind = behind[name]
            yield (
                f"the verifier {name!r} is never asked: {first!r} stands before it and takes problems of kind {kind!r} "
                f"too; enable {name!r} before it, or give its problems a kind that {first!r} passes on"
            )


def of_every_kind(problems: Sequence[Problem], most: int = 4) -> list[Problem]:
    """The first few problems of each kind that have an answer."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.answer is not None and len(some := found.setdefault(problem.kind, [])) < most:
            some.append(problem)
    return [problem for some in found.values() for problem in some]


def takes(run: Run, verifier: str, problem: Problem) -> bool:
    """Whether a verifier judges a problem."""
    said = rollouts(run, [f"\\boxed{{{problem.answer}}}"])
    try:
        return run.plugins.ask(verifier, "verify", checked_verdicts, problem=problem, rollouts=said) is not None
    except PluginError:
        return False
