r"""The semantics, case by case: which answers equal a gold, and which do not."""

# ruff: noqa: E501 (a table, and letters that look like others)
from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.ladder import (
    compare,
    compare_as_text,
    overlooked_difference,
    parts_of,
    readings_of,
    restates,
)
from justtinker_plugins.shared.latex.parse import parse
from tests.plugins.adversarial_math import BOMBS, HACKS, HONEST

SEMANTICS: dict[str, list[tuple[str, list[str], list[str]]]] = {
    "fractions": [
        (r"\frac{3}{4}", [r"\frac{6}{8}", "3/4", "0.75", ".75", r"\frac34", r"\frac{-3}{-4}", r"75\%", r"1 - \frac{1}{4}", r"{3 \over 4}"], ["4/3", r"-\frac34", "0.7500001", "3", "3, 4", "0.75x"]),
        (r"\frac{7}{3}", [r"2\frac{1}{3}", "2 1/3", r"2.\overline{3}"], ["2.33", "2.3333333333", r"2 \cdot \frac{1}{3}", r"\frac{2}{3}"]),
    ],
    "decimals": [("204", ["204.", "204.0", "204.000", "+204"], ["204.01", "20.4", "2.04", "203.99999999999"]), ("1.25", ["1.250", "5/4", r"1\frac14"], ["1.2", "1.3", "1.251"])],
    "mixed numbers": [(r"1\frac{4}{5}", ["9/5", "1.8", "1 4/5", r"1\tfrac45"], [r"\frac{4}{5}", r"1 \cdot \frac{4}{5}", "14/5", "1.45"]), (r"-2\frac{1}{2}", ["-5/2", "-2.5"], ["-1.5", "2.5", "-1"])],
    "mixed numbers beside a sign": [
        (r"18\frac{3}{4}\%", [r"18.75\%", r"18\tfrac34\%", "18 3/4 %", "18¾%", "0.1875", r"\frac{75}{4}\%", "18.75 percent"], [r"13.5\%", r"\frac{27}{2}\%", r"18\%", r"4\frac34\%", r"18\frac{3}{4}^\circ"]),
        ("18.75", [r"18\frac34\%", r"18\frac34^\circ", r"\$18\frac34", r"18\frac34 \text{ cm}"], [r"18\frac14\%"]),
        ("13.5", [], [r"18\frac34\%", r"\$18\frac34", r"18\frac34^\circ"]),
        (r"7\frac12^\circ", [r"7.5^\circ", r"\frac{15}{2}^\circ", r"7\frac{1}{2}^{\circ}"], [r"3.5^\circ", r"\frac72^\circ"]),
        (r"\$5\frac14", [r"\$5.25", "5.25", r"5\frac14 \text{ dollars}"], [r"\$1.25", "1.25", r"£5\frac14"]),
        (r"2\frac12:3", ["2.5:3", "5:6"], ["1:3", "3:2.5", "6:5"]),
        ("2:3", ["2:3"], ["4:6", "3:2"]),
    ],
    "percent": [
        (r"25\%", ["25%", "25", "0.25", r"\frac14", r"25 \text{ percent}"], ["2.5", r"0.25\%", "2500", "4"]),
        ("0.25", [r"25\%", "1/4"], ["25", r"0.25\%"]),
        ("25", [r"25\%"], ["0.25", r"0.25\%"]),
    ],
    "thousands": [
        ("3159", [r"3\,159", "3,159", "3{,}159", r"3,\!159", "3 159", "3159.0"], ["3,15,9", "3.159", "3, 159, 0", "3,1590", "31,59"]),
        ("1234567", ["1,234,567", r"1\,234\,567"], ["1,234,568", "1,234", "1, 234, 567, 0"]),
        ("246", ["246.0"], ["0,246", r"0{,}246", "00,246"]),
        ("0.246", [r"0{,}246", "0,246"], ["246", "0,247", "0, 246", "0,246,0"]),
        ("0,2", ["2, 0", "0, 2"], ["0.2", "2"]),
        ("27500", ["27,500", r"27\,500"], [r"27\quad500", r"27 \qquad 500", "27; 500"]),
        ("27, 500", [r"27\quad 500"], ["27500", "27,500,0"]),
        ("(1234, 5)", ["(1,234, 5)", "(1234,5)"], ["(1, 234, 5)", "(1234)"]),
        ("2, 345", ["345, 2", r"2 \text{ and } 345"], ["2, 346", "2", "347"]),
    ],
    "degrees and units": [
        (r"76^\circ", ["76", "76°", r"76\degree", r"76^{\circ}", r"76 \text{ degrees}"], ["77°", r"76\%", r"76\text{ cm}", r"\frac{76}{2}"]),
        (r"60^\circ", [r"\frac{\pi}{3}", "60"], [r"\frac{\pi}{4}", r"\pi/60"]),
        ("204", [r"204~\text{cm}", r"204 \text{ ways}", r"204\,\mathrm{km/h}", "204 cm", r"\$204"], [r"204 \text{ million}", r"204 \text{ or more}", r"204 \text{ dozen}", r"204 \text{ times 2}"]),
        (r"5 \text{ cm}", ["5", "5 cm", r"5 \text{ centimeters}"], [r"5 \text{ m}", r"5\text{ cm}^2", "5m", "50"]),
        (r"\$3.50", ["3.5", r"\$3.5", r"3.50 \text{ dollars}"], [r"3.5 \text{ cents}", "350"]),
    ],
    "words after a number": [
        ("31", ["31 miles", "31 feet", "31 ft", "31 in.", "31 sec", "31 percent", "31 ways", "31 square units", "31 miles per hour", "31 km/h", "31千米", "31个", "31 metros"], ["31 million", "31 dozen", "31 miles or 32", "31 not miles", "31 xyz", "31 m", "31abc", "31狗"]),
        ("0.31", ["31 percent", "31 per cent", "31 por ciento", "百分之31"], ["31", "0.31 percent"]),
        ("31000000", [r"31 \text{ million}", "31 million", "31 million miles", r"31\text{ millones}", r"3{,}100\text{ 万}", "0.31亿 "], ["31", "31 billion", "31 thousand", r"\text{million } 31"]),
        ("31", ["thirty-one", r"\text{thirty-one}", "Thirty one"], ["thirty", "one", "thirteen", r"\text{thirty or thirty-one}", r"\text{not thirty-one}"]),
        (r"\text{thirty-one}", ["31", "thirty-one"], ["thirty"]),
        ("£31", ["31 pounds", "31"], [r"\$31", "31 lb", "31 euros"]),
        (r"31\text{ lb}", ["31 pounds", "31 lbs"], ["£31", "31 kg"]),
        (r"31^\circ\text{C}", [r"31^\circ", "31°C", "31", "31 degrees Celsius"], [r"31^\circ F", r"31\%"]),
        (r"B^{1/2}", [r"\sqrt{B}"], [r"B^{1/2}\%", r"B^{1/2}\text{ km}B", "B"]),
    ],
    "scientific notation": [
        ("1.24e-8", [r"1.24 \times 10^{-8}", "1.24E-8", "1.24e-08", r"12.4 \cdot 10^{-9}", "0.0000000124", "1.24*10^-8", r"\frac{1.24}{10^8}"], ["1.24e8", "1.24e-7", "1.25e-8", "0", "0.0", "1.24", r"1.24 e^{-8}", "1.24 - 8"]),
        ("3e8", ["300000000", r"3 \times 10^8", "3 * 10^8"], ["3e7", "8e3", "38", "3e"]),
    ],
    "intervals": [
        ("[0,1)", [r"\left[0, 1\right)", "[0,1[", r"0 \le x < 1", r"x \in [0,1)", "1 > x \\ge 0"], ["(0,1)", "[0,1]", "(0,1]", "0,1", r"\{0,1\}", "0 < x < 1", "[0,2)"]),
        (r"(-\infty, 3]", [r"x \le 3", r"3 \ge x", "(-∞, 3]"], ["x < 3", r"x \ge 3", r"(-\infty, 3)", r"[3, \infty)"]),
        (r"(-\infty,0) \cup (1,\infty)", [r"(1,\infty) \cup (-\infty,0)", r"x < 0 \text{ or } x > 1"], [r"(-\infty,0)", r"(-\infty,1) \cup (0,\infty)", "(0,1)", r"(-\infty,0], (1,\infty)"]),
    ],
    "tuples and sets": [
        ("(1,2)", ["( 1, 2 )", r"\left(1,2\right)", "(1.0, 4/2)", "(x,y) = (1,2)"], ["(2,1)", r"\{1,2\}", "1,2", "[1,2]", "(1,2,3)", "(1,2),(1,2)"]),
        (r"\{1,2\}", [r"\{2,1\}", "1,2", r"2 \text{ and } 1"], ["(1,2)", "[1,2]", r"\{1,2,3\}", r"\{1\}", r"\{1,1,2\}", "3"]),
        ("1, 2, 2", ["2, 1, 2", r"\{1,2,2\}"], ["1, 2", "1, 1, 2", "1, 2, 2, 2"]),
        (r"\emptyset", [r"\{\}", r"\varnothing", "∅"], ["0", r"\{0\}", r"\text{none of these}"]),
        ("(1,2),(3,4)", ["(3,4),(1,2)", r"\{(1,2),(3,4)\}", r"(1,2) \text{ and } (3,4)"], ["(2,1),(4,3)", "(1,2,3,4)", "(1,2)"]),
    ],
    "matrices": [
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", [r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}", r"\begin{pmatrix} 1.0 & 2 \\ 6/2 & 4 \\ \end{pmatrix}"], [r"\begin{pmatrix} 1 & 2 \\ 3 & 5 \end{pmatrix}", r"\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}", "(1,2,3,4)", "-2"]),
    ],
    "equations": [
        ("5", ["x = 5", "5 = x", "f(2) = 5", "x = 2 + 3 = 5", "2 + 3 = 5", r"\text{Total} = 5"], ["7 = 5", "x + y = 5", "2x = 5", "x = 5 = 6", "x > 5", r"x \ne 5", "x = y", "5 = 5 = 6", "x^2 = 5", "0x = 5"]),
        ("x = 5", ["5", "x = 5", "5 = x", "x = 10/2", "x = 2 + 3 = 5"], ["y = 5", "x = 6", "x", "x = 5 = 6", "2x = 10", "x = 5, 6"]),
        ("y = 2x + 3", ["2x + 3", "y = 3 + 2x", "2x - y = -3", "4x - 2y + 6 = 0"], ["y = 2x", "y = 2x - 3", "x = 2y + 3", "2y + 3", "0 = 0", "y = y"]),
        ("x^2 + y^2 = 4", ["y^2 + x^2 - 4 = 0", r"\frac{x^2}{4} + \frac{y^2}{4} = 1"], ["x^2 + y^2 = 2", "4", "x^2 + y^2", "x^2 - y^2 = 4", "(x^2+y^2-4)(x+1) = 0"]),
        ("f(x) = x, f(x) = -x", ["-x, x", r"f(x) = -x \text{ or } f(x) = x", r"f(x) = \pm x"], ["f(x) = x", "f(x) = -x", "x, x"]),
    ],
    "chains and approximations": [
        (r"\sqrt{2}", [r"\sqrt{2} \approx 1.414", r"x = \sqrt{2} \approx 1.41", r"\frac{2}{\sqrt{2}} = \sqrt{2}"], [r"1.414", r"\sqrt{2} \approx 1.5", r"1.414 \approx \sqrt{2} + 1", r"\sqrt{3} \approx 1.414", r"\sqrt{2} \approx 1.414 \approx 1.4"]),
        ("9.94", [r"\frac{497}{50} \approx 9.94", r"\sqrt{98.8} \approx 9.94"], [r"9.9 \approx 9.94", r"\sqrt{98} \approx 9.94", r"9.94 \approx 10.5"]),
    ],
    "or lists": [("1, -2", [r"1 \text{ or } -2", r"x = 1 \text{ or } x = -2", "x = 1 or x = -2", r"-2 \text{ and } 1", "x = 1, -2", r"\{1, -2\}", "x_1 = 1, x_2 = -2"], [r"1 \text{ or } 2", "1", "x = 1", r"1 \text{ not } -2", "-1", "(1,-2)", "1 - 2"])],
    "words and choices": [
        (r"\text{Evelyn}", [r"\text{Evelyn.}", "Evelyn", r"\textbf{evelyn}", r"\mathrm{Evelyn}"], [r"\text{Eve}", r"\text{Evelyn or Navin}", r"\text{not Evelyn}", "E"]),
        (r"\text{(C)}", ["C", "(C)", r"\text{C}", r"\textbf{(C)}", "c"], ["B", "D", r"\text{C or D}", "(B), (C)", "x", "ABC"]),
        ("N", ["N", r"\mathrm{N}"], ["n", "M"]),
        (r"\text{even}", ["even", r"\text{Even}"], ["odd", "neve", r"\text{even and odd}"]),
    ],
    "bases and subscripts": [("52_8", ["52_{8}", r"52_{\text{eight}}", "052_8"], ["52", "42", "52_9", "52_{10}", "42_{10}", "53_8"]), ("x_1", ["x_{1}"], ["x_2", "x", "x1"])],
    "plus or minus": [
        (r"1 \pm \sqrt{2}", [r"1 + \sqrt{2}, 1 - \sqrt{2}", r"x = 1 \pm \sqrt{2}", r"\{1 - \sqrt{2}, 1 + \sqrt{2}\}", "1 ± √2", r"\frac{2 \pm \sqrt{8}}{2}"], [r"1 + \sqrt{2}", r"\pm 1 + \sqrt{2}" + " + 1", r"1 \pm \sqrt{3}", r"\pm \sqrt{2}", "1"]),
        ("2", [], [r"\pm 2", "2, -2"]),
    ],
    "wide spaces": [("58500", [r"58\,500", "58 500"], [r"58\quad500", "58, 500"]), ("58, 500", [r"58\quad 500"], ["58500"])],
    "decimals that go on": [
        (r"\frac{4}{9}", [r"0.444\ldots", "0.44..."], ["0.444", r"0.445\ldots", r"0.4\ldots"]),
        (r"\frac{7}{12}", [r"0.58333\ldots"], [r"0.583\ldots", r"0.58383\ldots"]),
        (r"\sqrt{3}", [], [r"1.732\ldots", r"1.7320508\ldots"]),
        (r"0.333\ldots", [r"\frac13"], ["0.333"]),
    ],
    "imaginary units": [("8 - 3i", ["8-i3", "-i3+8", r"8-3\cdot i"], ["8+i3", "8-3", "8-x3"]), ("3x", [], ["x3"])],
    "unevaluated": [
        ("5050", [], [r"\sum_{k=1}^{100} k", r"1 + 2 + \cdots + 100", r"\binom{101}{2}"]),
        ("120", [r"2^3 \cdot 15"], [r"\binom{10}{3}", "5!", r"\prod_{k=1}^5 k", r"\max(120, 3)"]),
        (r"\frac13", [], [r"\int_0^1 x^2 dx", r"\lim_{n\to\infty} \frac{n}{3n+1}"]),
        (r"\binom{2n}{n}", [r"\frac{(2n)!}{n!\,n!}"], [r"\frac{(2n)!}{n!}", "2n"]),
        ("26!", ["26!", r"26 \cdot 25!"], ["25!", "26"]),
        ("142", [r"\lfloor 1000/7 \rfloor = 142", r"x = \sqrt{20164} = 142"], [r"\lfloor 1000/7 \rfloor", r"\sqrt{20164}", "20164^{1/2}", "20164^{0.5}", "|-142|", "|142i|", r"\frac{142\pi}{\pi}", r"142 \ln e", r"\lfloor 142 \rfloor = \lceil 142 \rceil", r"-142 i^2"]),
        ("9", [], [r"129^{34}+96^{38}-11\lfloor\frac{129^{34}+96^{38}}{11}\rfloor"]),
        ("31", [], [r"\lfloor \log_{10} 2^{100} \rfloor + 1"]),
        ("5", [r"\sqrt{3^2+4^2} = 5", r"\log_2 32 = 5", "5 = |3+4i|"], ["|3+4i|", "(1+2i)(1-2i)", r"\log_2 32", r"-5\cos\pi", "-5e^{i\\pi}"]),
        ("6765", [], [r"\frac{1}{\sqrt5}\left(\left(\frac{1+\sqrt5}{2}\right)^{20}-\left(\frac{1-\sqrt5}{2}\right)^{20}\right)"]),
        (r"\frac{\sqrt{3}}{2}", [r"\cos 30^\circ = \frac{\sqrt3}{2}", r"\sqrt{0.75}"], [r"\cos 30^\circ", r"\sqrt{1-\cos^2 60^\circ}"]),
        (r"-\frac{\pi}{6}", [r"-\pi/6", r"\arcsin(-\frac12) = -\frac{\pi}{6}"], [r"-\arcsin 0.5"]),
        ("1, 2", [r"x = \sqrt{4} = 2, x = 1"], [r"1, \sqrt{4}", r"x = \sqrt{4}, x = 1"]),
        (r"(2, \infty)", [], [r"(\log_2 4, \infty)"]),
        ("e^2", [r"\exp(2)", r"\exp 2"], []),
        (r"\frac34", [r"1-\frac14"], [r"\sqrt{\frac{9}{16}}", "0.5+0.25", r"\frac{2+1}{4}", r"\frac{1+2}{2+2}"]),
        (r"\begin{pmatrix} 4 \\ 6 \end{pmatrix}", [], [r"\begin{pmatrix} 1+3 \\ 2+4 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix} + \begin{pmatrix} 3 \\ 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix} \begin{pmatrix} 4 \\ 6 \end{pmatrix}"]),
    ],
    "expressions": [
        (r"\frac{n(n+1)}{2}", ["n(n+1)/2", r"\frac{n^2+n}{2}", r"\frac12 n (n+1)", r"\frac{n}{2}(n+1)"], ["n(n+1)", r"\frac{n(n-1)}{2}", r"\frac{m(m+1)}{2}", "n^2/2"]),
        ("|x|", [r"\sqrt{x^2}", r"\lvert x \rvert", "|-x|"], ["x", "-x", "x^2"]),
        ("|x-8|", ["|8-x|", r"\sqrt{(x-8)^2}"], ["8-x", "x-8"]),  # the corner lies beyond the first points
        (r"\sqrt{(x-8)^2}", ["|x-8|", "((8-x)^2)^{1/2}"], ["8-x", "x-8"]),
        ("((x-8)^2)^{-1/2}", [r"\frac{1}{|x-8|}"], [r"\frac{1}{8-x}"]),
        ("3|2y-30|", ["|6y-90|"], ["90-6y"]),
        (r"\sqrt{x+9}", [r"3\sqrt{\frac{x}{9}+1}"], [r"3+\frac{x}{9}"]),
        (r"\sqrt{4 \pi r^2}", [r"2 r \sqrt{\pi}"], [r"4 r \sqrt{\pi}", r"2 r \pi"]),
        (r"\lfloor n/2 \rfloor", [r"\lceil (n-1)/2 \rceil"], ["n/2", r"\lceil n/2 \rceil"]),
        (r"10^{20}x + 1", ["1 + 10^{20} x"], ["10^{20}x + 2", "10^{20}x"]),
        ("0", ["0.0", r"\sin \pi = 0"], [r"\sqrt{2} - \sqrt{2}", r"\sin \pi", "1e-300", r"\sqrt{2} \cdot 10^{-90}", "e^{-300}"]),
        (r"\frac{1}{2^{99}}", ["2^{-99}"], [r"\frac{1}{2^{98}}", "0", r"\frac{1}{2^{99}+1}"]),
        (r"\sin x", [r"\cos(\frac{\pi}{2} - x)", r"\operatorname{sin}(x)"], [r"\cos x", "x", r"\sin 2x"]),
        ("2^{3^2}", ["512", "2^9"], ["64"]),
        (r"\log_2 n", [r"\frac{\ln n}{\ln 2}"], [r"\ln n", r"\log_3 n"]),
    ],
    "fragments": [("(a+5)(b+2)", ["(b+2)(a+5)", "ab + 2a + 5b + 10"], ["a+5", "b+2", "a+5, b+2", "(a+5)+(b+2)"]), ("20\\pi", ["20 π"], ["20", r"\pi", r"20, \pi"])],
}  # fmt: skip
CASES = [(name, gold, right, wrong) for name, rows in SEMANTICS.items() for gold, right, wrong in rows]


@pytest.mark.parametrize(("name", "gold", "right", "wrong"), CASES, ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_semantics(name: str, gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in [gold, *right] if compare(gold, answer).equal is not True] == []
    assert [answer for answer in wrong if compare(gold, answer).equal is not False] == []


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        ("小明", [r"\text{小明}", "小明。", "$小明$"], ["小红", "小", "小明小红", "1"]),
        (r"\text{Да}", ["да", "Да."], ["нет"]),
        (r"a \foo b_{1}", [r"a\foo b_1", r"a\,\foo\, b_{1}."], [r"A \foo b_1", r"b_1 \foo a", r"a \foo b"]),
        (r"\foo{\frac{1}{23}}", [r"\foo{\frac{1}{23}}"], [r"\foo{\frac{12}{3}}", r"\foo{\frac{1}{2}3}"]),
        (r"\foo 1 2", [r"\foo 1 2"], [r"\foo 12"]),
    ],
)
def test_a_gold_that_cannot_be_read_is_compared_as_text(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in right if compare_as_text(gold, answer) != (True, "text", "")] == []
    reason = "not the text of the gold, which cannot be read in any other way"
    assert [answer for answer in wrong if compare_as_text(gold, answer) != (False, "text", reason)] == []


@pytest.mark.parametrize(
    ("gold", "parts"),
    [
        ("3, 4", ["3", "4"]),
        (r"x = 3 \text{ and } y = 4", ["x = 3", "y = 4"]),
        ("1,234, 5", ["1,234", "5"]),
        ("(1,2),(3,4)", ["(1,2)", "(3,4)"]),
        (r"\text{yes}; 4", [r"\text{yes}", "4"]),
        *[
            (one, [one])
            for one in ("5", "1,234", "(1,2)", r"\{1,2\}", r"1 \pm 2", r"\text{Tom, Ann}", r"\max(1,2), 3", "")
        ],
    ],
)
def test_the_parts_of_a_gold(gold: str, parts: list[str]) -> None:
    assert parts_of(gold) == tuple(parts)


def test_some_comparisons_are_left_to_the_worker() -> None:
    assert compare(r"\max(a, b)", r"\max(b, a)") == (None, "gate", r"the gold cannot be read: \max is not known here")
    assert compare(r"\operatorname{sech}(x)", "1").equal is None
    assert compare("t(0,4]", "(0,4]").equal is None


@pytest.mark.parametrize(("gold", "answer"), [(g, a) for g, a in HACKS if "cases" not in a])
def test_hacks_are_refused_without_a_worker(gold: str, answer: str) -> None:
    assert compare(gold, answer).equal is False


@pytest.mark.parametrize(("gold", "answer"), HONEST)
def test_honest_answers_need_no_worker(gold: str, answer: str) -> None:
    assert compare(gold, answer if not answer.startswith(r"\boxed") else answer[7:-1]).equal is True


@pytest.mark.parametrize(("gold", "answer"), BOMBS)
def test_bombs_are_harmless_here(gold: str, answer: str) -> None:
    started = time.thread_time()
    assert compare(gold, answer[:2000]).equal is not True
    assert time.thread_time() - started < 20  # not a benchmark: a bomb that goes off takes minutes


_NUMBERS = st.fractions(max_denominator=50)


@given(_NUMBERS, _NUMBERS)
def test_numbers_are_equal_both_ways_or_neither(one: object, other: object) -> None:
    gold, answer = str(one), str(other)
    assert compare(gold, answer).equal == compare(answer, gold).equal == (one == other)
    assert compare(gold, gold).equal is True


_EXPRESSIONS = st.sampled_from([gold for _, gold, _, _ in CASES] + [gold for gold, _ in HONEST])


@settings(max_examples=200)
@given(
    _EXPRESSIONS,
    st.sampled_from([" ", r"\,", r"\displaystyle ", r"\quad "]),
    st.sampled_from(["", ".", " ", r"\,", "\n"]),
)
def test_typesetting_around_an_answer_changes_nothing(gold: str, before: str, after: str) -> None:
    assert compare(gold, before + gold + after).equal is True


@settings(max_examples=200)
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_a_list_is_free_and_its_size_is_not(items: list[int], dice: object) -> None:
    shuffled = list(items)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    gold, answer = ", ".join(map(str, items)), ", ".join(map(str, shuffled))
    assert compare(gold, answer).equal is True
    assert compare(gold, answer + f", {items[0]}").equal is False
    assert compare(gold, ", ".join(map(str, shuffled[1:]))).equal is False


@settings(max_examples=300)
@given(_EXPRESSIONS, st.text(st.characters(codec=None), max_size=100))
def test_any_text_is_compared(gold: str, answer: str) -> None:
    assert compare(gold, answer).equal in (True, False, None)
    assert compare(answer, gold).equal in (True, False, None)


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (r"\frac{\sqrt7}{5} \approx 0.529", [r"\frac{\sqrt{7}}{5}", "0.529", r"\approx 0.529", r"s = 0.529",
         r"\frac{\sqrt{7}}{5} \approx 0.529", r"s=\frac{\sqrt7}{5}\approx 0.529"],
         ["0.53", "0.5292", r"\frac{\sqrt7}{4}", r"\frac{\sqrt7}{4} \approx 0.529", r"\frac{529001}{1000000} \approx 0.529",
          r"\frac{\sqrt7}{5} \approx 0.6", r"0.529 \approx 0.53", r"\frac{\sqrt7}{5}=0.529"]),
        (r"s = \frac{\ln 3}{2} \approx 0.549", [r"\frac{\ln 3}{2}", "0.549", r"s \approx 0.549", r"s=\frac{\ln 3}{2}"],
         [r"t = 0.549", "0.55", r"\frac{\ln 2}{3}", r"t=\frac{\ln 3}{2}"]),
        (r"\frac{20}{3} \text{ cm} \approx 6.67 \text{ cm}", [r"\frac{20}{3}", r"6.67\text{ cm}"], ["6.7", "6.667"]),
        (r"\sqrt2 \approx 1.41, \sqrt7 \approx 2.65", [r"\sqrt2, \sqrt7", "1.41, 2.65"], ["1.41, 2.64", r"\sqrt2"]),
        (r"\sqrt2 \approx 1.5", [r"\sqrt2 \approx 1.5"], ["1.5"]),
        (r"12.6 \approx 13", [r"12.6 \approx 13"], ["12.6", "13"]),
        (r"\approx 0.529", ["0.529", r"\approx 0.529", r"s \approx 0.529"], ["0.53"]),
        ("0.529", ["0.529"], [r"\frac{\sqrt7}{5}", "0.53"]),
    ],
)  # fmt: skip
def test_a_gold_that_is_given_exactly_and_rounded(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in right if not compare(gold, answer).equal] == []
    assert [answer for answer in wrong if compare(gold, answer).equal] == []


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        ("f(x+3)", ["f(3+x)", "f(x+3)"], ["fx+3f", "f(x+2)", "g(x+3)", "f(x)+3", "f(-x-3)"]),
        ("2g(x-4)+1", ["1+2g(-4+x)", "g(x-4)*2+1"], ["2gx-8g+1", "2g(x-4)"]),
        ("f(x)+f(y)", ["f(y)+f(x)"], ["f(x+y)", "fx+fy"]),
        ("f(2x,y+1)", ["f(x+x,1+y)"], ["f(y+1,2x)", "f(2x,y)"]),
        (r"\frac{h(a+b)}{2}", [r"\frac{ha+hb}{2}", r"\frac12 h(b+a)"], ["h(a+b)"]),
        ("P(1+r)^2", ["P(1+2r+r^2)"], ["P(1+r)"]),
    ],
)
def test_a_function_at_an_expression_is_no_product(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in right if not compare(gold, answer).equal] == []
    assert [answer for answer in wrong if compare(gold, answer).equal is not False] == []


@pytest.mark.parametrize(
    ("question", "gold", "answer", "restated"),
    [
        ("Factor $x^2-1$", "(x-1)(x+1)", "x^2 - 1", True),
        ("Simplify $\\dfrac{x^2}{x}$", "x", r"\frac{x^2}{x}", True),
        ("What is $\\frac{1}{2}$ of 1?", "0.5", r"\frac{1}{2}", False),
        ("What is 5?", "5.0", "5", False),
        ("Is it $x^2-1$?", "x^2-1", "x^2 - 1", False),
        ("Solve $x+1=6$", "x=5", "x = 5", False),
        ("", "12", "3 \\cdot 4", False),
    ],
)
def test_restating_the_question(question: str, gold: str, answer: str, restated: bool) -> None:
    assert restates(question, gold, answer) is restated


@pytest.mark.parametrize(
    ("gold", "answer", "difference"),
    [
        (r"\max(a, b)", r"\max(b, a)", ""),
        (r"\max(a, b)", r"\max(b, a) \text{ or less}", "'or less' is not part of the gold"),
        (r"\max(a, b)", r"\max(b, a), 3", "a different number of parts"),
        (r"\max(a, b)", r"x = \max(b, a)", "a different equation"),
        (r"\max(a, b)", r"\max(b, c)", "different symbols than the gold"),
        (r"\max(a, 52_8)", r"\max(a, 52_9)", "a different base"),
        (r"\max(a, b]", r"\max(a, b)", "different brackets"),
        (r"\sum_{k=1}^n a_k", r"\sum_{j=1}^n a_j", ""),
        (r"\sum_{k=1}^n k", r"\frac{n(n+1)}{2}", ""),
    ],
)
def test_differences_that_math_verify_overlooks(gold: str, answer: str, difference: str) -> None:
    assert overlooked_difference(gold, answer) == difference


@given(st.from_regex(r"-?([0-9]{1,30}(\.[0-9]{1,30})?|\\frac\{[0-9]{1,20}\}\{[0-9]{1,20}\})", fullmatch=True))
def test_numbers_read_at_sight_are_what_the_parser_reads(text: str) -> None:
    assert readings_of(text) == (parse(text),)
