r"""Whether brackets after a letter hold the arguments of a function, ``f(x+1)``, or a factor, ``h(a+b)``.

LaTeX does not tell. Numbers and letters alone are arguments (``C(n)``, ``I(0)``). An expression is an argument of f,
and of the other letters for functions if it is made of the letters that people give to functions: ``g(m-M)``,
``h(a+b)/2`` and ``P(1+r)`` are products in physics, geometry and finance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from justtinker_plugins.shared.latex.tokens import LETTERS, Token

NAMES_OF_FUNCTIONS = frozenset("fghFGH")
_USUAL_LETTERS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys("ghFGH", frozenset("xyzstn")),
    **dict.fromkeys("pqPQ", frozenset("x")),
}
"""What the arguments of a function of this name consist of."""
_COMMA = Token("op", ",")
MOST_TOKENS = 11


def are_simple_arguments(name: str, inside: Sequence[Token]) -> bool:
    """Whether brackets after a name hold numbers and letters, as in ``C(n,2)``.

    A sign may stand before one of several (``E(x,+0)``), or before the one of a function (``f(-1)``).
    """
    if len(inside) > MOST_TOKENS:
        return False
    may_have_sign = _COMMA in inside or name[0] == "f" or name[0] in _USUAL_LETTERS
    parts = [
        token
        for before, token in zip([_COMMA, *inside], inside, strict=False)
        if not (may_have_sign and before == _COMMA and token in (Token("op", "+"), Token("op", "-")))
    ]
    return len(parts) % 2 == 1 and all(
        token == _COMMA if at % 2 else token.kind in ("num", "sym") or token.value[1:] in LETTERS
        for at, token in enumerate(parts)
    )


def are_arguments(name: str, inside: Sequence[Token]) -> bool:
    """Whether brackets after a name hold the arguments of a function, as in ``f(x+1)``."""
    letters = {token.value for token in inside if token.kind == "sym"} - NAMES_OF_FUNCTIONS
    return bool(inside) and (name[0] == "f" or (bool(letters) and letters <= _USUAL_LETTERS.get(name[0], frozenset())))
