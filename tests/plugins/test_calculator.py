from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout, config
from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_core.rollouts import collect, fill_prompt
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.sampling import Settings, datum_of
from justtinker_core.types import Adam, DataSpec, Datum
from justtinker_plugins.algorithms.sft import Sft
from justtinker_plugins.environments import calculator
from justtinker_plugins.environments.calculator import Calculator
from justtinker_plugins.verifiers.numeric import Numeric
from tests.core.conftest import Ask, Correct, Judge, ScriptedBackend, plugins_of

ANSWERS = re.compile(r"=(-?\d+(/\d+)?|error: [a-z0-9 ,+*/-]+)\n")

PIECES = st.sampled_from(["<calc>", "</calc>", "1+1", "=3\n", "</think>", "\\boxed{3}", "x"])


def load(purpose: Literal["train", "eval"], seed: int = 0, **options: Any) -> list[Problem]:
    spec = DataSpec("train" if purpose == "train" else "held_out", purpose, "calculator", options)
    return list(configure(Calculator, spec.table, options).load_problems(spec, seed))


def played(plugin: Calculator, *says: str, max_tokens: int = 200, kind: str = "math") -> Rollout:
    """The rollout of a policy that writes these turns, whatever the calculator answers."""
    turns = iter(says)
    backend = ScriptedBackend(lambda prompt, index: next(turns))
    problem = Problem("p", "q", "1", kind)
    plugins = plugins_of(Ask(), Judge(), Correct(), plugin)
    setting = Settings("sample", 1, max_tokens, 1.0, 1.0, 42)
    [group] = collect([problem], 1, plugins, backend, backend.sampler(), setting)
    return group.rollouts[0]


def wrote(rollout: Rollout) -> str:
    return "".join(chr(t) for t, mine in zip(rollout.tokens, rollout.mask, strict=True) if mine)


def heard(rollout: Rollout) -> str:
    return "".join(chr(t) for t, mine in zip(rollout.tokens, rollout.mask, strict=True) if not mine)


def measured(*texts: str, **options: Any) -> dict[str, list[float | None]]:
    rollouts = tuple(Rollout((), (), (), text) for text in texts)
    return Calculator(**options).measure(Group(1, 0, Problem("p", "q"), Prompt(), rollouts))


# The calculator


def test_documented_examples() -> None:
    assert doctest.testmod(calculator)[:] == (0, 3)


@pytest.mark.parametrize(
    ("turn", "answer"),
    [
        ("<calc>47*38</calc>", "=1786\n"),
        ("<calc>(2 + 4)/4</calc>", "=3/2\n"),
        ("<calc>1-3</calc>", "=-2\n"),
        ("I will <calc> no, <calc>2*3</calc>", "=6\n"),
        ("<calc>2*3</calc>\n", "=6\n"),
        ("<calc>47*38=</calc>", "=1786\n"),
        ("<calc>47*38 = </calc>", "=1786\n"),
        ("<calc>1,000*2</calc>", "=2000\n"),
        ("<calc>.5*2</calc>", "=1\n"),
        ("<calc>47\u22c538</calc>", "=1786\n"),
        ("<calc>47*38=1786</calc>", "=error: not an expression of numbers, + - * / and parentheses\n"),
        ("<calc>47*38==</calc>", "=error: not an expression of numbers, + - * / and parentheses\n"),
        ("<calc>=</calc>", "=error: not a whole expression\n"),
        ("<calc>1,00*2</calc>", "=error: not an expression of numbers, + - * / and parentheses\n"),
        (f"<calc>{'1' * 199}x</calc>", "=error: not an expression of numbers, + - * / and parentheses\n"),
        ("<calc>1/0</calc>", "=error: division by zero\n"),
        ("<calc></calc>", "=error: not a whole expression\n"),
        ("<calc>9**99</calc>", "=error: not a whole expression\n"),
        ("<calc>\\boxed{7}</calc>", "=error: not an expression of numbers, + - * / and parentheses\n"),
        (f"<calc>{'9' * 30}*{'9' * 30}</calc>", "=error: the result is too long\n"),
        (f"<calc>{'1+' * 200}1</calc>", "=error: longer than 200 characters\n"),
        ("<calc>2*3</calc>=7", "=error: the call goes on\n"),
        ("2*3</calc>", "=error: no call was begun\n"),
        ("<calc>2*3", None),
        ("\\boxed{6}", None),
    ],
)
def test_the_calculators_answers(turn: str, answer: str | None) -> None:
    assert Calculator().answer(turn) == answer


def test_a_pocket_calculator_does_one_thing_at_a_time() -> None:
    assert Calculator(operations=1).answer("<calc>2*3</calc>") == "=6\n"
    assert Calculator(operations=1).answer("<calc>2*3+1</calc>") == "=error: more than 1 operation\n"
    assert Calculator(operations=2).answer("<calc>2*3+1-1</calc>") == "=error: more than 2 operations\n"


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=250), st.text("0123456789+-*/(). ", max_size=210)))
def test_the_calculator_never_repeats_what_the_policy_wrote(call: str) -> None:
    """So no call can make it write a box, a tag or a call."""
    answer = Calculator().answer(f"<calc>{call}</calc>")
    assert answer is not None
    assert ANSWERS.fullmatch(answer), answer
    assert len(answer) < 80


# Episodes


def test_an_episode() -> None:
    rollout = played(Calculator(), "<think>a <calc>47*38</calc>", "so <calc>1786+29</calc>", "</think>\\boxed{1815}")
    assert rollout.text == (
        "<think>a <calc>47*38</calc>=1786\nso <calc>1786+29</calc>=1815\n</think>\\boxed{1815}"
    )  # fmt: skip
    assert heard(rollout) == "=1786\n=1815\n"
    assert wrote(rollout) == "<think>a <calc>47*38</calc>so <calc>1786+29</calc></think>\\boxed{1815}$"
    assert not rollout.truncated


def test_without_a_call_it_is_one_turn() -> None:
    assert played(Calculator(), "\\boxed{6}").text == "\\boxed{6}"
    assert played(Calculator(), "<calc>1+1</calc>3", kind="text").text == "<calc>1+1</calc>3", (
        "not its kind: core plays"
    )


def test_a_result_cannot_be_faked() -> None:
    """What a policy would write after a call is never sampled: the calculator's answer takes its place."""
    rollout = played(Calculator(), "<calc>47*38</calc>=1815\n</think>\\boxed{1815}", "\\boxed{0}")
    assert rollout.text == "<calc>47*38</calc>=1786\n\\boxed{0}"


@settings(max_examples=200)
@given(st.lists(st.lists(PIECES, max_size=6).map("".join), min_size=12, max_size=12))
def test_whatever_follows_a_call_is_the_calculators(says: list[str]) -> None:
    plugin = Calculator(calls=3)
    rollout = played(plugin, *says)
    tokens = "".join(map(chr, rollout.tokens))
    ends = [match.end() for match in re.finditer("</calc>", tokens)]
    answered = [end for end in ends if end < len(tokens)]
    for end in answered:
        answer = ANSWERS.match(tokens, end)
        assert answer
        assert not any(rollout.mask[end : answer.end()])
        assert all(rollout.mask[end - len("</calc>") : end])
    assert len(answered) == rollout.text.count("</calc>") <= 3
    assert heard(rollout) == "".join(answer.group() for end in answered if (answer := ANSWERS.match(tokens, end)))
    assert measured(rollout.text)["calls"] == [float(len(answered))]


def test_endless_calls_end() -> None:
    rollout = played(Calculator(calls=3), *["<calc>1+1</calc>"] * 9)
    assert rollout.text == "<calc>1+1</calc>=2\n" * 3 + "<calc>1+1"
    assert not rollout.truncated


def test_a_call_that_runs_out_of_tokens_is_not_answered() -> None:
    rollout = played(Calculator(), "<calc>1+1</calc>", "<calc>1+1</calc>", max_tokens=20)
    assert rollout.truncated
    assert rollout.text == "<calc>1+1</calc>=2\n<cal"
    rollout = played(Calculator(), "<calc>1+1</calc>", "never", max_tokens=16)
    assert (rollout.truncated, rollout.text) == (True, "<calc>1+1</calc>=2\n"), "not a token is left"


def test_calls_are_counted() -> None:
    texts = ["x", "<calc>1+1</calc>=2\n", "<calc>1/0</calc>=error: division by zero\n<calc>1</calc>=1\n<calc>1"]
    assert measured(*texts) == {"calls": [0.0, 1.0, 2.0], "failed_calls": [None, 0.0, 0.5]}
    assert measured("[1+1]=2\n", open="[", close="]")["calls"] == [1.0]


def test_the_environment_of_the_page_can_be_played() -> None:
    page = (Path(__file__).parents[2] / "docs" / "environments.md").read_text()
    [code] = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Guess" in block]
    space: dict[str, Any] = {}
    exec(code, space)

    def halve(prompt: str, index: int) -> str:
        low, high = 1, 99
        for guess, hint in re.findall(r"(\d+)\?(higher|lower) ", prompt):
            low, high = (int(guess) + 1, high) if hint == "higher" else (low, int(guess) - 1)
        return f"{(low + high) // 2}?"

    plugin = space["Guess"]()
    problems = plugin.load_problems(DataSpec("train", "train", "guess", {}))
    backend = ScriptedBackend(halve)
    plugins = plugins_of(Ask(), plugin, Correct())
    groups = collect(problems, 1, plugins, backend, backend.sampler(), Settings("sample", 1, 90, 1.0, 1.0, 42))
    assert groups[49].rollouts[0].text == "50"
    assert heard(groups[74].rollouts[0]) == "higher "
    assert sum(g.verdicts[0].outcome == "correct" for g in groups) == 2**5 - 1, "in five guesses"


# The problems


def test_a_careful_teacher_calls_and_is_right() -> None:
    for operations, calls in ((1, 2), (None, 1)):
        problem = next(iter(load("train", estimates=0.0, operations=operations)))
        assert isinstance(problem.demonstration, tuple)
        assert len(problem.demonstration) == 2 * calls + 1
    some = load("train", count=200, estimates=0.0, operations=1, digits=3)
    for problem in some:
        assert problem.demonstration is not None
        says = problem.demonstration[::2]
        rollout = played(Calculator(operations=1), *says)
        assert rollout.text == "".join(problem.demonstration), "the calculator would have answered the same"
        [verdict] = Numeric().verify(problem, [rollout]) or []
        assert verdict.outcome == "correct"


def test_the_other_teacher_rounds_and_is_hardly_ever_right() -> None:
    some = load("train", count=1000)
    texts = ["".join(p.demonstration or ()) for p in some]
    assert sum("<calc>" not in text for text in texts) / 1000 == pytest.approx(0.5, abs=0.05)
    right = [text.endswith(f"\\boxed{{{p.answer}}}") for text, p in zip(texts, some, strict=True)]
    assert sum(right) / 1000 == pytest.approx(0.5, abs=0.05)
    [text] = next(p.demonstration for p in load("train", estimates=1.0) if p.id.startswith("47*"))  # type: ignore[misc]
    assert re.fullmatch(r"<think>50\*(\d0)=(\d+)\n\2\+\d+0=\d+\n</think>\\boxed\{\d+\}", text)


def test_training_and_evaluation_share_no_product() -> None:
    train, held_out = load("train"), load("eval")
    products = {p.meta["product"] for p in held_out}
    assert len(held_out) == len(products) == 400
    assert products.isdisjoint(p.meta["product"] for p in train)
    assert len({p.id for p in train}) == 3000
    assert all(p.demonstration is None for p in held_out)
    a, b, c = map(int, re.findall(r"\d+", held_out[0].question))
    assert held_out[0].answer == str(a * b + c)


def test_problems_are_functions_of_the_seeds() -> None:
    assert load("train", 1) == load("train", 1) != load("train", 2)
    assert load("eval", 1) == load("eval", 2) != load("eval", 1, held_out_seed=1)
    assert load("eval", held_out=100) == load("eval")[:100]


def test_an_evaluation_of_what_is_trained_does_not_start(tmp_path: Path) -> None:
    tables = {"run": {"name": "x", "model": "tiny", "steps": 1}}
    train, other = load("train"), load("eval", held_out_seed=1)
    run = Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path), train_problems=tuple(train))
    run.eval_problems = {"same": (*load("eval"), Problem("x", "y", "1")), "other": tuple(other)}
    shared = len({p.meta["product"] for p in train} & {p.meta["product"] for p in other})
    assert Calculator().preflight(run) == [
        f"[data.eval.other] asks {shared} products that [data.train] trains on; give both tables the same options (or "
        "once, in [plugins.calculator])"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"open": ""}, "[data.train] open = '', close = '</calc>': expected two texts, the second not in the first"),
        ({"close": "<"}, "[data.train] open = '<calc>', close = '<': expected two texts, the second not in the first"),
        ({"digits": 1}, "[data.train] count + held_out = 3400: there are only 45 products of 1-digit numbers"),
        ({"calls": 0}, "[data.train] calls = 0: input should be greater than or equal to 1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError) as error:
        load("train", **options)
    assert str(error.value) == message


# The mask, on the real local backend


@pytest.fixture(params=[("[", "]"), ("<calc>", "</calc>")], ids=["brackets", "tags"])
def cast(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Calculator, list[Problem]]]:
    """The tiny model, which has learned five problems by heart, and the plugin and problems it was trained with."""
    pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
    from tests.plugins.test_local import open_local

    opening, closing = request.param
    options = {"open": opening, "close": closing, "operations": 1, "estimates": 0.0, "count": 2}
    some, plugin = load("train", **options), Calculator(open=opening, close=closing, operations=1, calls=2)
    backend = open_local(tmp_path)
    data = [demonstrated(problem, backend) for problem in some]
    for _ in range(60):
        backend.forward_backward(data, "cross_entropy", {})
        backend.optim_step(Adam(learning_rate=6e-3)).result(60)
    yield backend, plugin, some
    backend.close()


def demonstrated(problem: Problem, backend: Any) -> Datum:
    plugins = plugins_of(Ask(), Judge(), Correct())
    run = SimpleNamespace(prompt=lambda p: fill_prompt(p, plugins, backend), backend=backend)
    datum = Sft().encode(problem, run)  # type: ignore[arg-type]
    assert isinstance(datum, Datum), datum
    return datum


def groups_of(cast: tuple[Any, Calculator, list[Problem]]) -> tuple[Group, ...]:
    backend, plugin, some = cast
    plugins = plugins_of(Ask(), Judge(), Correct(), plugin)
    groups = collect(some, 1, plugins, backend, backend.sampler(), Settings("sample", 4, 60, 1.0, 1.0, 7))
    assert any(rollout.text.count(f"{plugin.close}=") == 2 for g in groups for rollout in g.rollouts), "it has learned"
    return groups


def gradient(backend: Any, datum: Datum, loss: str) -> np.ndarray:
    settings = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.28} if loss == "ppo" else {}
    backend.forward_backward([datum], loss, settings).result(60)
    grads = [p.grad.flatten().clone().numpy() for p in backend.policy.trained]
    backend.submit(backend._drop_gradients).result(60)
    return np.concatenate(grads)


def test_sampled_logprobs_equal_recomputed_ones_over_several_turns(cast: tuple[Any, Calculator, list[Problem]]) -> None:
    for group in groups_of(cast):
        for rollout in group.rollouts:
            whole = group.prompt.tokens + rollout.tokens
            datum = Datum(whole[:-1], whole[1:], weights=(0.0,) * (len(whole) - 1))
            [again] = cast[0].forward_backward([datum], "cross_entropy", {}).result(60).logprobs
            mine = np.array(rollout.mask)
            assert np.allclose(np.array(again[-len(mine) :])[mine], np.array(rollout.logprobs)[mine], atol=1e-4)
            assert not np.array(rollout.logprobs)[~mine].any()


def test_the_calculators_answers_have_no_gradient(cast: tuple[Any, Calculator, list[Problem]]) -> None:
    """New targets and log-probabilities change nothing at the calculator's tokens, but much at one of the policy's."""
    backend = cast[0]
    group = groups_of(cast)[0]
    rollout = max(group.rollouts, key=lambda r: len(r.mask) - sum(r.mask))
    datum = datum_of(group.prompt, rollout, 0.5)
    assert datum.advantages is not None
    assert datum.logprobs is not None
    before = (False,) * (len(group.prompt.tokens) - 1)
    trained = np.array(before + rollout.mask)
    assert (np.array(datum.advantages) == 0.5 * trained).all()
    for loss in ("ppo", "importance_sampling"):
        assert np.array_equal(gradient(backend, datum, loss), gradient(backend, perturbed(datum, ~trained), loss))
    first = np.arange(len(trained)) == trained.argmax()
    assert not np.array_equal(gradient(backend, datum, "ppo"), gradient(backend, perturbed(datum, first), "ppo"))


def test_the_calculators_answers_in_a_demonstration_have_no_gradient(
    cast: tuple[Any, Calculator, list[Problem]],
) -> None:
    backend, _, some = cast
    datum = demonstrated(some[0], backend)
    silent = np.array(datum.weights) == 0
    answers = backend.decode([t for t, s in zip(datum.targets, silent, strict=True) if s])
    assert answers.endswith("=" + "".join((some[0].demonstration or ())[1::2]))
    base = gradient(backend, datum, "cross_entropy")
    assert np.array_equal(base, gradient(backend, perturbed(datum, silent), "cross_entropy"))
    assert not np.array_equal(base, gradient(backend, perturbed(datum, ~silent), "cross_entropy"))


def perturbed(datum: Datum, where: np.ndarray) -> Datum:
    """Change targets and log-probabilities at some positions; the inputs stay."""
    targets = tuple((t + 1) % 100 if w else t for t, w in zip(datum.targets, where, strict=True))
    if datum.logprobs is None:
        return replace(datum, targets=targets)
    return replace(
        datum, targets=targets, logprobs=tuple(p - w for p, w in zip(datum.logprobs, where.tolist(), strict=True))
    )
