from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Verdict
from justtinker_plugins.shared.parts import rung_of, share_of


@given(st.integers(1, 10**6).flatmap(lambda parts: st.tuples(st.integers(0, parts), st.just(parts))))
def test_a_share_is_read_back(counts: tuple[int, int]) -> None:
    rung = rung_of(*counts, "tests")
    assert share_of(Verdict("incorrect", rung=rung), "tests") == counts[0] / counts[1]
    assert share_of(Verdict("incorrect", rung=rung), "instructions") == 0.0
    assert share_of(Verdict("unscored", rung=rung), "tests") is None


def test_an_answer_that_was_not_looked_at_has_nothing_right() -> None:
    assert share_of(Verdict("incorrect", rung="extract"), "tests") == 0.0
