from __future__ import annotations

import doctest
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, config
from justtinker_core.discovery import find
from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import DataSpec
from justtinker_plugins.datasets import mix
from justtinker_plugins.datasets.arithmetic import Arithmetic
from justtinker_plugins.datasets.mix import Mix, interleaved, quotas


def load(seed: int = 0, **sources: Any) -> list[Problem]:
    spec = DataSpec("train", "train", "mix", {"sources": sources})
    return list(configure(Mix, spec.table, spec.options).load_problems(spec, seed))


def file(directory: Path, name: str, count: int) -> dict[str, Any]:
    """The table of a source: a file with `count` problems."""
    path = directory / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"id": i, "problem": f"{name} {i}?", "answer": i}) + "\n" for i in range(count)))
    return {"use": "files", "path": str(path)}


def test_documented_examples() -> None:
    result = doctest.testmod(mix)
    assert (result.failed, result.attempted) == (0, 2)


def test_proportions_ids_and_metadata(tmp_path: Path) -> None:
    problems = load(a={**file(tmp_path, "a", 100), "weight": 2}, b=file(tmp_path, "b", 30))
    assert Counter(p.meta["mix"] for p in problems) == {"a": 60, "b": 30}
    assert all(p.id == f"{p.meta['mix']}/{p.question[2:-1]}" for p in problems)
    assert len({p.id for p in problems}) == 90
    for end in range(3, 91, 3):
        assert sum(p.meta["mix"] == "b" for p in problems[:end]) == end // 3


def test_a_function_of_the_seed(tmp_path: Path) -> None:
    sources = {"a": file(tmp_path, "a", 50), "b": file(tmp_path, "b", 20)}
    assert load(1, **sources) == load(1, **sources) != load(2, **sources)
    assert {p.id for p in load(1, **sources)} != {p.id for p in load(2, **sources)}


def test_a_source_has_the_options_of_a_table(tmp_path: Path) -> None:
    problems = load(
        sums={"use": "arithmetic", "digits": 1, "held_out": 5, "limit": 10, "stratify_by": "carries"},
        mine={**file(tmp_path, "mine", 10), "kind": "exact"},
    )
    assert Counter((p.meta["mix"], p.kind) for p in problems) == {("sums", "math"): 10, ("mine", "exact"): 10}
    seven = {"use": "arithmetic", "limit": 10, "seed": 7}
    assert {p.id for p in load(1, s=seven)} == {p.id for p in load(2, s=seven)}


SIZES = st.lists(st.tuples(st.integers(1, 10**6), st.floats(0.01, 100)), min_size=1, max_size=5)


@given(SIZES)
def test_quotas_keep_to_the_weights_and_use_up_one_source(sources: list[tuple[int, float]]) -> None:
    sizes, weights = [s for s, _ in sources], [w for _, w in sources]
    counts = quotas(sizes, weights)
    assert all(0 <= count <= size for count, size in zip(counts, sizes, strict=True))
    assert any(count == size for count, size in zip(counts, sizes, strict=True))
    scale = min(size / weight for size, weight in sources)
    assert all(abs(count - weight * scale) <= 0.5001 for count, weight in zip(counts, weights, strict=True))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_every_stretch_holds_about_the_same_proportions(counts: list[int]) -> None:
    order = interleaved(counts)
    assert sorted(order) == [(s, k) for s, count in enumerate(counts) for k in range(count)]
    for source, count in enumerate(counts):
        assert [k for s, k in order if s == source] == list(range(count))
        for end in range(len(order) + 1):
            share = sum(s == source for s, _ in order[:end])
            assert abs(share - end * count / len(order)) <= len(counts) / 2 + 0.5


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({}, "sources is empty; write a table [….sources.NAME] for each data set"),
        ({"a": {"use": "files", "weight": 0}}, "sources.a.weight = 0: expected a number above 0"),
        ({"a": {"use": "files", "weight": "2"}}, "sources.a.weight = '2': expected a number above 0"),
        ({"a": {"use": "files", "weight": True}}, "sources.a.weight = True: expected a number above 0"),
        ({"a": {"weight": 1}}, "sources.a needs a value for 'use', the data set's plugin"),
        ({"a": {"use": "files", "samples": 4}}, "sources.a.samples: set samples once, in the table of the mix"),
        ({"a": "files"}, "sources.a = 'files': input should be an object"),
        ({"a": {"use": "flies"}}, "sources.a: no plugin called 'flies'; did you mean 'files'?"),
        ({"a": {"use": 3}}, "sources.a: [data.train] use = 3: input should be a valid string"),
        ({"a": {"use": "exact"}}, "sources.a: [data.train] use = 'exact': expected a plugin that loads"),
        ({"a": {"use": "files", "paht": "x"}}, "sources.a: [data.train] has no option 'paht'; did you mean 'path'?"),
        ({"a": {"use": "files", "path": "no.jsonl"}}, "sources.a: there is no file no.jsonl"),
        ({"a": {"use": "arithmetic", "limit": 0}}, "sources.a: [data.train] limit = 0: "),
    ],
)  # fmt: skip
def test_bad_sources_are_refused(sources: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError) as error:
        load(**sources)
    assert str(error.value).startswith(f"[data.train] {message}")


def test_a_weight_too_small_to_give_a_problem_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError) as error:
        load(a=file(tmp_path, "a", 10), b={**file(tmp_path, "b", 10), "weight": 0.001})
    assert str(error.value) == "[data.train] sources.b: weight too small (0 of 10 problems)"


def test_the_sources_of_the_tests_are_installed() -> None:
    assert {"files", "arithmetic"} <= set(find())


def test_what_the_sources_leave_out_is_counted_by_source(tmp_path: Path) -> None:
    source = file(tmp_path, "a", 5)
    with Path(source["path"]).open("a") as rows:
        rows.write('{"problem": "?", "answer": "", "id": 9}\n')
    spec = DataSpec("train", "train", "mix", {"sources": {"a": source, "b": file(tmp_path, "b", 5)}})
    mixed = configure(Mix, spec.table, spec.options)
    for _ in range(2):
        mixed.load_problems(spec, 0)
        assert mixed.skipped == {"a: nothing in the column 'answer'": 1}


def test_sums_of_a_mix_that_an_evaluation_asks_are_found(tmp_path: Path) -> None:
    tables = {"run": {"name": "x", "model": "tiny", "steps": 1}}
    run = Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path))
    run.train_problems = tuple(load(sums={"use": "arithmetic", "held_out_seed": 1}))
    run.eval_problems = {"sums": tuple(Arithmetic().load_problems(DataSpec("sums", "eval", "arithmetic", {}), 0))}
    (complaint,) = Arithmetic().preflight(run)
    assert "[data.eval.sums] asks 3" in complaint
