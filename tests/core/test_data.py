"""The problems of a data table, and the order in which steps draw them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem
from justtinker_core.data import check_problems, draw, draw_more, largest_remainder, load, select
from justtinker_core.discovery import Found, find
from justtinker_core.types import DataSpec
from tests.core.conftest import LISTED, problems

SPEC = DataSpec("train", "train", "listed", {})


def raises(text: str) -> Any:
    return pytest.raises(PluginError, match=f"^{re.escape(text)}$")


def source(folder: Path, body: str) -> dict[str, Found]:
    (folder / "s.py").write_text(
        "from justtinker_core import Problem, hookimpl, plugin\n@plugin\nclass Source:\n    n: int = 3\n"
        f"    @hookimpl\n    def load_problems(self, spec, seed):\n        {body}\n"
    )
    return {"listed": Found("listed", "local", f"{folder / 's.py'}:Source", "local file", "")}


def test_a_plugin_is_asked_with_the_tables_options_over_the_runs(tmp_path: Path) -> None:
    found = source(tmp_path, "return [Problem(str(i), spec.name, str(seed)) for i in range(self.n)]")
    assert load(SPEC, found, {}) == tuple(Problem(str(i), "train", "42") for i in range(3))
    assert len(load(SPEC, found, {"n": 5})) == 5
    assert len(load(DataSpec("train", "train", "listed", {"n": 2}), found, {"n": 5})) == 2


def test_what_a_loader_leaves_out_is_kept(tmp_path: Path) -> None:
    found = source(tmp_path, "self.skipped = {'no answer': 2}; return [Problem('a', 'q')]")
    skipped = Counter[str]()
    load(SPEC, found, {}, skipped)
    assert skipped == {"no answer": 2}


def test_no_problems(tmp_path: Path) -> None:
    with raises("[data.train] listed gives no problem at all"):
        load(SPEC, source(tmp_path, "return []"), {})


@pytest.mark.parametrize(
    "body",
    [
        "yield Problem('a', 'q'); raise OSError('file cut short')",
        "return None",
        "return 3",
        "return [{'id': 'a'}]",
    ],
)
def test_a_loader_that_goes_wrong_is_named(tmp_path: Path, body: str) -> None:
    with pytest.raises(PluginError, match="listed"):
        load(SPEC, source(tmp_path, body), {})


def test_ids_are_unique(tmp_path: Path) -> None:
    with raises("[data.train] listed has 2 ids more than once, the first is 'b'"):
        load(SPEC, source(tmp_path, "return [Problem(i, 'q') for i in 'abbcca' if i != 'a']"), {})


def test_what_loads_no_problems() -> None:
    with raises("[data.eval.x] use = 'group_mean': expected a plugin that loads problems, got one of the advantages"):
        load(DataSpec("x", "eval", "group_mean", {}), find(), {})


def test_an_unknown_name() -> None:
    with pytest.raises(PluginError, match=r"^no plugin called 'arithmetics'; did you mean 'arithmetic'\?"):
        load(DataSpec("train", "train", "arithmetics", {}), find(), {})


def test_meta_must_fit_into_json() -> None:
    with raises(
        "[data.train] meta of problem 'p0' cannot be written as JSON: Object of type set is not JSON serializable"
    ):
        check_problems(problems(2, meta={"x": {1}}), SPEC)
    with pytest.raises(
        PluginError, match=r"^\[data.train\] meta of problem 'p0' cannot be written as JSON: Out of range"
    ):
        check_problems(problems(2, meta={"x": float("nan")}), SPEC)
    check_problems(problems(2, meta=MappingProxyType({"x": [1]})), SPEC)


def test_the_listed_plugin_of_the_other_tests_is_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "listed.py").write_text(LISTED)
    (tmp_path / "p.json").write_text('[{"id": "a", "question": "1+1"}]')
    found = {"listed": Found("listed", "local", f"{tmp_path / 'listed.py'}:Listed", "local file", "")}
    spec = DataSpec("x", "eval", "listed", {"path": str(tmp_path / "p.json")})
    assert load(spec, found, {}) == (Problem("a", "1+1"),)


# Limit and strata


def many(sizes: dict[str, int]) -> list[Problem]:
    return [Problem(f"{s}{i}", "q", meta={"subject": s}) for s, n in sizes.items() for i in range(n)]


def spec(limit: int | None = None, by: str | None = None, seed: int = 42) -> DataSpec:
    return DataSpec("x", "eval", "listed", {}, limit, by, seed=seed)


def test_a_limit_draws_with_the_seed_and_keeps_the_order() -> None:
    all_ = many({"a": 50})
    some = select(all_, spec(10))
    assert len(some) == 10
    assert list(some) == [p for p in all_ if p in some]
    assert select(all_, spec(10)) == some
    assert select(all_, spec(10, seed=1)) != some
    assert some != tuple(all_[:10])


@pytest.mark.parametrize("limit", [None, 50, 80])
def test_no_limit_or_a_high_one_takes_all(limit: int | None) -> None:
    assert select(many({"a": 50}), spec(limit)) == tuple(many({"a": 50}))


def test_strata_keep_their_proportions() -> None:
    some = select(many({"a": 60, "b": 30, "c": 10}), spec(10, "subject"))
    assert [sum(p.meta["subject"] == s for p in some) for s in "abc"] == [6, 3, 1]


@pytest.mark.parametrize("limit", [2, 5, None])
def test_strata_of_a_key_that_is_not_there(limit: int | None) -> None:
    with raises("[data.eval.x] stratify_by = 'subjct': problem 'a0' has no such key; did you mean 'subject'?"):
        select(many({"a": 5}), spec(limit, "subjct"))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30), st.data())
def test_largest_remainder(sizes: list[int], data: Any) -> None:
    total = data.draw(st.integers(0, sum(sizes)))
    quotas = largest_remainder(sizes, total)
    assert sum(quotas) == total
    for quota, size in zip(quotas, sizes, strict=True):
        assert abs(quota - size * total / sum(sizes)) < 1 + 1e-9
        assert quota <= size


def test_largest_remainder_by_hand() -> None:
    assert largest_remainder([1187, 474, 479, 903, 540, 871, 546], 200) == [47, 19, 19, 36, 22, 35, 22]
    assert largest_remainder([1, 1, 1], 2) == [1, 1, 0]


# The order


@given(st.integers(1, 40), st.integers(1, 25), st.integers(0, 99), st.integers(1, 4))
def test_an_epoch_visits_every_item_once(items: int, n: int, seed: int, epochs: int) -> None:
    steps = -(-items * epochs // n)
    drawn = [x for step in range(1, steps + 1) for x in draw(range(items), step, n, seed)]
    for epoch in range(epochs):
        assert sorted(drawn[epoch * items : (epoch + 1) * items]) == list(range(items))


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 99), st.integers(1, 30))
def test_a_step_is_a_pure_function_of_seed_and_step(items: int, n: int, seed: int, step: int) -> None:
    np.random.seed(step)
    once = draw(range(items), step, n, seed)
    draw(range(items), step + 1, n, seed)
    assert draw(range(items), step, n, seed) == once
    assert len(once) == n


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(draw(range(50), step, 50, seed)) for step in (1, 2, 3) for seed in (0, 1)}
    assert len(orders) == 6


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 9), st.integers(0, 3))
def test_a_step_that_draws_again_gets_others_while_there_are_any(total: int, n: int, step: int, rounds: int) -> None:
    items = problems(total)
    drawn = draw_more(items, step, n, 7)
    assert drawn == draw(items, step, n, 7)
    for _ in range(rounds):
        more = draw_more(items, step, n, 7, drawn)
        assert more == draw_more(items, step, n, 7, drawn)
        assert len(more) == n
        fresh = {p.id for p in more} - {p.id for p in drawn}
        assert len(fresh) == min(n, total - len({p.id for p in drawn}))
        drawn += more
