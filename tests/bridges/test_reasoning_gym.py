"""`reasoning_gym` on the package itself: `.ci/bridges reasoning_gym`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import DataSpec, PluginError, Problem, Rollout, Verdict
from justtinker_core.options import configure
from justtinker_core.testing import check_verifier
from justtinker_plugins.environments._reasoning_gym import judge, sets
from justtinker_plugins.environments.reasoning_gym import KIND, ReasoningGym
from tests.bridges.pages import write_examples

pytestmark = pytest.mark.integration

QUICK = (
    "basic_arithmetic", "binary_matrix", "boxnet", "chain_sum", "codeio", "complex_arithmetic", "countdown",
    "family_relationships", "game_of_life", "gsm_symbolic", "knights_knaves", "letter_counting", "maze", "n_queens",
    "number_sorting", "polynomial_multiplication", "prime_factorization", "propositional_logic", "rearc",
    "simple_integration", "spell_backward", "spiral_matrix", "string_insertion", "tower_of_hanoi", "zebra_puzzles",
)  # fmt: skip
UNDECIDED = ("boxnet", "propositional_logic")
"""Their problems have no gold."""


def load(dataset: str, purpose: Any = "train", seed: int = 1, **options: Any) -> list[Problem]:
    made = configure(ReasoningGym, "t", {"dataset": dataset, "size": 4, "held_out": 2, **options})
    return list(made.load_problems(DataSpec("train", purpose, KIND, {}), seed))


@pytest.fixture(scope="module")
def gym() -> Iterator[ReasoningGym]:
    plugin = ReasoningGym(workers=1)
    yield plugin
    plugin.finish_run()


def judged(gym: ReasoningGym, problem: Problem, *answers: str) -> list[Verdict]:
    rollouts = [Rollout((), (), (), f"<think>so</think>\\boxed{{{answer}}}") for answer in answers]
    verdicts = gym.verify(problem, rollouts)
    assert verdicts is not None
    return verdicts


# Problems


def test_problems_are_the_same_each_time_and_none_is_held_out() -> None:
    options = {"config": {"max_terms": 2, "max_digits": 1}, "size": 300, "held_out": 40}
    train, again, other = (load("chain_sum", seed=seed, **options) for seed in (1, 1, 2))
    held_out = load("chain_sum", "eval", seed=7, **options)
    assert train == again != other
    assert held_out == load("chain_sum", "eval", seed=8, **options)
    questions = [problem.question for problem in (*train, *held_out)]
    assert len(set(questions)) == len(questions)
    assert 30 < len(train) < 300


def test_what_is_left_out_is_counted() -> None:
    config = {"min_terms": 2, "max_terms": 2, "max_digits": 1}
    gym = ReasoningGym(dataset="chain_sum", config=config, size=300, held_out=40)
    problems = list(gym.load_problems(DataSpec("train", "train", KIND, {}), 1))
    assert set(gym.skipped) == {"is asked twice", "is held out for evaluation"}
    assert len(problems) + sum(gym.skipped.values()) == 300


def test_problems_whose_judge_pays_anything_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sets.LEAKY, "game_of_life_halting")
    gym = ReasoningGym(dataset="game_of_life_halting", size=20, held_out=1)
    problems = list(gym.load_problems(DataSpec("train", "train", KIND, {}), 1))
    assert gym.skipped["its judge pays 'no answer'"] + gym.skipped["its gold, written as an answer, is not paid"] > 10
    assert len(problems) + sum(gym.skipped.values()) == 20


def test_a_gold_that_restates_the_question_is_left_out(gym: ReasoningGym) -> None:
    config = {"problem_types": ["polynomial_exp_trig"], "problem_type_weights": [1.0]}
    made = ReasoningGym(dataset="intermediate_integration", config=config, size=10, held_out=1)
    problems = list(made.load_problems(DataSpec("train", "train", KIND, {}), 1))
    assert made.skipped["its gold is not plain arithmetic"] == 10 - len(problems) > 0
    [verdict] = judged(gym, problems[0], f"Integral({problems[0].meta['integrand']}, x) + C")
    assert verdict.outcome == "incorrect"


def test_levels_and_demonstrations() -> None:
    [first, *_] = load("chain_sum", question="{expression}=?", work="{num_terms} terms: {answer}")
    assert {"num_terms", "num_digits", "dataset", "config", "metadata"} <= set(first.meta)
    terms = first.meta["num_terms"]
    assert first.question == f"{first.meta['metadata']['expression']}=?"
    assert first.demonstration == f"<think>{terms} terms: {first.answer}</think>\\boxed{{{first.answer}}}"
    assert load("chain_sum", "eval")[0].demonstration is None
    assert load("futoshiki", size=1, held_out=1, config={"max_board_size": 4})[0].meta["board_size"] in (4, "4-4")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "reasoning_gym needs the name of a data set: dataset = 'chain_sum', or another of ab, acre"),
        ({"dataset": "chain_sums"}, "reasoning_gym has no data set 'chain_sums'; did you mean 'chain_sum'?"),
        (
            {"dataset": "chain_sum", "config": {"max_term": 3}},
            "reasoning_gym: chain_sum has no option 'max_term'; did you mean 'max_terms'?",
        ),
        (
            {"dataset": "chain_sum", "config": {"seed": 3}},
            "reasoning_gym: seed does not belong into config; write it beside it, in the table",
        ),
        (
            {"dataset": "chain_sum", "config": {"min_terms": 0}},
            "reasoning_gym refuses the options of chain_sum, config = {'min_terms': 0}: min_terms must be positive",
        ),
        ({"dataset": "coin_flip"}, "reasoning_gym: the judge of coin_flip pays 0 for nearly every problem; choose"),
        ({"dataset": "chain_sum", "work": "{expresion}"}, "the metadata has no 'expresion'; did you mean 'expression'"),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong(options: dict[str, Any], text: str) -> None:
    with pytest.raises(PluginError) as error:
        list(ReasoningGym(**options).load_problems(DataSpec("train", "train", KIND, {}), 1))
    assert text in str(error.value)


def test_other_verifiers_may_judge() -> None:
    assert {problem.kind for problem in load("game_of_life_halting", kind="text")} == {"text"}


# Verdicts


@pytest.mark.parametrize("dataset", QUICK)
def test_golds_are_right_and_nonsense_is_wrong(gym: ReasoningGym, dataset: str) -> None:
    few = {"size": 2, "held_out": 1, "config": {"num_people": 2, "num_characteristics": 2}}
    problems = load(dataset, **few) if dataset == "zebra_puzzles" else load(dataset)
    assert problems
    for problem in problems:
        kept = replace(problem, meta=json.loads(json.dumps(dict(problem.meta))))
        assert (problem.answer is None) == (dataset in UNDECIDED)
        right, *wrong = judged(gym, kept, problem.answer or "no answer", "no answer", "nan", f"maybe {problem.answer}?")
        assert right.outcome == ("incorrect" if problem.answer is None else "correct"), right.reason
        assert {verdict.outcome for verdict in wrong[:2]} == {"incorrect"}


def test_partial_credit_is_not_paid(gym: ReasoningGym) -> None:
    problem = next(p for p in load("chain_sum", size=50) if p.answer == p.answer and len(p.answer or "") == 2)
    [verdict] = judged(gym, problem, f"the answer is {problem.answer}")
    assert (verdict.outcome, verdict.rung) == ("incorrect", KIND)
    assert re.fullmatch(r"its score is 0\.\d+, not 1", verdict.reason)
    lenient = ReasoningGym(threshold=0.1, workers=1)
    assert judged(lenient, problem, f"the answer is {problem.answer}")[0].outcome == "correct"
    lenient.finish_run()


@pytest.mark.parametrize("dataset", ["string_insertion", "n_queens", "polynomial_multiplication", "countdown"])
def test_answers_are_never_run(gym: ReasoningGym, dataset: str, tmp_path: Path) -> None:
    code = f"open('{tmp_path}/run','w').write('x')"
    [problem, *_] = load(dataset)
    verdicts = judged(gym, problem, code, f"[{code}]", f"__import__('os').mkdir('{tmp_path}/run')")
    assert {verdict.outcome for verdict in verdicts} == {"incorrect"}
    assert list(tmp_path.iterdir()) == []


def test_no_other_judge_runs_answers() -> None:
    import reasoning_gym

    top = Path(reasoning_gym.__file__).parent
    found = {
        ".".join(path.relative_to(top).with_suffix("").parts)
        for path in top.rglob("*.py")
        for body in re.findall(r"def score_answer\(.*?(?=\n    def |\nclass |\Z)", path.read_text("utf-8"), re.DOTALL)
        if re.search(r"\b(?:eval|exec|parse_expr|sympify|simplify|literal_eval)\(.*answer", body)
    }
    through_sympy = {f"algebra.{name}" for name in judge.SYMPY if name not in ("countdown", "puzzle24")}
    assert found - {"algorithmic.number_sorting"} <= {*judge.EVALUATED, *judge.PARSED, *through_sympy}
    assert len(found) >= 8


def test_an_answer_that_breaks_the_judge_is_wrong(gym: ReasoningGym) -> None:
    [problem, *_] = load("prime_factorization")
    broken, right = judged(gym, problem, "[[]]", problem.answer or "")
    assert (broken.outcome, broken.rung) == ("incorrect", "failed")
    assert broken.reason.startswith("the judge cannot read it (error: ValueError: invalid literal for int()")
    assert right.outcome == "correct"


def test_a_judge_that_fails_on_its_gold_leaves_answers_unscored(gym: ReasoningGym) -> None:
    [problem, *_] = load("prime_factorization")
    bad = replace(problem, meta={**problem.meta, "dataset": "prime_factorisation"})
    [verdict] = judged(gym, bad, problem.answer or "")
    assert verdict.outcome == "unscored"
    assert "reasoning_gym has no data set 'prime_factorisation'; did you mean 'prime_factorization'?" in verdict.reason


def test_it_is_a_verifier() -> None:
    cases: list[tuple[Problem, str, Any]] = []
    for dataset in ("chain_sum", "knights_knaves"):
        for problem in load(dataset)[:2]:
            cases.append((problem, f"<think>so</think>\\boxed{{{problem.answer}}}", "correct"))
            cases.append((problem, "<think>so</think>\\boxed{77777}", "incorrect"))
    check_verifier(ReasoningGym(workers=1), cases, seconds=5.0)


# As a user runs it


def justtinker(folder: Path, *args: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("justtinker"), *args], cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("gym")
    assert {file.name for file in write_examples("reasoning-gym", made)} >= {"gym_sft.toml", "gym_rl.toml"}
    return made


def test_nothing_stands_in_the_way(folder: Path) -> None:
    found = justtinker(folder, "check", "gym_rl.toml")
    assert "Nothing stands in the way of this run." in found
    assert "is asked twice" in found


@pytest.mark.parametrize("more", [(), ("--set", "plugins.reasoning_gym.dataset=simple_equations")])
def test_no_hack_is_paid(folder: Path, more: tuple[str, ...]) -> None:
    plain = ("--set", "plugins.reasoning_gym.config={}", "--set", "plugins.reasoning_gym.question={question}")
    assert "The stack passes" in justtinker(
        folder, "audit", "gym_rl.toml", "--problems", "8", *(plain if more else ()), *more
    )


def test_rewards_rise(folder: Path) -> None:
    """Half of the page's steps of RL: from about 44 to 65 %."""
    justtinker(folder, "train", "gym_sft.toml", "gym_rl.toml", "--set", "gym_rl:run.steps=12", "--dir", "run")
    before, after = (
        [json.loads(line) for line in (folder / "run" / run / "evals.jsonl").read_text().splitlines()][-1]["metrics"][
            "accuracy"
        ]
        for run in ("1-gym-sft", "2-gym-rl")
    )
    assert after > before + 0.1
