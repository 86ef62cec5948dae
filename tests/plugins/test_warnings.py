"""The warnings of `check` and `train` before a run, about rewards, weights and verifiers."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from tests.core.conftest import PLAYERS, Written, cli

CAST = ("ScriptedBackend", "Ask", "Judge", "Mean", "Rl")
MORE = """
import math

class Same(Player):
    @hookimpl
    def score(self, group):
        return {"same": [0.5] * len(group.rollouts)}

class Fine(Player):
    '''A penalty for right answers that are long or lack thinking.'''
    @hookimpl
    def score(self, group):
        poor = [len(r.tokens) > 500 or "<think>" not in r.text for r in group.rollouts]
        right = [v.outcome == "correct" for v in group.verdicts]
        return {"fine": [-0.4 if r and p else None for r, p in zip(right, poor)]}

class Prize(Player):
    @hookimpl
    def score(self, group):
        return {"prize": [1.0] * len(group.rollouts)}

class Ids(Player):
    '''Needs log-probabilities, which made-up responses lack.'''
    @hookimpl
    def score(self, group):
        return {"ids": [math.exp(sum(r.logprobs)) for r in group.rollouts]}

class Over(Player):
    @hookimpl
    def score(self, group):
        return {"over": [25.0] * len(group.rollouts)}

class Again(Player):
    @hookimpl
    def score(self, group):
        return {"correct": [0.0] * len(group.rollouts)}

class Few(Player):
    @hookimpl
    def score(self, group):
        return {"few": [0.0]}

class Second(Judge):
    pass

class Codes(Judge):
    @hookimpl
    def verify(self, problem, rollouts):
        return super().verify(problem, rollouts) if problem.kind == "code" else None
"""


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "justtinker" and r.levelno == logging.WARNING]


def checked(written: Written, caplog: pytest.LogCaptureFixture, *enable: str, more: str = "") -> list[str]:
    """Run `check`, which must pass; return its warnings."""
    config = written("a", *CAST, *enable, more=more)
    Path("players.py").write_text(PLAYERS + MORE)
    result = cli("check", config)
    assert result.exit_code == 0, result.output
    assert "Nothing stands in the way of this run." in result.output
    return warned(caplog)


def blind(right: str, wrong: str) -> str:
    return (
        "the rewards do not tell right from wrong: on none of the 4 problems tried does a right answer earn more than "
        f"a wrong one ('0': {right} and {wrong}); enable a reward that makes the difference, such as correct, or fix "
        "the weights"
    )


def test_a_reward_for_right_answers_gives_no_warning(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    assert checked(written, caplog, "Correct", "Same", "Fine") == []


def test_equal_rewards_for_right_and_wrong(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    assert checked(written, caplog, "Same") == [blind("0.5", "0.5")]


def test_an_observed_reward_does_not_count(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    more = "[plugins.my_correct]\nmode = 'observe'\n"
    assert checked(written, caplog, "Correct", more=more) == [blind("0", "0")]


def test_a_wrong_answer_that_earns_more(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    assert checked(written, caplog, "Correct", more="[plugins.my_correct]\nweight = -1.0\n") == [blind("-1", "0")]


def test_the_weights_of_the_last_step_count(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    assert (
        checked(written, caplog, "Correct", more="[plugins.my_correct]\nweight = {from = 0.0, to = 1.0, steps = 2}\n")
        == []
    )


@pytest.mark.parametrize(("weight", "many"), [("-0.5", 1), ("0.5", 0)])
def test_a_penalty_with_a_negative_weight(
    written: Written, caplog: pytest.LogCaptureFixture, weight: str, many: int
) -> None:
    text = (
        "the weight of 'fine' is -0.5, but its raw values are penalties (down to -0.4), so the run rewards what the "
        "term should penalize; make the weight positive"
    )
    more = f"[plugins.my_fine]\nweight = {weight}\n"
    assert checked(written, caplog, "Correct", "Fine", more=more) == [text] * many


def test_a_negative_weight_on_a_positive_term(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    assert checked(written, caplog, "Correct", "Prize", more="[plugins.my_prize]\nweight = -0.5\n") == []


def test_a_reward_that_cannot_be_tried_gives_no_warning(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    assert checked(written, caplog, "Ids") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "Over",
            "reward term 'over' of plugin 'my_over', rollout 0 of problem '0': "
            "expected a raw number in [-1, 1], got 25.0",
        ),
        ("Again", "plugins 'my_correct' and 'my_again' both give 'correct' in score"),
        ("Few", "plugin 'my_few' gives 1 values of 'few' for the 2 rollouts of problem '0'"),
    ],
)
def test_a_reward_that_fails_is_named(written: Written, caplog: pytest.LogCaptureFixture, name: str, text: str) -> None:
    (warning,) = checked(written, caplog, "Correct", name)
    assert warning.startswith(f"a made-up response cannot be rewarded, so perhaps sampled ones cannot either: {text}")


UNASKED = (
    "the verifier 'my_second' is never asked: 'my_judge' comes before it and takes problems of kind 'math' too; "
    "enable 'my_second' before it, or give its problems a kind that 'my_judge' does not take"
)


def test_a_verifier_behind_one_that_takes_its_problems_is_named(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    assert checked(written, caplog, "Correct", "Second") == [UNASKED]


def test_a_verifier_of_other_problems_gives_no_warning(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    assert checked(written, caplog, "Correct", "Codes") == [], "there are no problems for it"


def test_a_verifier_that_gets_some_problems_gives_no_warning(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    config = written("a", "ScriptedBackend", "Ask", "Codes", "Mean", "Rl", "Correct", "Second")
    Path("players.py").write_text(PLAYERS + MORE)
    rows = [{"id": kind, "question": "1", "answer": "1", "kind": kind} for kind in ("code", "math")]
    Path("p.json").write_text(json.dumps(rows))
    assert cli("check", config).exit_code == 0
    assert warned(caplog) == []


def test_train_warns_too_and_begins(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    config = written("a", *CAST, "Same")
    Path("players.py").write_text(PLAYERS + MORE)
    for options in (("--dry-run",), ("--dir", "out")):
        caplog.clear()
        result = cli("train", config, *options)
        assert result.exit_code == 0, result.output
        assert warned(caplog) == [blind("0.5", "0.5")]


def test_imitation_needs_no_rewards(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    config = written("a", "ScriptedBackend", "Ask", "Judge", "Sft", "Same")
    Path("players.py").write_text(PLAYERS + MORE)
    assert cli("check", config).exit_code == 0
    assert warned(caplog) == []


SAMPLES = (
    "[data.train] samples = 4 does nothing: it is for evaluation sets; how many rollouts a training problem gets is an "
    "option of the algorithm (grpo: rollouts_per_problem)"
)
GREEDY = (
    "[sampling] temperature = 0: the rollouts of a problem are all alike, so their advantages are 0 and nothing is "
    "learned; set 1, or evaluation.temperature if you mean evaluations"
)


@pytest.mark.parametrize(
    ("setting", "warnings"),
    [
        ("data.train.samples=4", [SAMPLES]),
        ("data.train.samples=1", []),
        ("sampling.temperature=0", [GREEDY]),
        ("sampling.temperature=0.1", []),
        ("evaluation.temperature=0", []),
    ],
)
def test_settings_that_do_nothing_or_leave_nothing_to_learn(
    written: Written, caplog: pytest.LogCaptureFixture, setting: str, warnings: list[str]
) -> None:
    config = written("a", *CAST, "Correct")
    assert cli("check", config, "--set", setting).exit_code == 0
    assert warned(caplog) == warnings


def test_imitation_samples_nothing(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    config = written("a", "ScriptedBackend", "Ask", "Judge", "Sft")
    assert cli("check", config, "--set", "sampling.temperature=0").exit_code == 0
    assert warned(caplog) == []


def letters_warning(count: int, gold: str, problem: str) -> str:
    return (
        f"[data.train] {count} of 4 golds look like the letter of a choice ({gold!r} of problem {problem!r}), and "
        "'math_verify' judges them as mathematics, where b is not B; give such problems kind = 'choice', in a table of "
        "their own, and enable the verifier 'choice'"
    )


@pytest.mark.parametrize(
    ("golds", "warnings"),
    [
        (("7", "B", "(D)", "B"), [letters_warning(3, "B", "1")]),
        (("7", r"\mathrm{D}", "12", "x"), [letters_warning(1, r"\mathrm{D}", "1")]),
        (("7", r"\text{(D)}", "12", "x"), []),
        (("7", "AB", "F", "d"), []),
    ],
)
def test_letters_of_choices_that_are_judged_as_mathematics(
    written: Written, caplog: pytest.LogCaptureFixture, golds: tuple[str, ...], warnings: list[str]
) -> None:
    config = written("a", *CAST, "Correct")
    config.write_text(config.read_text().replace('"my_judge"', '"math_verify"'))
    rows = [{"id": str(i), "question": "Which?", "answer": gold} for i, gold in enumerate(golds)]
    Path("p.json").write_text(json.dumps(rows))
    result = cli("check", config)
    assert result.exit_code == 0, result.output
    assert warned(caplog) == warnings


def test_choices_of_their_own_kind_give_no_warning(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    config = written("a", *CAST, "Correct")
    config.write_text(config.read_text().replace('"my_judge"', '"math_verify", "choice"'))
    rows = [{"id": k, "question": "Which?", "answer": a, "kind": k} for k, a in (("choice", "B"), ("math", "7"))]
    Path("p.json").write_text(json.dumps(rows))
    assert cli("check", config).exit_code == 0
    assert warned(caplog) == []
