from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError, Problem, Scorer, Verdict
from justtinker_core.options import configure
from justtinker_core.testing import Runner, make_group, make_problem
from justtinker_plugins.verifiers.verl_verifier import VerlVerifier

JUDGE = Path(__file__).parent / "verl_judge.py"
BOX = r"\boxed{4}"


class Made(list[VerlVerifier]):
    def __call__(self, function: str = "compute_score", **options: Any) -> VerlVerifier:
        given = {"function": f"{JUDGE}:{function}", "data_source": "sums", "limit": 0.3, "workers": 1, **options}
        self.append(configure(VerlVerifier, "plugins.verl_verifier", given))
        return self[-1]


@pytest.fixture
def make() -> Iterator[Made]:
    made = Made()
    yield made
    for plugin in made:
        plugin.finish_run()


def verify(plugin: VerlVerifier, *texts: str, **problem: Any) -> list[Verdict]:
    group = make_group(list(texts), problem=make_problem(**{"answer": "4", **problem}))
    found = plugin.verify(group.problem, group.rollouts)
    assert found is not None
    return found


def test_what_goes_wrong_in_the_function_costs_one_verdict(make: Made) -> None:
    texts = [BOX, "hang", "raise", "nan", "none", "die", r"\boxed{5}"]
    assert [(v.outcome, v.reason) for v in verify(make(), *texts)] == [
        ("correct", "verl_judge.py:compute_score gave 1"),
        ("unscored", "verl_judge.py:compute_score failed (cpu_limit): used up 0.3 s of CPU time"),
        ("unscored", "verl_judge.py:compute_score failed (error): RuntimeError: boom"),
        ("unscored", "verl_judge.py:compute_score gave NaN"),
        ("unscored", "verl_judge.py:compute_score gave no number"),
        ("unscored", "verl_judge.py:compute_score failed (died): the worker exited with code 1"),
        ("incorrect", "verl_judge.py:compute_score gave 0"),
    ]


def test_a_coroutine_is_waited_for(make: Made) -> None:
    assert [v.outcome for v in verify(make("wait_and_score"), BOX, "5")] == ["correct", "incorrect"]


def test_it_hands_over_what_the_metadata_say(make: Made) -> None:
    plugin = make("tell", threshold=4.5, kwargs={"bonus": 0.5}, data_source=None)
    few, enough = verify(plugin, "abc", "abcd", question="2+2", meta={"data_source": "sums", "level": 1})
    told = "sums|4|[('data_source', 'sums'), ('level', 1), ('question', '2+2')]"
    assert few == Verdict("incorrect", told, "verl", "verl_judge.py:tell gave 3.5")
    assert enough == Verdict("correct", told, "verl", "verl_judge.py:tell gave 4.5")
    named = make("tell", key="acc", data_source_column="set", data_source=None, ground_truth_column="gold")
    (own,) = verify(named, "", meta={"set": "a", "gold": 7, "extra_info": {"question": "theirs"}})
    assert own == Verdict("correct", "a|7|[('question', 'theirs')]", "verl", "verl_judge.py:tell gave 1")


@pytest.mark.parametrize("gold", [None, "", "  "])
def test_without_ground_truth_nothing_is_asked(make: Made, gold: str | None) -> None:
    assert verify(make(), r"\boxed{}", answer=gold) == [
        Verdict("unscored", None, "gold", "the problem has no ground truth")
    ]


def test_kinds(make: Made) -> None:
    plugin = make(kinds=("sums",))
    assert plugin.verify(Problem("1", "?", "4", kind="math"), []) is None
    assert [v.outcome for v in verify(plugin, BOX, kind="sums")] == ["correct"]


@pytest.mark.parametrize(
    ("function", "text", "options", "words"),
    [
        ("two_arguments", BOX, {}, r"cannot be called as verl does, with data_source, solution_str, ground_truth, ext"),
        ("compute_score", BOX, {"kwargs": {"bonsu": 1}}, "got an unexpected keyword argument 'bonsu'"),
        ("compute_scores", BOX, {}, r"verl_judge.py has no 'compute_scores'; did you mean 'compute_score'\?"),
        ("compute_score", "text", {}, "verl_judge.py:compute_score: expected a number or None, got '1.0'"),
        ("compute_score", "no key", {}, "its dict has no 'score'; did you mean 'scores'"),
    ],
)
def test_a_function_of_another_form_is_an_error(
    make: Made, function: str, text: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(PluginError, match=words):
        verify(make(function, **options), text)


def test_missing_metadata_are_named(make: Made) -> None:
    plugin = make(data_source=None)
    with pytest.raises(PluginError) as error:
        verify(plugin, BOX, id="1", meta={"data_sources": "sums"})
    assert str(error.value) == (
        "problem '1' has no metadata 'data_source'; did you mean 'data_sources'? Set `data_source_column`, or give the "
        "same to all problems with `data_source`"
    )
    with pytest.raises(PluginError, match="metadata 'extra_info': expected a table, got 'a text'"):
        verify(make(), BOX, meta={"extra_info": "a text"})


def test_a_run_is_told_before_it_starts(make: Made, run_with: Runner) -> None:
    with pytest.raises(PluginError, match=r"^\[plugins.verl_verifier\] function: .* cannot be called as verl does"):
        run_with(make("two_arguments"))
    with pytest.raises(
        PluginError, match=r"has no metadata 'data_source'; there are none\. Set `data_source_column`, or"
    ):
        run_with(make(data_source=None))
    assert run_with(make(), steps=1).steps


def test_a_file_is_relative_to_the_config(tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text(JUDGE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "rewards.toml").write_text(
        '[plugins]\nenable = ["verl_verifier", "correct"]\n'
        '[plugins.verl_verifier]\nfunction = "judge.py:compute_score"\ndata_source = "sums"\n'
    )
    with Scorer(tmp_path / "rewards.toml") as scorer:
        group = scorer.score(question="2+2", answer="4", responses=[BOX, "5"])
    assert [reward.total for reward in group.rewards] == [1.0, 0.0]
