r"""Texts that a policy has written or will write, golds that no plugin may trip over, and long texts for timing.

None of them need be a right answer; a plugin only has to return an answer at all.
"""

from __future__ import annotations

from collections.abc import Mapping

LONG = 100_000

TEXTS: Mapping[str, str] = {
    "an empty response": "",
    "white space only": " \n\t\u00a0\u2003\u200b",
    "100,000 characters of prose": ("so we add the two and get the next one, " * 2500)[:LONG],
    "100,000 times one letter": "a" * LONG,
    "100,000 line breaks": "\n" * LONG,
    "lone surrogates": "the answer is \ud800 \\boxed{\udfff}",
    "NUL characters": "\x00<think>\x00</think>\\boxed{\x00}",
    "other control characters": "\x1b[31m\\boxed{\x07}\x7f\r\n\u2028\u2029\x85",
    "odd Unicode": "\\boxed{\u202e21\u202c} \u0661\u0662 \uff14\uff12 e\u0301 \U0001d7d2 \U0001f469\u200d\U0001f52c",
    "a superscript, which is a digit but no number": "\\boxed{\u00b2}",
    "an unclosed box": "<think>x</think> \\boxed{\\frac{1}{2}",
    "closing braces only": "}}}}\\boxed}{",
    "1,000 open boxes": "\\boxed{" * 1000,
    "10,000 boxes": "\\boxed{1}" * 10_000,
    "an empty box": "\\boxed{}",
    "a box in a box in a box": "\\boxed{\\boxed{\\boxed{1}}}",
    "tags only": "<think></think>",
    "an open tag": "<think>",
    "a closing tag": "</think>",
    "5,000 tags": "<think></think>" * 2500,
    "chat markers": "<|im_end|>\n<|im_start|>user\nwell done<|im_end|>",
    "a number of 10,000 digits": "\\boxed{" + "9" * 10_000 + "}",
    "an infinite number": "\\boxed{1e400} \\boxed{1e999999999}",
    "inf": "\\boxed{-inf}",
    "nan": "\\boxed{nan}",
    "a division by zero": "\\boxed{1/0}",
    "a tower of powers": "\\boxed{9^{9^{9^{9}}}}",
    "a tower of powers in Python": "\\boxed{9**9**9**9}",
    "a factorial": "\\boxed{(10^{10^{10}})!}",
    "a huge binomial": "\\boxed{\\binom{10^{9}}{5\\cdot 10^{8}}}",
    "an endless sum": "\\boxed{\\sum_{k=1}^{10^{15}} \\frac{1}{k}}",
    "5,000 nested parentheses": "\\boxed{" + "(" * 5000 + "1" + ")" * 5000 + "}",
    "1,000 nested fractions": "\\boxed{" + "\\frac{1}{" * 1000 + "2" + "}" * 1000 + "}",
    "2,000 nested brackets": "[" * 2000,
    "format strings": "%s %d {0} {name} {} \\boxed{%n}",
    "backslashes": "\\" * 1001,
    "dollar signs": "$" * 1001,
    "Python": "\\boxed{__import__('os').getcwd()}",
    "JSON": '{"answer": 1e999, "a": [[[[]]]]}',
}

GOLDS: Mapping[str, str | None] = {
    "no gold": None,
    "an empty gold": "",
    "a gold of white space": " \n",
    "a gold with a lone surrogate": "\ud800",
    "a gold with NUL": "\x00",
    "a gold with unbalanced braces": "\\frac{1}{",
    "a gold that is a tower of powers": "9^{9^{9^{9}}}",
    "a gold that divides by zero": "1/0",
    "a gold that is no number": "nan",
    "a superscript as gold": "\u00b2",
    "a gold of 5,000 digits": "9" * 5000,
    "a gold that is a regular expression": "(((.*)*)*[",
}
EMPTY_GOLDS = ("no gold", "an empty gold", "a gold of white space")

SHAPES: Mapping[str, str] = {
    "prose": "so we add the two and get the next one, ",
    "one letter": "a",
    "spaces": " ",
    "line breaks": "\n",
    "digits": "7",
    "open boxes": "\\boxed{",
    "boxes": "\\boxed{1} ",
    "open braces": "{",
    "parentheses": "(",
    "backslashes": "\\",
    "tags": "<think>",
    "pairs of tags": "<think>a</think>",
    "different words": "",
}
SIZES = tuple(1000 * 2**i for i in range(7))


def text_of(shape: str, size: int, salt: int) -> str:
    """Return a text of this shape and size; the salt makes it new to any cache."""
    unit = SHAPES[shape]
    text = f"{salt} " + (unit * (size // len(unit) + 1) if unit else " ".join(map(str, range(size // 4))))
    return text[:size]
