from __future__ import annotations

import doctest
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem
from justtinker_core.config import DataSpec
from justtinker_core.options import configure
from justtinker_core.testing import Runner, ScriptedBackend, make_group, make_problem
from justtinker_plugins.algorithms.sft import Sft
from justtinker_plugins.commands._rollout_files import group_of, lines
from justtinker_plugins.environments import calculator
from justtinker_plugins.environments.calculator import Calculator


def load(purpose: Literal["train", "eval"], seed: int = 0, **options: Any) -> list[Problem]:
    spec = DataSpec("train" if purpose == "train" else "held_out", purpose, "calculator", options)
    return list(configure(Calculator, spec.table, options).load_problems(spec, seed))


def factors(problems: Sequence[Problem]) -> set[frozenset[str]]:
    return {frozenset(p.id.partition("+")[0].split("*")) for p in problems}


def test_documented_examples() -> None:
    assert doctest.testmod(calculator).failed == 0


# -- problems ---------------------------------------------------------------------------------------------------------


def test_a_problem_and_the_turns_of_its_demonstration() -> None:
    problem = load("train", count=1, estimates=0.0)[0]
    match = re.fullmatch(r"(\d\d)\*(\d\d)\+(\d)=\?", problem.question)
    assert match is not None
    a, b, c = map(int, match.groups())
    assert problem.answer == str(a * b + c)
    assert problem.demonstration == (
        f"<think><calc>{a}*{b}</calc>", f"={a * b}\n",
        f"<calc>{a * b}+{c}</calc>", f"={a * b + c}\n",
        f"</think>\\boxed{{{a * b + c}}}",
    )  # fmt: skip


def test_an_estimate_is_one_turn() -> None:
    for problem in load("train", count=20, estimates=1.0, steps=1):
        a, b = (round(int(n), -1) for n in problem.id.split("*"))
        assert problem.demonstration == (f"<think>{a}*{b}={a * b}\n</think>\\boxed{{{a * b}}}",)


@pytest.mark.parametrize("options", [{}, {"steps": 1}, {"digits": 1, "held_out": 20}, {"digits": 3, "count": 50}])
def test_no_product_is_trained_and_asked(options: dict[str, Any]) -> None:
    train, held_out = load("train", **options), load("eval", **options)
    assert len(held_out) == options.get("held_out", 400)
    assert not factors(train) & factors(held_out)
    assert len({p.id for p in [*train, *held_out]}) == len(train) + len(held_out)
    for problem in [*train, *held_out]:
        assert problem.answer == str(eval(problem.question.removesuffix("=?")))


def test_the_same_problems_whatever_the_seed() -> None:
    assert load("eval", 1) == load("eval", 2)
    assert load("train", 1, count=50) == load("train", 1, count=50) != load("train", 2, count=50)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"open": "|", "close": "|"}, "open = '|' and close = '|': two different texts are wanted"),
        ({"close": ""}, "close = '': two different texts are wanted"),
        ({"digits": 1}, "held_out = 400: there are 45 products of 1-digit numbers"),
        ({"calls": 0}, "calls = 0: input should be greater than or equal to 1"),
    ],
)
def test_bad_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(PluginError, match=re.escape(text)):
        configure(Calculator, "plugins.calculator", options)


# -- the calculator ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("47*38", "=1786"),
        (" 1 / 4 ", "=1/4"),
        ("2-5", "=-3"),
        ("0.1+0.2", "=3/10"),
        ("7", "=7"),
        ("1+2+3", "=error: more than 1 operation in a call"),
        ("1/0", "=error: division by zero"),
        ("47*", "=error: not a whole expression"),
        ("", "=error: not a whole expression"),
        ("9**9", "=error: only numbers, + - * / and parentheses"),
        ("print(1)", "=error: not an expression of numbers, + - * / and parentheses"),
        ("9" * 300, "=error: longer than 200 characters"),
    ],
)
def test_what_it_shows(call: str, shown: str) -> None:
    assert Calculator().press(call) == f"{shown}\n"


@given(st.integers(0, 10**9), st.sampled_from("+-*"), st.integers(0, 10**9))
def test_it_is_exact(a: int, sign: str, b: int) -> None:
    assert Calculator().press(f"{a}{sign}{b}") == f"={eval(f'{a}{sign}{b}')}\n"


@given(st.text(max_size=300))
def test_it_takes_any_text(call: str) -> None:
    shown = Calculator().press(call)
    assert shown.startswith("=")
    assert shown.endswith("\n")
    assert shown.count("\n") == 1
    assert len(shown) < 250


# -- in a run ---------------------------------------------------------------------------------------------------------


def played(run_with: Runner, *said: str, **options: Any) -> Any:
    """A group in which the policy says these things, a turn each."""

    def respond(prompt: str, index: int) -> str:
        return said[min(prompt.count("</calc>="), len(said) - 1)]

    problem = make_problem("6*7=?", "42")
    (group,) = run_with(Calculator(**options), problems=[problem], respond=respond, steps=1, rollouts=2).groups
    return group


def test_the_policy_calls_and_goes_on(run_with: Runner) -> None:
    group = played(run_with, "<think><calc>6*7</calc>", "</think>\\boxed{42}")
    rollout = group.rollouts[0]
    assert rollout.text == "<think><calc>6*7</calc>=42\n</think>\\boxed{42}"
    assert group.verdicts[0].outcome == "correct"
    told = "".join(chr(t) for t, mine in zip(rollout.tokens, rollout.mask, strict=True) if not mine)
    assert told == "=42\n"
    assert group.measures == {"calls": (1.0, 1.0), "failed_calls": (0.0, 0.0)}


def test_a_result_of_ones_own_is_never_read(run_with: Runner) -> None:
    """The turn is over at the end of the call: a faked result is not even sampled."""
    group = played(run_with, "<think><calc>6*7</calc>=43\n</think>\\boxed{43}", "</think>\\boxed{42}")
    assert group.rollouts[0].text == "<think><calc>6*7</calc>=42\n</think>\\boxed{42}"


def test_a_token_that_reaches_beyond_the_call_spoils_it() -> None:
    assert Calculator().called("<calc>6*7</calc>") == "6*7"
    assert Calculator().called("<calc>6*7</calc>=43") == ""
    assert Calculator().called("6*7</calc>") == ""
    assert Calculator().called("<calc>1</calc <calc>6*7</calc>") == "6*7"
    assert Calculator().called("the end") is None


def test_calls_come_to_an_end(run_with: Runner) -> None:
    rollout = played(run_with, "<calc>1+1</calc>", calls=3).rollouts[0]
    assert rollout.text.count("=2\n") == 3
    assert rollout.text.endswith("=2\n<calc>1+1"), "the fourth call ends it, unanswered"


def test_errors_are_told_to_the_policy_and_measured(run_with: Runner) -> None:
    group = played(run_with, "<calc>6*</calc>", "<calc>6*7</calc>", "\\boxed{42}")
    assert "=error: not a whole expression\n<calc>6*7</calc>=42\n" in group.rollouts[0].text
    assert group.measures == {"calls": (2.0, 2.0), "failed_calls": (0.5, 0.5)}


def test_without_a_call_there_is_no_share_of_failed_ones() -> None:
    assert Calculator().measure(make_group(["\\boxed{42}"])) == {"calls": [0.0], "failed_calls": [None]}


def test_other_kinds_are_played_by_others(run_with: Runner) -> None:
    problem = make_problem("6*7=?", "42", kind="poem")
    done = run_with(Calculator, problems=[problem], respond=lambda prompt, index: "<calc>6*7</calc>", steps=1)
    assert done.groups[0].rollouts[0].text == "<calc>6*7</calc>"


# -- what is trained --------------------------------------------------------------------------------------------------


@pytest.fixture
def backend(tmp_path: Path) -> Any:
    pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
    from tests.plugins.test_local import open_local

    backend = open_local(tmp_path)
    yield backend
    backend.close()


def test_sft_gives_the_calculators_words_no_weight(run_with: Runner) -> None:
    problem = replace(load("train", count=1, estimates=0.0, steps=1)[0], question="q")
    done = run_with(Sft(batch_size=1, require_thinking=False), problems=[problem], steps=1)
    [datum] = done.run.backend.updates[0].data
    weighed = "".join(chr(t) for t, w in zip(datum.targets, datum.weights, strict=True) if w)
    told = "".join(chr(t) for t, w in zip(datum.targets, datum.weights, strict=True) if not w)
    assert problem.demonstration is not None
    assert weighed == problem.demonstration[0] + problem.demonstration[2] + ScriptedBackend.end_token
    assert told == problem.demonstration[1], "the prompt is one token"


def test_the_calculators_words_have_no_gradient(backend: Any) -> None:
    """Other words of the calculator as targets: the loss stays what it is, and so does every weight after a step."""
    from justtinker_core.types import Adam, Datum
    from justtinker_plugins.algorithms.sft import encode_turns

    tokens, wrote = encode_turns(("<think>[6*7]", "=42\n", "</think>\\boxed{42}"), backend)
    assert wrote.count(False) == len("=42\n")
    zeros = [0 if mine else 1 for mine in wrote]
    assert sum(zeros)

    def loss(targets: Sequence[int], weights: Sequence[float]) -> float:
        datum = Datum(tuple(tokens[:-1]), tuple(targets), weights=tuple(weights))
        return float(backend.forward_backward([datum], "cross_entropy", {}).result(60).loss)

    weights = [float(mine) for mine in wrote[1:]]
    other = [t if mine else 7 for t, mine in zip(tokens[1:], wrote[1:], strict=True)]
    assert other != tokens[1:]
    first = loss(tokens[1:], weights)
    norm = backend.optim_step(Adam(learning_rate=0.0, grad_clip_norm=1e9)).result(60)["grad_norm"]
    assert loss(other, weights) == first
    assert backend.optim_step(Adam(learning_rate=0.0, grad_clip_norm=1e9)).result(60)["grad_norm"] == norm
    assert loss(other, [1.0] * len(other)) != first, "trained, they would count"


def test_logprobs_of_all_turns_are_those_of_the_whole_response(backend: Any) -> None:
    """Sampled turn by turn, recomputed in one piece: for what the policy wrote they agree; only that is trained."""
    from justtinker_core.rollouts import Settings, collect
    from justtinker_core.testing._stand_ins import Correct, Match, Question
    from justtinker_core.types import Datum
    from tests.core.conftest import plugins_of

    turns: list[int] = []

    class Twice(Calculator):
        """Every turn counts as a call: an untrained model makes none."""

        def called(self, turn: str) -> str | None:
            turns.append(1)
            return "6*7" if len(turns) % 3 else None

    settings = Settings("sample", 2, 30, 1.0, 1.0, 1)
    plugins = plugins_of(Question(), Match(), Correct(), Twice(close="e"))
    (group,) = collect([make_problem("6*7=?", "42")], 1, plugins, backend, backend.sampler(), settings)
    for rollout in group.rollouts:
        whole = (*group.prompt.tokens, *rollout.tokens)
        zeros = (0.0,) * (len(group.prompt.tokens) - 1)
        datum = Datum(
            whole[:-1], whole[1:], logprobs=zeros + rollout.logprobs, advantages=zeros + (0.0,) * len(rollout.tokens)
        )
        [again] = backend.forward_backward([datum], "importance_sampling", {}).result(60).logprobs
        for sampled, recomputed, mine in zip(rollout.logprobs, again[len(zeros) :], rollout.mask, strict=True):
            assert (abs(sampled - recomputed) < 1e-4) if mine else sampled == 0.0
    assert any(not all(rollout.mask) for rollout in group.rollouts)


def test_a_record_read_back_has_the_turns(run_with: Runner) -> None:
    problem = load("train", count=1, estimates=0.0)[0]
    done = run_with(Calculator, problems=[problem], respond=lambda prompt, index: "\\boxed{1}", steps=1)
    (file,) = (done.dir / "rollouts").glob("step_*")
    for line in lines(file):
        group, _ = group_of(line)
        assert group.problem.demonstration == problem.demonstration
