"""The testing kit, tested: each check of the batteries catches a plugin made to fail it."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from justtinker_core import Finding, Group, PluginError, Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_core.testing import (
    Case,
    Runner,
    ScriptedBackend,
    check_reward,
    check_verifier,
    make_group,
    make_problem,
    make_rollout,
)
from justtinker_core.testing._speed import too_slow
from justtinker_core.testing._stand_ins import Match

CASES: list[Case] = [
    ("4", "\\boxed{4}", "correct"),
    ("4", "\\boxed{5}", "incorrect"),
    ("4", "4", "correct"),
    ("5", "\\boxed{5}", "correct"),
    ("5", "\\boxed{6}", "incorrect"),
]


def failed(check: Callable[..., None], *arguments: Any, **options: Any) -> str:
    """Return the report of a battery that fails."""
    with pytest.raises(AssertionError) as error:
        check(*arguments, **options)
    return str(error.value)


def headings(report: str) -> set[str]:
    """Return the checks that failed."""
    return set(re.findall(r"^([a-z ]+): [A-Z]", report, re.MULTILINE))


class Verifier:
    """A good verifier; its subclasses are spoilt."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> Any:
        return [self.judge(problem, rollout.text) for rollout in rollouts]

    def judge(self, problem: Problem, text: str) -> Verdict:
        gold = problem.answer
        if gold is None or not gold.strip():
            return Verdict("unscored", reason="there is no gold")
        answer = text.removeprefix("\\boxed{").removesuffix("}")[:100]
        return Verdict("correct" if answer == gold else "incorrect", answer)


def test_good_verifiers_pass() -> None:
    check_verifier(Verifier, CASES)
    check_verifier(Match(), CASES)
    check_verifier(Verifier(), [(make_problem(answer="7", meta={"level": 1}), "7", "correct")])


class Waiting(Verifier):
    """The good verifier as a coroutine."""

    @hookimpl
    async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> Any:
        await asyncio.sleep(0.0001)
        return super().verify(problem, rollouts)


def test_a_coroutine_is_checked_like_a_plain_function() -> None:
    check_verifier(Waiting(), CASES)

    class Guesses(Waiting):
        def judge(self, problem: Problem, text: str) -> Verdict:
            return Verdict(random.choice(["correct", "incorrect"]))

    assert headings(failed(check_verifier, Guesses(), CASES)) >= {"repeat"}


class Random(Verifier):
    def judge(self, problem: Problem, text: str) -> Verdict:
        return Verdict(random.choice(["correct", "incorrect"]))


class Forgetful(Verifier):
    """Its cache has the text as key, but not the gold."""

    def __init__(self) -> None:
        self.known: dict[str, Verdict] = {}

    def judge(self, problem: Problem, text: str) -> Verdict:
        if text not in self.known:
            self.known[text] = super().judge(problem, text)
        return self.known[text]


class SharedMemory(Verifier):
    """The same cache, shared by all copies."""

    known: ClassVar[dict[str, Verdict]] = {}

    def judge(self, problem: Problem, text: str) -> Verdict:
        return self.known.setdefault(text, super().judge(problem, text))


class FirstPays(Verifier):
    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> Any:
        verdicts = super().verify(problem, rollouts)
        return [replace(verdict, answer=str(i == 0)) for i, verdict in enumerate(verdicts)]


class Majority(Verifier):
    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> Any:
        texts = sorted(rollout.text for rollout in rollouts)
        return [Verdict("correct" if r.text == texts[len(texts) // 2] else "incorrect", r.text[:9]) for r in rollouts]


class Shared(Verifier):
    """Keeps the problem on self while it judges."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> Any:
        self.problem = problem
        return [self.judge(self.problem, rollout.text) for rollout in rollouts]


class Writes(Verifier):
    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> Any:
        problem.meta["seen"] = True  # type: ignore[index]
        return super().verify(problem, rollouts)


class Locked(Verifier):
    def __init__(self) -> None:
        self.lock = threading.Lock()


class TableOfKinds(Verifier):
    def judge(self, problem: Problem, text: str) -> Verdict:
        return {"math": super().judge}[problem.kind](problem, text)


class Int(Verifier):
    def judge(self, problem: Problem, text: str) -> Verdict:
        digits = "".join(filter(str.isdigit, text))
        return super().judge(problem, str(int(digits)) if digits else text)


class AllOrNothing(Verifier):
    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> Any:
        if any(len(rollout.text) >= 100_000 for rollout in rollouts):
            return [Verdict("unscored", reason="too long") for _ in rollouts]
        return super().verify(problem, rollouts)


class FloatGold(Verifier):
    def judge(self, problem: Problem, text: str) -> Verdict:
        verdict = super().judge(problem, text)
        return verdict if verdict.outcome == "unscored" else replace(verdict, vote=str(float(problem.answer or "")))


class Contains(Verifier):
    def judge(self, problem: Problem, text: str) -> Verdict:
        return Verdict("correct" if (problem.answer or "") in text else "incorrect")


class Quadratic(Verifier):
    def judge(self, problem: Problem, text: str) -> Verdict:
        for place in range(0, len(text), 4):
            text[place:].count("x")
        return super().judge(problem, text)


SPOILT = {
    Random: ({"repeat"}, "Use no randomness, clock or counter"),
    Forgetful: ({"memory"}, "a cache's key must hold everything that decides"),
    FirstPays: ({"order", "company"}, "nothing may depend on which rollout comes first"),
    Majority: ({"company"}, "without the rest of its group"),
    Shared: ({"threads"}, "asked from 8 threads at once"),
    Writes: ({"input"}, "meta={'seen': True}"),
    Locked: ({"pickle"}, "TypeError: cannot pickle '_thread.lock' object"),
    TableOfKinds: ({"kinds"}, "KeyError: 'unheard-of'"),
    Int: ({"hostile texts"}, r"given     a number of 10,000 digits: '\\boxed{9999"),
    AllOrNothing: ({"hostile company"}, "in a group with 100,000 characters of prose"),
    FloatGold: ({"odd golds"}, "ValueError: could not convert string to float: '\\ud800'"),
    Contains: ({"empty golds"}, "all are correct, even 'I do not know.' and ''"),
    Quadratic: ({"speed"}, "at most 0.05 CPU seconds"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_each_check_of_a_verifier_catches_its_fault(spoilt: type[Any]) -> None:
    expected, text = SPOILT[spoilt]
    report = failed(check_verifier, spoilt(), CASES, seconds=0.05 if spoilt is Quadratic else 1.0)
    assert headings(report) - {"cases"} == expected
    assert text in report
    assert report.startswith(f"check_verifier: {spoilt.__name__} (tests.core.test_testing) fails ")


def test_a_memory_that_copies_share_shows_in_the_cases() -> None:
    cases: list[Case] = [("4", "\\boxed{4}", "correct"), ("5", "\\boxed{5}", "correct"), ("5", "6", "incorrect")]
    report = failed(check_verifier, SharedMemory, cases)
    assert headings(report) == {"cases"}
    assert "expected  correct" in report


def test_the_response_that_cannot_be_judged_is_named() -> None:
    class Last:
        @hookimpl
        def score(self, group: Group) -> Any:
            return {"last": [float(rollout.text[-1] == "4") for rollout in group.rollouts]}

    class OnlyOne(Verifier):
        @hookimpl
        def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> Any:
            (rollout,) = rollouts
            return [self.judge(problem, rollout.text)]

    group = make_group(["4", "", "5"], problem=make_problem(id="p"))
    assert "    given     '' (rollout 1 of 3; problem 'p', gold '2')\n" in failed(check_reward, Last, group)
    assert r"    given     5 responses (each alone has an answer): '\\boxed{4}', '\\boxed{5}'" in failed(
        check_verifier, OnlyOne, CASES
    )


def test_an_answer_that_changes_by_itself_is_reported_once() -> None:
    report = failed(check_verifier, Random, CASES)
    assert "skipped: memory, order, threads, pickle, hostile company (they would only repeat a failure above)" in report


def test_a_verifier_that_always_has_an_outcome_of_its_own_fails_its_cases() -> None:
    class Generous(Verifier):
        def judge(self, problem: Problem, text: str) -> Verdict:
            verdict = super().judge(problem, text)
            return replace(verdict, outcome="correct") if verdict.answer else verdict

    report = failed(check_verifier, Generous, CASES)
    assert headings(report) == {"cases"}
    assert r"    given     case 1: '\\boxed{5}' (the only rollout; problem 'problem-" in report, (
        "the case, the response, and the problem"
    )
    assert "    expected  incorrect\n    got       correct, answer '5'\n" in report
    assert "skipped: pickle (its class is inside a function, where nothing pickles)" in report


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda rollouts: [Verdict("correct")], "1 verdicts for the 3 rollouts of problem"),
        (
            lambda rollouts: [Verdict("right")] * len(rollouts),
            "ValueError: outcome: expected one of correct, incorrect, unscored, got 'right'",
        ),
        (lambda rollouts: Verdict("correct"), "TypeError: expected a list of Verdict, got Verdict("),
        (lambda rollouts: [True] * len(rollouts), "TypeError: expected a Verdict, got True"),
        (lambda rollouts: None, "no verifier takes problem"),
    ],
)
def test_a_verifier_without_valid_answers_fails_that_check_only(answer: Callable[[Any], Any], text: str) -> None:
    class Wrong:
        @hookimpl
        def verify(self, rollouts: Sequence[Rollout]) -> Any:
            return answer(rollouts)

    report = failed(check_verifier, Wrong(), [*CASES[:1], ("4", "four", "incorrect")])
    assert headings(report) == {"answers"}
    assert text in report
    assert "Fix this first; the other checks wait for it. The first case's problem is of kind 'math'" in report


def test_a_call_that_does_not_come_back_is_no_hanging_test() -> None:
    gate = threading.Event()

    class Hangs(Verifier):
        def judge(self, problem: Problem, text: str) -> Verdict:
            if "!" in text:
                gate.wait(30)
            return super().judge(problem, text)

    report = failed(check_verifier, Hangs(), CASES, patience=0.5)
    gate.set()
    assert headings(report) == {"patience"}
    assert "given     a factorial: " in report
    assert "expected  an answer within 0.5 s\n    got       none" in report


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="a regular expression is ended by a signal")
@pytest.mark.parametrize(
    ("hang", "given"),
    [
        (lambda text: re.search(r"(a|aa)*!!", text), "given     100,000 times one letter: "),
        (lambda text: "9**9" in text and 9**9**9, "given     a tower of powers in Python: "),
    ],
)
def test_what_lets_no_thread_run_is_named_and_other_alarms_go_on(hang: Callable[[str], Any], given: str) -> None:
    class Tries(Verifier):
        def judge(self, problem: Problem, text: str) -> Verdict:
            hang(text)
            return super().judge(problem, text)

    rung = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rung.set())
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        report = failed(check_verifier, Tries(), CASES, patience=3)
        assert rung.wait(5)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert headings(report) == {"patience"}
    assert given in report


@pytest.mark.parametrize(
    ("cases", "text"),
    [
        ([], r"^check_verifier needs cases: \(gold or Problem, response, outcome\)$"),
        ([("4", "4")], r"^case 0: expected \(gold or Problem, response, outcome\), got \('4', '4'\)$"),
        ([("4", "4", "corect")], r"^case 0: no outcome is called 'corect'; did you mean 'correct'\?$"),
    ],
)
def test_cases_that_are_none(cases: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_verifier(Match, cases)


def test_a_plugin_of_another_role_is_an_error() -> None:
    text = failed(check_reward, Match)
    assert text == "check_reward: Match has no method 'score' marked @hookimpl; it has verify"


# Rewards


class Short:
    """A good reward that compares with its group: the shorter, the better."""

    per_group: ClassVar[bool] = True

    @hookimpl
    def score(self, group: Group) -> Any:
        sizes = [rollout.response_tokens for rollout in group.rollouts]
        low, spread = min(sizes), max(sizes) - min(sizes)
        return {"short": [1 - (size - low) / spread if spread else None for size in sizes]}


@plugin
class Needs:
    """Reads another plugin's measure, and its problem's meta."""

    scale: float = 1.0
    """What the measure is divided by."""

    @hookimpl
    def score(self, group: Group) -> Any:
        limit = group.problem.meta["limit"]
        return {"needs": [min(value / self.scale, limit) for value in group.measures["share"]]}


def test_good_rewards_pass() -> None:
    check_reward(Short)
    check_reward(Short())
    group = make_group(["a", "b"], problem=make_problem(meta={"limit": 1}), measures={"share": (0.25, 0.5)})
    check_reward(Needs(scale=2.0), group)
    check_reward(Needs, [group, group])


class Noisy(Short):
    @hookimpl
    def score(self, group: Group) -> Any:
        return {"noisy": [random.random() for _ in group.rollouts]}


class Record(Short):
    """Compares with the longest response it has ever seen."""

    longest = 1

    @hookimpl
    def score(self, group: Group) -> Any:
        sizes = [rollout.response_tokens for rollout in group.rollouts]
        self.longest = max(self.longest, *sizes)
        return {"record": [size / self.longest for size in sizes]}


class Rank(Short):
    """Ranks equal responses by their place."""

    @hookimpl
    def score(self, group: Group) -> Any:
        sizes = [rollout.response_tokens for rollout in group.rollouts]
        order = sorted(range(len(sizes)), key=sizes.__getitem__)
        return {"rank": [order.index(i) / len(order) for i in range(len(order))]}


class OnSelf(Short):
    @hookimpl
    def score(self, group: Group) -> Any:
        self.group = group
        return {"on_self": [len(self.group.rollouts[i].text) / 1e6 for i in range(len(group.rollouts))]}


class Sorts(Short):
    @hookimpl
    def score(self, group: Group) -> Any:
        object.__setattr__(group, "rollouts", tuple(sorted(group.rollouts, key=lambda rollout: rollout.text)))
        return {"sorts": [0.0 for _ in group.rollouts]}


class Keeps(Short):
    def __init__(self) -> None:
        self.rate = lambda text: 0.0


class Deviation(Short):
    """Divides by the number of other rollouts."""

    @hookimpl
    def score(self, group: Group) -> Any:
        return {"deviation": [1 / (len(group.rollouts) - 1) for _ in group.rollouts]}


class Unbounded(Short):
    @hookimpl
    def score(self, group: Group) -> Any:
        return {"unbounded": [-len(rollout.text) / 10_000 for rollout in group.rollouts]}


class Unsaid(Short):
    """Compares with its group and does not say so."""

    per_group: ClassVar[bool] = False


class Slow(Short):
    @hookimpl
    def score(self, group: Group) -> Any:
        for text in (rollout.text for rollout in group.rollouts):
            for place in range(0, len(text), 4):
                text[place:].count("x")
        return super().score(group)


SPOILT_REWARDS = {
    Noisy: ({"repeat"}, "asked a second time"),
    Record: ({"memory"}, "asked of a copy never asked before"),
    Rank: ({"order"}, "the group's rollouts in reverse"),
    OnSelf: ({"threads"}, "Keep what a call works with in local variables"),
    Sorts: ({"input", "order"}, "rollouts of a group"),
    Keeps: ({"pickle"}, "local object"),
    Deviation: ({"odd groups"}, "a group of one: "),
    Unbounded: ({"hostile texts", "speed"}, "expected a raw number in [-1, 1]"),
    Unsaid: ({"alone"}, "write per_group: ClassVar[bool] = True in the class"),
    Slow: ({"speed"}, "at most 0.05 CPU seconds (best of several)"),
}


@pytest.mark.parametrize("spoilt", SPOILT_REWARDS)
def test_each_check_of_a_reward_catches_its_fault(spoilt: type[Any]) -> None:
    expected, text = SPOILT_REWARDS[spoilt]
    report = failed(check_reward, spoilt(), seconds=0.05 if spoilt is Slow else 1.0)
    assert headings(report) <= expected
    assert headings(report) & expected
    assert text in report


def test_a_reward_that_compares_unsaid_is_told_what_it_gave_alone() -> None:
    @plugin
    class Longest:
        """1 for the longest response, which may read the measures of its own rollout."""

        @hookimpl
        def measure(self, group: Group) -> Any:
            return {"size": [rollout.response_tokens for rollout in group.rollouts]}

        @hookimpl
        def score(self, group: Group) -> Any:
            sizes = group.measures["size"]
            return {"longest": [float(size == max(sizes)) for size in sizes]}

    report = failed(check_reward, Longest, make_group(["a", "abc"], problem=make_problem("q", "4", id="p")))
    assert headings(report) == {"alone"}
    assert (
        "alone: Unless it says per_group = True, the group does not matter.\n"
        "    given     'a' (the only rollout; problem 'p', gold '4'), without the rest of its group\n"
        "    expected  longest = 0.0\n"
        "    got       longest = 1.0\n"
    ) in report
    Longest.per_group = True  # type: ignore[attr-defined]
    check_reward(Longest)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([float("nan")], "expected a finite number, got nan"),
        ([2.0], "expected a raw number in [-1, 1], got 2.0"),
        (["1"], "expected a finite number, got '1'"),
        ([0.0, 0.0], "gives 2 values of 'bad' for the 1 rollouts"),
        (1.0, "expected name -> list with a number or None for each rollout, got {'bad': 1.0}"),
    ],
)
def test_a_reward_without_valid_answers_fails_that_check_only(values: Any, text: str) -> None:
    class Bad:
        @hookimpl
        def score(self) -> Any:
            return {"bad": values}

    report = failed(check_reward, Bad, make_group(["4"]))
    assert headings(report) == {"answers"}
    assert text in report


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ([], r"^check_reward needs a group: make_group"),
        (make_group([]), r"^group 0 needs rollouts with a verdict each"),
        ([make_group(["4"]), make_group(["4"], verdicts=())], r"^group 1 needs rollouts with a verdict each"),
    ],
)
def test_groups_that_are_none(groups: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_reward(Short, groups)


def test_growing_too_fast_is_distinguished_from_being_slow() -> None:
    sizes = [1000 * 2**i for i in range(7)]
    linear, square = {n: n * 1e-5 for n in sizes}, {n: n * n * 2e-10 for n in sizes}
    assert too_slow(linear, 1.0) is None
    assert too_slow(dict.fromkeys(sizes, 0.0), 1.0) is None
    assert too_slow({n: n * 1e-5 if n > 20_000 else 0.0 for n in sizes}, 1.0) is None, "it begins late, but is linear"
    wanted, found, fix = too_slow(square, 1.0) or ("", "", "")
    assert wanted == "8 times the text in about 8 times the time (up to 24), once it matters (0.1 s)"
    assert found == "0.013 s for 8 k, 0.051 s for 16 k, 0.205 s for 32 k, 0.819 s for 64 k"
    assert "a regular expression that backtracks" in fix
    assert (too_slow({1000: 0.5, 2000: 1.5}, 1.0) or ("",))[0] == "at most 1 CPU seconds (best of several)"


# Builders


def test_problems_have_names_of_their_own() -> None:
    one, two = make_problem(), make_problem()
    assert one.id != two.id
    assert replace(one, id="") == replace(two, id="") == Problem("", "1+1=?", "2")
    assert make_problem("?", None, id="x", kind="code") == Problem("x", "?", None, "code")


def test_rollouts_have_a_token_per_character_unless_given() -> None:
    assert make_rollout("ab").tokens == (97, 98)
    rollout = make_rollout("ab", tokens=5, truncated=True, told=2)
    assert (rollout.response_tokens, len(rollout.tokens), rollout.truncated) == (5, 7, True)
    assert len(rollout.logprobs) == len(rollout.mask) == 7
    assert rollout.logprobs[5:] == (0.0, 0.0)


def test_groups_are_correct_unless_given() -> None:
    group = make_group(["a", "b"], tokens=[1, 9], step=7)
    assert [verdict.outcome for verdict in group.verdicts] == ["correct", "correct"]
    assert [rollout.response_tokens for rollout in group.rollouts] == [1, 9]
    assert group.step == 7
    assert make_group(["a"], [Verdict("incorrect", "5")]).verdicts[0].answer == "5"
    with pytest.raises(ValueError, match=r"^make_group: expected 2 outcomes, one per text, got 1$"):
        make_group(["a", "b"], ["correct"])


# run_with


@plugin
class LastWord:
    """1 if the response ends in the word."""

    default_weight: ClassVar[float] = 0.5
    word: str = "four"
    """The word."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        return {"last_word": [float(rollout.text.endswith(self.word)) for rollout in group.rollouts]}


def say(prompt: str, index: int) -> str:
    return f"{prompt} is four" if index % 2 else "\\boxed{4}"


def test_a_run_is_real_and_open_roles_are_filled(run_with: Runner) -> None:
    done = run_with(LastWord(), problems=[make_problem("2+2=?", "4")], respond=say, config={"run.seed": 1})
    assert (done.status, len(done.steps), len(done.groups)) == ("finished", 2, 2)
    group = done.groups[0]
    assert [rollout.text for rollout in group.rollouts] == ["\\boxed{4}", "2+2=? is four"] * 2
    assert [verdict.outcome for verdict in group.verdicts] == ["correct", "incorrect"] * 2
    assert [reward.total for reward in group.rewards] == [0.0, 0.5] * 2
    assert group.advantages == (-0.25, 0.25) * 2
    assert done.steps[0].terms["last_word"] == {"raw": 0.5, "weighted": 0.25, "applies": 1.0, "weight": 0.5}
    assert sorted(path.name for path in done.dir.iterdir()) == [
        ".lock", "checkpoints", "checkpoints.jsonl", "config.toml", "manifest.json", "rollouts", "steps.jsonl"
    ]  # fmt: skip
    assert done.run.config.run.seed == 1


def test_options_of_a_class_come_from_its_table(run_with: Runner) -> None:
    done = run_with(LastWord, respond=say, config={"plugins.last_word.word": "{4}", "plugins.last_word.weight": 2.0})
    assert done.groups[0].rewards[0].weighted == {"last_word": 2.0}
    assert {r.weights["last_word"] for g in done.groups for r in g.rewards} == {2.0}
    observed = run_with(LastWord(), respond=say, config={"plugins.last_word.mode": "observe"})
    assert {r.total for g in observed.groups for r in g.rewards} == {0.0}
    with pytest.raises(PluginError, match=r"^\[plugins.last_word\] word: an instance takes no options; set them on it"):
        run_with(LastWord(), config={"plugins.last_word.word": "x"})
    with pytest.raises(PluginError, match=r"^\[plugins.last_word\] has no option 'wrd'; did you mean 'word'\?$"):
        run_with(LastWord, config={"plugins.last_word.wrd": "x"})


def test_one_class_is_given_once(run_with: Runner) -> None:
    with pytest.raises(
        PluginError, match=r"^two of the given plugins are called 'last_word': give each class only once"
    ):
        run_with(LastWord(), LastWord(word="x"))


def test_a_monitor_may_stop_and_a_data_set_gives_its_own_problems(run_with: Runner) -> None:
    class Numbers:
        @hookimpl
        def load_problems(self, spec: Any, seed: int) -> Any:
            assert (spec.name, spec.seed, seed) == ("train", 7, 7)
            return (make_problem(f"{i}?", str(i)) for i in range(3))

    class Halt:
        @hookimpl
        def inspect_step(self, stats: Any) -> list[Finding]:
            return [Finding("stop", "enough", {"step": stats.step})]

    done = run_with(Numbers(), Halt, steps=5, rollouts=2, config={"run.seed": 7, "data.train.limit": 2})
    assert (done.status, len(done.steps)) == ("stopped", 1)
    assert len({group.problem.question for group in done.groups} & {"0?", "1?", "2?"}) == 2
    assert {len(group.rollouts) for group in done.groups} == {2}
    assert done.findings == (Finding("stop", "enough", {"step": 1}, "halt"),)


def test_evaluation_sets_and_going_on_in_a_directory(run_with: Runner) -> None:
    sets = {"train": [make_problem()], "held": [make_problem("3+1=?", "4")]}
    config = {"evaluation.every": 1}
    first = run_with(problems=sets, respond=say, config=config, directory="mine")
    assert [(e.name, e.step, e.metrics["accuracy"]) for e in first.evals] == [("held", s, 1.0) for s in (0, 1, 2)]
    second = run_with(problems=sets, respond=say, steps=3, config=config, directory="mine")
    assert (second.dir, [s.step for s in second.steps]) == (first.dir, [1, 2, 3])
    assert {group.step for group in second.groups} == {3}
    assert run_with().dir != run_with().dir


def test_the_backend_remembers_what_it_was_asked(run_with: Runner) -> None:
    backend = ScriptedBackend(respond=say, price=0.5)
    done = run_with(backend, problems=[make_problem("2+2=?", "4")], steps=1)
    assert backend.calls == ["open_backend", "sampler", "sample 1", "forward_backward", "optim_step", "sampler",
                             "save", "close"]  # fmt: skip
    assert backend.requests[0][0].n == 4
    assert backend.updates[0].loss == "importance_sampling"
    assert done.steps[0].usd == 0.5 * sum(done.steps[0].tokens.values())


def test_only_the_fixture_and_the_suite_for_backends_need_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from justtinker_core.testing import check_reward, check_verifier, make_group, ScriptedBackend, Runner\n"
        "from justtinker_core.testing import BackendConformance"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("import of pytest halted; None in sys.modules")
    assert "line 3" in done.stderr
