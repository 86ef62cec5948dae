"""What all bridges share: the right scorer, no group terms where groups are not seen, numbers by plugin."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from justtinker_core import PluginError
from justtinker_plugins.bridges import _stack

TERMS = '''
from justtinker_core import hookimpl, plugin

@plugin
class Two:
    """Gives two terms that are not called like it."""

    @hookimpl
    def score(self, group):
        return {"one": [0.5, None], "other": [0.25, None]}
'''
RIGHT, WRONG = r"<think>one and one</think>\boxed{2}", r"<think>one and one</think>\boxed{3}"


def test_one_process_has_one_scorer_of_a_config() -> None:
    config = {"plugins": {"enable": ["math_verify", "correct"]}}
    assert _stack.scorer_of(config) is _stack.scorer_of(config)
    assert _stack.scorer_of(config) is not _stack.scorer_of(config, sets=["plugins.correct.weight=0.5"])


def test_a_file_that_is_named_with_every_response_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "rewards.toml"
    file.write_text('[plugins]\nenable = ["exact", "correct"]\n')
    found = _stack.scorer_named(str(file), [], ())
    file.write_text("no config")
    assert _stack.scorer_named(str(file), (), []) is found
    with pytest.raises(PluginError):
        _stack.scorer_named(str(file), ["plugins.correct.weight=0.5"], ())


def test_a_plugin_is_one_number_the_sum_of_its_terms(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(TERMS)
    scorer = _stack.scorer_of(
        {
            "plugins": {"enable": ["math_verify", "correct", "both"], "both": {"weight": 0.5}},
            "local_plugins": {"both": f"{tmp_path}/two.py:Two"},
        }
    )
    group = scorer.score(question="1+1", answer="2", responses=[RIGHT, WRONG])
    assert _stack.reward_weights(scorer) == {"correct": 1.0, "both": 0.5}
    assert [_stack.raw_values(scorer, group, i) for i in (0, 1)] == [
        {"correct": 1.0, "both": 0.75},
        {"correct": 0.0, "both": None},
    ]
    assert [_stack.total(group, i) for i in (0, 1)] == [1.375, 0.0]


def test_what_could_not_be_graded_has_no_number() -> None:
    scorer = _stack.scorer_of()
    group = scorer.score(question="1+1", answer=None, responses=[RIGHT])
    assert _stack.total(group, 0) is None
    assert set(_stack.raw_values(scorer, group, 0).values()) == {None}


def test_group_terms_and_schedules_are_refused_by_name() -> None:
    enabled = {"plugins": {"enable": ["math_verify", "correct", "length"]}}
    with pytest.raises(PluginError) as error:
        _stack.check_alone(_stack.scorer_of(enabled), "verl's compute_score")
    assert str(error.value) == (
        "verl's compute_score sees one response at a time, but 'length' compares the responses of a group; disable it, "
        "or use a bridge that sees groups (docs/bridges.md)"
    )
    ramp = _stack.scorer_of(sets=["plugins.redundancy.weight={from=0.0, to=0.3, steps=10}"])
    with pytest.raises(
        PluginError, match=r"knows no step, but the rewards depend on it \(the weight schedule of redundancy\)"
    ):
        _stack.check_alone(ramp, "verl's compute_score")
    assert [_stack.reward_weights(ramp, step)["redundancy"] for step in (0, 5)] == [0.0, 0.15]
    _stack.check_alone(_stack.scorer_of(), "verl's compute_score")


@pytest.mark.parametrize(
    ("cell", "gold"),
    [("2", "2"), (2, "2"), (2.5, "2.5"), (np.int64(2), "2"), (None, None), (math.nan, None), (np.float32("nan"), None)],
)
def test_a_gold_is_a_text_or_a_number(cell: object, gold: str | None) -> None:
    assert _stack.gold_of(cell, "row 1") == gold


@pytest.mark.parametrize("cell", [["2"], {"a": "2"}, True])
def test_other_golds_are_refused(cell: object) -> None:
    with pytest.raises(PluginError, match=r"^row 1: expected a text or a number, got "):
        _stack.gold_of(cell, "row 1")
