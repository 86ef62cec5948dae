"""The warnings before a run, about what may be meant and rarely is: rewards that do not tell right from wrong, weights
that turn a penalty into a bonus, verifiers that are never asked.

They come from asking the run's own plugins about a few real problems, so this module knows no plugin by name. What
cannot be tried, such as a reward that reads token ids, gives no warning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout, Scorer
from justtinker_core.answers import checked_verdicts
from justtinker_core.hookspecs import attribute_of
from justtinker_core.run import Run
from justtinker_plugins.shared.letters import is_choice, read_letter

TOLERANCE = 1e-9
AnswerPair = tuple[str, str]
"""A right answer and a wrong one in the same format."""
PairsById = Mapping[str, Sequence[AnswerPair]]
"""Answers to each training problem, by its id, one pair a format."""


def find_warnings(run: Run, problems: Sequence[Problem], pairs: PairsById) -> Iterator[str]:
    """Yield every warning about a run, from judging answers to some of its training problems."""
    yield from useless_settings(run)
    if run.plugins.who("rollout"):
        return  # episodes cannot be made up
    judges = [name for name, a in run.plugins.active.items() if attribute_of(a.instance, "asks_a_model")]
    if trains_on_rewards(run) and not judges:
        yield from judging_errors(run, problems, pairs)
        yield from blind_rewards(run, problems, pairs)
        yield from rewarded_penalties(run, problems, pairs)
    yield from letters_as_mathematics(run)
    yield from unasked_verifiers(run, [*problems, *(p for some in run.eval_problems.values() for p in some)])


def costs(run: Run, problem: Problem) -> bool:
    """Whether a verifier that asks a language model may judge a problem, so that a trial would cost."""
    verifiers = (run.plugins.active[name].instance for name in run.plugins.who("verify"))
    return any(attribute_of(v, "asks_a_model") and problem.kind in attribute_of(v, "kinds") for v in verifiers)


def useless_settings(run: Run) -> Iterator[str]:
    """Warn about settings that do nothing, or leave nothing to learn from."""
    config = run.config
    for spec in config.data:
        if spec.purpose == "train" and spec.samples != 1:
            yield (
                f"[data.train] samples = {spec.samples} does nothing: it is for evaluation sets; how many rollouts a "
                "training problem gets is an option of the algorithm (grpo: rollouts_per_problem)"
            )
    if trains_on_rewards(run) and config.sampling.temperature == 0:
        yield (
            "[sampling] temperature = 0: the rollouts of a problem are all alike, so their advantages are 0 and "
            "nothing is learned; set 1, or evaluation.temperature if you mean evaluations"
        )


def trains_on_rewards(run: Run) -> bool:
    """Whether the run's algorithm needs rewards."""
    algorithms = (run.plugins.active[name].instance for name in run.plugins.who("collect_batch"))
    return any("score" in attribute_of(algorithm, "needs") for algorithm in algorithms)


def blind_rewards(run: Run, problems: Sequence[Problem], pairs: PairsById) -> Iterator[str]:
    """Warn if a right answer earns no more than a wrong one on every problem tried."""
    found = [(problem, rewards) for problem in problems if (rewards := pair_rewards(run, problem, pairs[problem.id]))]
    if found and all(right <= wrong + TOLERANCE for _, (right, wrong) in found):
        problem, (right, wrong) = found[0]
        yield (
            f"the rewards do not tell right from wrong: on none of the {len(found)} problems tried does a right answer "
            f"earn more than a wrong one ({problem.id!r}: {right:.3g} and {wrong:.3g}); enable a reward that makes "
            "the difference, such as correct, or fix the weights"
        )


def pair_rewards(run: Run, problem: Problem, pairs: Sequence[AnswerPair]) -> tuple[float, float] | None:
    """The rewards of a right and a wrong answer, in the first format that the verifier reads; None if it reads none."""
    for texts in pairs:
        group = judge_texts(run, problem, texts)
        if group and [verdict.outcome for verdict in group.verdicts] == ["correct", "incorrect"]:
            right, wrong = (reward.total for reward in group.rewards)
            return right, wrong
    return None


def judge_texts(run: Run, problem: Problem, texts: Sequence[str], logprob: float = math.nan) -> Group | None:
    """Judge made-up responses with the weights of the last step; None if a plugin cannot judge without logprobs."""
    rollouts = make_rollouts(run, texts, logprob)
    try:
        group = Group(max(run.config.run.steps, 1), 0, problem, Prompt(), rollouts)
        return Scorer(run.config, active=run.plugins).judge(group)
    except PluginError:
        if not math.isnan(logprob):
            raise
        return None


def make_rollouts(run: Run, texts: Sequence[str], logprob: float = math.nan) -> tuple[Rollout, ...]:
    """Make rollouts of texts that no policy wrote, so their log-probabilities are unknown."""
    tokens = [tuple(run.backend.encode(text)) for text in texts]
    return tuple(Rollout(t, (logprob,) * len(t), (True,) * len(t), s) for t, s in zip(tokens, texts, strict=True))


def judging_errors(run: Run, problems: Sequence[Problem], pairs: PairsById) -> Iterator[str]:
    """Warn if a plugin fails on a made-up response although it has log-probabilities, as sampled ones do."""
    for problem in problems:
        try:
            judge_texts(run, problem, pairs[problem.id][0], logprob=-0.5)
        except PluginError as error:
            yield f"a made-up response cannot be rewarded, so perhaps sampled ones cannot either: {error}"
            return


def rewarded_penalties(run: Run, problems: Sequence[Problem], pairs: PairsById) -> Iterator[str]:
    """Warn about each term with a negative weight whose raw values are penalties."""
    weights = run.plugins.weights(max(run.config.run.steps, 1))
    if not problems or min(weights.values(), default=0.0) >= 0:
        return
    problem = problems[0]
    answers = dict.fromkeys(text for pair in pairs[problem.id] for text in pair)
    group = judge_texts(run, problem, [*answers, *badly_formed_answers(problem)])
    if group is None:
        return
    for term, weight in group.rewards[0].weights.items():
        raws = [raw for reward in group.rewards if (raw := reward.terms[term]) is not None]
        if weight < 0 and raws and min(raws) < 0 >= max(raws):
            yield (
                f"the weight of {term!r} is {weight:g}, but its raw values are penalties (down to {min(raws):g}), so "
                "the run rewards what the term should penalize; make the weight positive"
            )


def badly_formed_answers(problem: Problem) -> tuple[str, str]:
    """Two right answers that terms on form should penalize: one without thinking, one whose thinking is a long loop."""
    box = f"\\boxed{{{problem.answer}}}"
    return box, f"<think>{'Checking. ' * 300}</think>{box}"


def unasked_verifiers(run: Run, problems: Sequence[Problem]) -> Iterator[str]:
    """Warn about each verifier that is never asked because an earlier one takes the problems it would judge."""
    names = run.plugins.who("verify")
    asked, shadowed = set[str](), dict[str, tuple[str, str]]()
    for problem in some_of_each_kind(problems) if len(names) > 1 else ():
        first, *others = [name for name in names if takes_problem(run, name, problem)] or [""]
        asked.add(first)
        shadowed |= dict.fromkeys(others, (first, problem.kind))
    for name in names:
        if name in shadowed and name not in asked:
            first, kind = shadowed[name]
            yield (
                f"the verifier {name!r} is never asked: {first!r} comes before it and takes problems of kind {kind!r} "
                f"too; enable {name!r} before it, or give its problems a kind that {first!r} does not take"
            )


def letters_as_mathematics(run: Run) -> Iterator[str]:
    """Warn of golds that look like the letter of a choice, but are judged as mathematics."""
    for table, problems in [("train", run.train_problems), *((f"eval.{n}", p) for n, p in run.eval_problems.items())]:
        letters = [p for p in problems if p.kind == "math" and p.answer is not None and is_choice(p.answer)]
        judges = {gold: judge_of_mathematics(run, p) for gold, p in {p.answer: p for p in letters}.items()}
        if found := [problem for problem in letters if judges[problem.answer]]:
            yield (
                f"[data.{table}] {len(found)} of {len(problems)} golds look like the letter of a choice "
                f"({found[0].answer!r} of problem {found[0].id!r}), and {judges[found[0].answer]!r} judges them as "
                "mathematics, where b is not B; give such problems kind = 'choice', in a table of their own, and "
                "enable the verifier 'choice'"
            )


def judge_of_mathematics(run: Run, problem: Problem) -> str:
    """The verifier of a problem whose gold is a letter, if the same letter in lower case is wrong; else ""."""
    letter = read_letter(problem.answer or "")
    rollouts = make_rollouts(run, [f"\\boxed{{{letter.text.lower() if letter else ''}}}"])
    for name in run.plugins.who("verify") if not costs(run, problem) else ():
        try:
            verdicts = run.plugins.ask(name, "verify", checked_verdicts, problem=problem, rollouts=rollouts)
        except PluginError:
            return ""
        if verdicts is not None:
            return name if verdicts[0].outcome == "incorrect" else ""
    return ""


def some_of_each_kind(problems: Sequence[Problem], most: int = 4) -> list[Problem]:
    """The first few problems of each kind that have a gold."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.answer is not None and len(some := found.setdefault(problem.kind, [])) < most:
            some.append(problem)
    return [problem for some in found.values() for problem in some]


def takes_problem(run: Run, verifier: str, problem: Problem) -> bool:
    """Whether a verifier judges a problem. One that asks a model is not asked, but taken at its word."""
    instance = run.plugins.active[verifier].instance
    if attribute_of(instance, "asks_a_model"):
        return problem.kind in attribute_of(instance, "kinds")
    rollouts = make_rollouts(run, [f"\\boxed{{{problem.answer}}}"])
    try:
        return run.plugins.ask(verifier, "verify", checked_verdicts, problem=problem, rollouts=rollouts) is not None
    except PluginError:
        return False
