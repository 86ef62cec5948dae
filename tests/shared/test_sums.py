from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.ladder import compare
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.sums import are_same_sums


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (r"\sum_{k=1}^{n} k^{-3}", [r"\sum_{j=1}^{n} \frac{1}{j^3}", r"\sum\limits_{j=1}^n\frac1{j^3}"],
         [r"\sum_{j=0}^{n} j^{-3}", r"\sum_{j=1}^{m} j^{-3}", r"\sum_{j=1}^{n} k^{-3}", r"\prod_{j=1}^{n} j^{-3}",
          r"\sum_{j=1}^{n} j^{-2}"]),
        (r"b_n=\sum_{i=0}^{n} u_i v_{n-i}", [r"b_n=\sum_{k=0}^{n} v_{n-k} u_k", r"\sum_{k=0}^{n} v_{-k+n} u_k"],
         [r"b_n=\sum_{k=0}^{n} v_{n+k} u_k", r"b_n=\sum_{k=0}^{n} w_{n-k} u_k", r"c_n=\sum_{k=0}^{n} v_{n-k} w_k"]),
        (r"\sum_{n=0}^{\infty} \frac{(-1)^n}{(2n+1)!}x^{2n+1}", [r"\sum_{k=0}^\infty \frac{(-1)^k x^{2k+1}}{(2k+1)!}"],
         [r"\sum_{k=0}^\infty \frac{(-1)^k x^{2k}}{(2k+1)!}", r"\sum_{k=1}^\infty \frac{(-1)^k x^{2k+1}}{(2k+1)!}"]),
        (r"\sum_{k=1}^{n} k^2", [r"\sum_{i=1}^{n} (i^2 + \sin(\pi i))", r"\sum_{i=1}^{n} |i|^2"],
         [r"\sum_{i=1}^{n} (i^2+(i-2)(i-3)(i-5)(i-8))", r"\sum_{i=1}^{n} \frac{i^3-i^2}{i-1}",
          r"\sum_{i=1}^{n} (i^2+\lfloor\frac{i}{9}\rfloor)"]),
        (r"3\sum_{k=1}^n y_k", [r"3\sum_{i=1}^n y_i"], [r"\sum_{i=1}^n y_i", r"3\sum_{i=1}^n y_n"]),
        (r"\prod_{k=1}^n (1+g(k))", [r"\prod_{m=1}^n (g(m)+1)"], [r"\prod_{m=1}^n 1+g(m)", r"\prod_{m=1}^n (1+h(m))"]),
        (r"\sum_{k=1}^n k - \sum_{k=1}^n k^2", [r"\sum_{i=1}^n i - \sum_{j=1}^n j^2"],
         [r"\sum_{j=1}^n j^2 - \sum_{i=1}^n i"]),
    ],
)  # fmt: skip
def test_sums_with_another_index(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in right if not compare(gold, answer).equal] == []
    assert [answer for answer in wrong if compare(gold, answer).equal] == []


@given(st.sampled_from("jklmp"), st.sampled_from("jklmp"), st.integers(0, 3), st.integers(1, 3))
def test_the_index_may_have_any_letter(one: str, other: str, low: int, power: int) -> None:
    gold, answer = (rf"\sum_{{{k}={low}}}^n u_{{{k}+1}} x^{{{power}{k}}}" for k in (one, other))
    assert are_same_sums(gold, answer)
    assert not are_same_sums(gold, answer.replace("^n", "^{n+1}"))
    assert not are_same_sums(gold, answer.replace("+1}", "+2}"))


@pytest.mark.parametrize(
    "text", [r"\sum_{k<n} u_k", r"\sum u_k", r"\sum_{k=1}^n \sum_{j=1}^k u_j", r"\sum_{k=1}^", r"\sum_{", "12", ""]
)
def test_other_sums_are_left_to_the_worker(text: str) -> None:
    assert not are_same_sums(text, text)


@pytest.mark.parametrize("piece", [r"\sum_{k=1}^n ", r"\sum_{k=1}^n u_k+", r"u_{k_", r"\sum_{k=1}^n(", "k^{k}"])
def test_no_text_takes_long(piece: str) -> None:
    text = normalise((r"\sum_{k=1}^n " + piece * 150)[:2000])
    started = time.process_time()
    are_same_sums(text, text)
    assert time.process_time() - started < 20
