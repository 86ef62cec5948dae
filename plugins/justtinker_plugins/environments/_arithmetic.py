"""Exact arithmetic on a text that a policy wrote: read by Python's own parser, computed node by node, never run.

Whole and decimal numbers, ``+ - * /`` (in the signs of typography and of LaTeX too), a minus in front, parentheses. No
powers, names or functions: so no result has more digits than the text, and that has at most `MOST_CHARS`.

>>> from justtinker_plugins.environments._arithmetic import compute
>>> compute("0.5*8")
Computed(value=Fraction(4, 1), numbers=[Fraction(1, 2), Fraction(8, 1)], operations='*', negated=False)
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

MOST_CHARS = 200

_PLAIN = (
    (re.compile(r"\u00d7|\u00b7|\\times(?![a-zA-Z])|\\cdot(?![a-zA-Z])"), "*"),
    (re.compile(r"\u00f7|\\div(?![a-zA-Z])"), "/"),
    (re.compile(r"\u2212"), "-"),
    (re.compile(r"\\left(?![a-zA-Z])|\\right(?![a-zA-Z])|\\[,;! ]|\$"), " "),
)
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_READABLE = re.compile(r"(?:[-+*/() ]|[0-9]+(?:\.[0-9]+)?)*")
_OPERATIONS: dict[type[ast.operator], tuple[str, Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
}


@dataclass
class Computed:
    """A value and what it was made from, in the order of the text."""

    value: Fraction = Fraction(0)
    numbers: list[Fraction] = field(default_factory=list)
    operations: str = ""
    """A sign each."""
    negated: bool = False
    """There is a minus in front of something, which is no operation of two numbers."""


def compute(text: str) -> Computed:
    """The value of an expression. ValueError says in a few words why it has none; nothing of the text is in them."""
    if len(text) > MOST_CHARS:
        raise ValueError(f"longer than {MOST_CHARS} characters")
    for pattern, plain in _PLAIN:
        text = pattern.sub(plain, text)
    while (simpler := _FRACTION.sub(r"((\1)/(\2))", text)) != text:
        text = simpler
    text = text.strip()
    if not _READABLE.fullmatch(text):
        raise ValueError("not an expression of numbers, + - * / and parentheses")
    found = Computed()
    try:
        found.value = _value(ast.parse(text, mode="eval").body, text, found)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("not a whole expression") from None
    except ZeroDivisionError:
        raise ValueError("division by zero") from None
    return found


def _value(node: ast.expr, text: str, found: Computed) -> Fraction:
    match node:
        case ast.Constant():  # read again: Python has made a float of 0.1
            found.numbers.append(Fraction(text[node.col_offset : node.end_col_offset]))
            return found.numbers[-1]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            found.negated = True
            return -_value(operand, text, found)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            sign, apply = _OPERATIONS[type(op)]
            first = _value(left, text, found)
            found.operations += sign
            return apply(first, _value(right, text, found))
    raise ValueError("only numbers, + - * / and parentheses")
