r"""A small reader of LaTeX answers: numbers, expressions, lists, tuples, intervals, sets, matrices, equations.

It turns one normalised answer into a tree of tuples ``(op, *parts)``, the whole of it or nothing. It does not guess
(`MalformedError`: no reader would take the text as one answer), does not evaluate, and does not know operators such as
sums and integrals (`UnsupportedError`: the worker may know them). It caps every input before and while it reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from justtinker_plugins.shared.latex.applied import NAMES_OF_FUNCTIONS, are_arguments, are_simple_arguments
from justtinker_plugins.shared.latex.tokens import (
    END,
    FUNCTIONS,
    LETTERS,
    MalformedError,
    Token,
    TokenStream,
    TooLargeError,
    UnsupportedError,
    continued_decimal,
    decimal_literal,
    joined,
    repeating_decimal,
    tokenise,
)  # fmt: skip
from justtinker_plugins.shared.latex.units import is_unit

Node = tuple[Any, ...]
"""``("num", Fraction(5))``, ``("add", (a, b))``, ``("rel", sides, signs)``, ``("tuple", "[)", parts)`` and so on."""

MAX_DEPTH = 40
_CLOSING, _BRACE, _END = Token("op", "}"), frozenset({"}"}), frozenset({"end"})
_PM, _MP, _FRAC, _LDOTS = (Token("cmd", name) for name in (r"\pm", r"\mp", r"\frac", r"\ldots"))
_ROUND, _SLASH, _INDEX = (Token("op", sign) for sign in "(/_")
_ENDS_FACTOR = frozenset([END, *(Token("op", sign) for sign in "+-,;)]}=<>")])
"""What is no factor, and belongs to none."""
_I: Node = ("const", "i")

_ACCENTS = frozenset("dot ddot vec hat bar tilde widehat widetilde overline overrightarrow".split())  # noqa: SIM905
_RELATIONS = {
    "=": "=", "<": "<", ">": ">", r"\le": "<=", r"\ge": ">=", r"\neq": "!=", r"\approx": "~", r"\sim": "~",
    r"\in": "in", r"\equiv": "=", r"\colon": ":", ":": ":",
}  # fmt: skip
_BOUNDS = frozenset({"<", ">", "<=", ">="})
_LONE_LETTER = re.compile(r"\(?([A-Za-z])\)?\.?")
_MATRICES = frozenset({"pmatrix", "bmatrix", "matrix", "Bmatrix", "smallmatrix", "array"})
_OPEN, _CLOSE = {"(", "[", r"\{", "]", r"\langle"}, {")", "]", r"\}", "[", r"\rangle"}
_SIMPLE_FRACTION = re.compile(
    r"\\frac(?:\{(?P<top>[0-9]{1,18})\}|(?P<top_digit>[0-9]))(?:\{(?P<bottom>[0-9]{1,18})\}|(?P<bottom_digit>[0-9]))"
    r"(?!\^(?!\\circ)|!)"
)
_SEPARATORS = {",", ";"}
_CONJUNCTIONS = {"or", "and", ", or", ", and", "and/or"}


def parse(text: str, *, thousands: bool = False, units: bool = True, sums: bool = False) -> Node:
    r"""Read a whole normalised text as one tree. Raises MalformedError, UnsupportedError or TooLargeError.

    With `sums`, ``\sum_{k=1}^n a_k`` is a ``("big", "sum", "k", low, high, body)`` instead of unsupported.
    """
    reader = _Reader(tokenise(text, thousands=thousands, units=units), sums)
    node = reader.items(closers=_END)
    if reader.peek is not END:
        raise MalformedError(f"expected the end, got {reader.peek.value!r}")
    return node


class _Reader(TokenStream):
    """Recursive descent over the tokens, with one method per grammar rule."""

    def __init__(self, tokens: list[Token], sums: bool = False) -> None:
        super().__init__(tokens)
        self.depth = self.bars = 0
        self.sums = sums
        self.indices: list[str] = []

    # -- lists, relations, unions ------------------------------------------------------------------------------

    def items(self, closers: frozenset[str]) -> Node:
        """``a, b or c``: a single item as it is, several as a list; two bounds joined by "and" as ``both``."""
        nodes: list[Node] = []
        has_and = False
        while not self._at_closer(closers - {"["}):  # here, "[" opens
            nodes.append(self.relation())
            if self._at_closer(closers):
                break
            has_and |= self.peek.kind == "text" and self.peek.value.lower().strip(" ,") == "and"
            if not self._take_separators():
                raise MalformedError(f"unexpected {self.peek.value!r}")
        if has_and and len(nodes) == 2 and all(node[0] == "rel" and node[2][0] in _BOUNDS for node in nodes):
            return ("both", *nodes)
        return nodes[0] if len(nodes) == 1 else ("list", tuple(nodes))

    def _at_closer(self, closers: frozenset[str]) -> bool:
        return self.peek is END or (self.peek.kind in ("op", "cmd") and self.peek.value in closers)

    def _take_separators(self) -> bool:
        found = False
        while self.take(*_SEPARATORS) or self._take_conjunction():
            found = True
        return found

    def _take_conjunction(self) -> bool:
        if self.peek.kind == "text" and self.peek.value.lower().strip(" ,") in _CONJUNCTIONS:
            self.at += 1
            return True
        return False

    def relation(self) -> Node:
        """``a = b < c``: the sides and the signs between them."""
        sides, signs = [self.union()], []
        while self.peek.kind in ("op", "cmd") and self.peek.value in _RELATIONS:
            signs.append(_RELATIONS[self.next().value])
            sides.append(self.union())
        return ("rel", tuple(sides), tuple(signs)) if signs else sides[0]

    def union(self) -> Node:
        parts = [self.sum()]
        while self.take(r"\cup"):
            parts.append(self.sum())
        whole: Node = ("union", tuple(parts)) if len(parts) > 1 else parts[0]
        return ("without", whole, self.sum()) if self.take(r"\setminus") else whole

    # -- sums, products, powers --------------------------------------------------------------------------------

    def sum(self) -> Node:
        terms, depth = [self.signed()], self.depth
        while self.peek.kind in ("op", "cmd") and self.peek.value in ("+", "-", r"\pm", r"\mp"):
            sign = self.next().value
            term = self.product()
            if sign in (r"\pm", r"\mp"):
                self.deeper()
                terms = [(sign[1:], _add(terms), term)]
            else:
                terms.append(("neg", term) if sign == "-" else term)
        self.depth = depth
        return _add(terms)

    def signed(self) -> Node:
        negative = False
        while self.peek.kind == "op" and self.peek.value in "+-":
            negative ^= self.next().value == "-"
        if self.peek == _PM or self.peek == _MP:
            return (self.next().value[1:], ("num", Fraction(0)), self.product())
        node = self.product()
        return ("neg", node) if negative else node

    def product(self) -> Node:
        node, depth = self.factor(), self.depth
        while True:
            if self.tokens[self.at] in _ENDS_FACTOR:
                self.depth = depth
                return node
            if self.take("*", r"\cdot", r"\times"):
                node = _mul(node, self.signed_factor())
            elif self.take("/", r"\div"):
                self.deeper()  # 1/1/1/... nests on the left
                node = ("div", node, self.signed_factor())
            elif self._at_unit() and not (_is_letter(self.peek) and _has_symbol(node)):
                self.deeper()
                node = ("unit", node, self._unit_name())
            elif self.peek.kind == "cmd" and self.peek.value in _CURRENCIES:
                node = ("unit", node, _CURRENCIES[self.next().value])
            elif self._at_factor():
                node = self._juxtaposed(node)
            else:
                self.depth = depth
                return node

    def signed_factor(self) -> Node:
        if self.take("-"):
            return ("neg", self.factor())
        self.take("+")
        return self.factor()

    def _juxtaposed(self, left: Node) -> Node:
        before, after = self.tokens[self.at - 1], self.peek
        is_imaginary = left == _I or (left[0] == "mul" and left[1][-1] == _I)  # i5 is 5i
        if after.kind == "num" and before.value not in (")", "]", "!") and not is_imaginary:
            raise MalformedError(f"{before.value!r} and {after.value!r} side by side")
        return _mul(left, self.factor())

    def _at_factor(self) -> bool:
        token = self.peek
        if token.kind in ("num", "sym", "begin"):
            return True
        if token.kind == "op":
            return (
                token.value in ("(", "{")
                or (token.value == "[" and self._bracket_multiplies())
                or (token.value == "|" and not self.bars)
            )
        return token.kind == "cmd" and (
            token.value[1:] in _STARTERS or (self.sums and token.value in (r"\sum", r"\prod"))
        )

    def _bracket_multiplies(self) -> bool:
        """Tell ``5[x+1]`` from ``[0,1[``, where the bracket closes, by looking for a bracket that closes this one."""
        depth = 0
        for token in self.tokens[self.at :]:
            if token.kind == "op" and token.value in "([{":
                depth += 1
            elif token.kind == "op" and token.value in ")]}":
                depth -= 1
                if not depth:
                    return token.value == "]"
        return False

    def _at_unit(self) -> bool:
        return self._is_unit_at(self.at)

    def _unit_name(self) -> str:
        """The whole unit after a number as one string: ``cm``, ``cm^2``, ``m/s``."""
        name = ""
        while True:
            if self._at_unit():
                name = f"{name} {self.next().value}".strip()
            elif self.take("^"):
                name += "^" + self.raw_argument()
            elif self.peek == _SLASH and self._is_unit_at(self.at + 1):
                self.at += 1
                name += "/"
            elif self.take(r"\cdot"):
                name += " "
            else:
                return name

    def _is_unit_at(self, at: int) -> bool:
        token = self.tokens[at] if at < len(self.tokens) else END
        return (token.kind == "text" or token.upright) and is_unit(token.value)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLargeError(f"nested more than {MAX_DEPTH} deep")

    def factor(self) -> Node:
        """A primary with its powers, factorials, degree and percent signs."""
        self.deeper()
        node = self.postfix(self._mixed_number(self.primary()))
        self.depth -= 1
        return node

    def _mixed_number(self, whole: Node) -> Node:
        r"""Join a whole number and the proper fraction after it, as in ``1\frac{4}{5}``, which is nine fifths.

        A sign before or after it belongs to both: ``12\frac12\%`` is an eighth. A bracket before the fraction, or a
        power after it, makes a product.
        """
        if self.peek != _FRAC or whole[0] != "num" or whole[1].denominator != 1:
            return whole
        ahead = _SIMPLE_FRACTION.match("".join(t.value for t in self.tokens[self.at : self.at + 9]))
        if not ahead or self.tokens[self.at - 1].value in (")", "]"):
            return whole
        top, bottom = (int(ahead[name] or ahead[name + "_digit"]) for name in ("top", "bottom"))
        return ("add", (whole, self.primary())) if 0 < top < bottom else whole

    def postfix(self, node: Node) -> Node:
        if self.tokens[self.at] in _ENDS_FACTOR:
            return node
        for _ in range(MAX_DEPTH):
            if self.take("^"):
                node = self._power(node)
            elif self.take("!"):
                node = ("fact", node)
            elif node[0] != "pct" and self.take(r"\%"):
                node = ("pct", node)
            else:
                return node
        raise TooLargeError("too many powers")

    def _power(self, base: Node) -> Node:
        if self.take(r"\circ"):
            return ("deg", base)
        self.deeper()
        exponent = self.argument()
        if self.take("^"):  # a tower of powers is right-associative
            exponent = self._power(exponent)
        self.depth -= 1
        return ("pow", base, exponent)

    # -- arguments ---------------------------------------------------------------------------------------------

    def argument(self, *, one_digit: bool = False) -> Node:
        """``{...}``, or one signed number, letter or command.

        TeX takes one digit of an unbraced number. With `one_digit` so does this; in powers people mean all digits.
        """
        if self.take("{"):
            if self.peek.kind == "num" and self.tokens[self.at + 1] == _CLOSING:  # as most are
                self.at += 2
                return ("num", decimal_literal(self.tokens[self.at - 2].value))
            node = self.items(_BRACE)
            self.expect("}")
            return node
        if not one_digit and self.take("-"):
            return ("neg", self.argument())
        if not one_digit:
            self.take("+")
        if one_digit and self.peek.kind == "num" and len(self.peek.value) > 1:
            if not self.peek.value.isdigit():
                raise MalformedError("a decimal without braces")
            self.tokens[self.at : self.at + 1] = [Token("num", self.peek.value[0]), Token("num", self.peek.value[1:])]
        self.deeper()
        node = self.primary()
        self.depth -= 1
        return node

    # -- primaries ---------------------------------------------------------------------------------------------

    def primary(self) -> Node:
        token = self.next()
        if token.kind == "num":
            return self._number(token.value)
        if token.kind == "sym":
            return self._symbol(token.value)
        if token.kind == "text":
            letter = _LONE_LETTER.fullmatch(token.value)
            return ("sym", letter[1]) if letter else ("text", token.value)
        if token.kind == "begin":
            return self._matrix(token.value)
        if token.value in _OPEN and token.kind in ("op", "cmd"):
            return self._bracket(token.value)
        if token.kind == "op":
            return self._operator(token.value)
        if token.kind == "cmd":
            return self._command(token.value)
        raise MalformedError("something is missing at the end" if token is END else f"unexpected {token.value!r}")

    def _number(self, raw: str) -> Node:
        if self.take("_"):
            base = self.raw_argument().lower().strip("()")
            return ("num", decimal_literal(raw)) if base in ("10", "ten") else ("base", raw, base)
        if self.peek.kind == "cmd" and self.peek.value in (r"\overline", r"\bar", r"\dot") and "." in raw:
            self.next()
            return ("num", repeating_decimal(raw, self.raw_argument()))
        if raw.endswith(".") and [t.value for t in self.tokens[self.at : self.at + 3 : 2]] == ["(", ")"]:
            self.at += 3  # 0.(3)
            return ("num", repeating_decimal(raw, self.tokens[self.at - 2].value))
        if self.peek == _LDOTS and (value := continued_decimal(raw)) is not None:
            self.next()
            return ("num", value)
        return ("num", decimal_literal(raw))

    def _symbol(self, name: str) -> Node:
        """A letter with its subscript and primes, or a function at a place: ``C_{1}``, ``I(0)``, ``f(x+1)``."""
        while True:
            start = self.at
            if self.take("_"):
                index = self.raw_argument()
                if any(letter in index for letter in self.indices):  # a_k in a sum over k
                    self.at = start + 1
                    return ("call", name + "_", (self.argument(),))
                name += "_" + index
            elif self.take("'"):
                name += "'"
            else:
                break
        if name in ("e", "i", r"\pi") and name not in self.indices:
            return ("const", name)
        if name[0] in NAMES_OF_FUNCTIONS and self._values_ahead(6) == ["^", "{", "-", "1", "}", "("]:
            name, self.at = name + "^{-1}", self.at + 5
        inside = self._inside_brackets()
        if are_simple_arguments(name, inside) and not {name, *(t.value for t in inside)} & set(self.indices):
            self.at += len(inside) + 2
            return ("sym", f"{name}({joined(inside)})")
        return self._call(name) if are_arguments(name, inside) else ("sym", name)

    def _values_ahead(self, count: int) -> list[str]:
        return [token.value for token in self.tokens[self.at : self.at + count]]

    def _inside_brackets(self) -> list[Token]:
        """The tokens between the round brackets that open here; none if there are no such brackets."""
        depth = 0
        for end in range(self.at, len(self.tokens) if self.peek == _ROUND else 0):
            value = self.tokens[end].value
            depth += (value == "(") - (value == ")")
            if not depth:
                return self.tokens[self.at + 1 : end]
        return []

    def _call(self, name: str) -> Node:
        """``f(x+1)``: a function, known by its name only, at a place."""
        self.deeper()
        bars, self.bars = self.bars, 0
        self.expect("(")
        arguments = [self.sum()]
        while self.take(","):
            arguments.append(self.sum())
        self.expect(")")
        self.bars = bars
        self.depth -= 1
        return ("call", name, tuple(arguments))

    def _big_operator(self, name: str) -> Node:
        """``\\sum_{k=1}^n a_k``: the body is the product that follows, up to a plus or minus."""
        start = self._values_ahead(4)
        if start[:2] != ["_", "{"] or self.tokens[self.at + 2].kind != "sym" or start[3] != "=":
            raise UnsupportedError(f"\\{name} without an index and bounds is not known here")
        self.at += 4
        low = self.sum()
        self.expect("}")
        self.expect("^")
        high: Node = ("sym", self.next().value) if self.peek.kind == "sym" else self.argument()
        self.deeper()
        self.indices.append(start[2])
        body = self.signed()
        self.indices.pop()
        self.depth -= 1
        return ("big", name, start[2], low, high, body)

    def _bracket(self, opening: str) -> Node:
        self.deeper()
        bars, self.bars = self.bars, 0
        inside = self.items(frozenset(_CLOSE if opening in "[]" else _CLOSE - {"["}))
        closing = self.next()
        if closing.value not in _CLOSE:
            raise MalformedError(f"{opening!r} is never closed")
        self.bars = bars
        self.depth -= 1
        if opening == r"\{" or closing.value == r"\}":
            return _set(opening, closing.value, inside)
        if opening == r"\langle" or closing.value == r"\rangle":
            return _vector(opening, closing.value, inside)
        if inside[0] != "list":
            if opening + closing.value not in ("()", "[]"):
                raise MalformedError(f"{opening!r} is closed by {closing.value!r}")
            return inside
        french = {"]": "(", "[": ")"}
        left = french["]"] if opening == "]" else opening
        right = french["["] if closing.value == "[" else closing.value
        return ("tuple", left + right, inside[1])

    def _operator(self, value: str) -> Node:
        if value == "{":
            self.at -= 1
            return self.argument()
        if value == "|":
            self.bars += 1
            node = self.sum()
            self.expect("|")
            self.bars -= 1
            return ("fn", "abs", node)
        if value in "+-":
            self.at -= 1
            return self.signed()
        raise MalformedError(f"unexpected {value!r}")

    def _command(self, value: str) -> Node:
        name = value[1:]
        if name in LETTERS:
            return self._symbol(value)
        if name in FUNCTIONS:
            return self._function(name)
        if name in _ACCENTS:
            return self._symbol(f"{value}{{{self.raw_argument()}}}")
        rule = _COMMANDS.get(name)
        if self.sums and name in ("sum", "prod"):
            return self._big_operator(name)
        if rule is None:
            raise (UnsupportedError if name in _KNOWN_TO_SYMPY else MalformedError)(f"{value} is not known here")
        return rule(self)

    def _function(self, name: str) -> Node:
        """``\\sin^2 x``, ``\\log_2 n``: a power applies to the value, but ``^{-1}`` makes the inverse function."""
        base = self.argument() if name == "log" and self.take("_") else None
        power = self.argument() if self.take("^") else None
        if base is None and name == "log" and self.take("_"):
            base = self.argument()
        inverse = power == ("neg", ("num", Fraction(1)))
        node: Node = ("fn", ("arc" if inverse else "") + name, self._function_argument())
        if base is not None:
            node = ("div", ("fn", "ln", node[2]), ("fn", "ln", base))
        return node if power is None or inverse else ("pow", node, power)

    def _function_argument(self) -> Node:
        if self.peek.kind == "op" and self.peek.value in "({[|":
            return self.argument() if self.peek.value != "|" else self.primary()
        negative = self.take("-")
        node = self.factor()
        while (
            self._at_factor()
            and not (self.peek.kind == "op" and self.peek.value in "([|")
            and not (self.peek.kind == "cmd" and self.peek.value[1:] in FUNCTIONS)
        ):
            node = self._juxtaposed(node)
        return ("neg", node) if negative else node

    def _fraction(self) -> Node:
        top = self.argument(one_digit=True)
        return ("div", top, self.argument(one_digit=True))

    def _root(self) -> Node:
        degree: Node = ("num", Fraction(2))
        if self.take("["):
            degree = self.sum()
            self.expect("]")
        return ("root", degree, self.argument())

    def _binomial(self) -> Node:
        top = self.argument(one_digit=True)
        return ("binom", top, self.argument(one_digit=True))

    def _enclosed(self, closing: str, name: str) -> Node:
        node = self.sum()
        self.expect(closing)
        return ("fn", name, node)

    def _figure_name(self, name: str) -> Node:
        while self.peek.kind == "sym" or self.peek == _INDEX:
            token = self.next()
            name += " " + token.value if token.kind == "sym" else "_" + self.raw_argument()
        return ("sym", name)

    def _matrix(self, kind: str) -> Node:
        """The rows of a ``pmatrix`` or the like. The kind of bracket does not matter, but bars make a determinant."""
        if kind not in _MATRICES and (kind != "cases" or Token("op", "&") in self.tokens):
            raise UnsupportedError(f"{kind} is not known to the quick reader")
        if kind == "array":
            self.raw_argument()
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            if self.peek.kind == "end" and self.peek is not END:
                self.next()
                break
            row.append(self.relation())
            if kind == "cases":
                self.take(",", ";")
            if self.take("\\\\"):
                rows.append(tuple(row))
                row = []
            elif not self.take("&") and self.peek.kind != "end":
                raise MalformedError(f"unexpected {self.peek.value!r} in a matrix")
            elif self.peek is END:
                raise MalformedError(f"{kind} is never closed")
        if row:
            rows.append(tuple(row))
        return ("matrix", tuple(rows)) if kind != "cases" else _system(rows)


def _currency_rule(name: str) -> Callable[[_Reader], Node]:
    return lambda reader: ("unit", reader.factor(), name)


_CURRENCIES = {r"\$": "dollars", r"\euro": "euros", r"\pounds": "sterling", r"\yen": "¥"}
_COMMANDS: dict[str, Callable[[_Reader], Node]] = {
    "frac": _Reader._fraction,
    "sqrt": _Reader._root,
    "binom": _Reader._binomial,
    "lfloor": lambda reader: reader._enclosed(r"\rfloor", "floor"),
    "lceil": lambda reader: reader._enclosed(r"\rceil", "ceil"),
    "emptyset": lambda reader: ("set", ()),
    "style": lambda reader: reader.argument(),
    "angle": lambda reader: reader._figure_name(r"\angle"),
    "triangle": lambda reader: reader._figure_name(r"\triangle"),
    "ldots": lambda reader: ("sym", r"\ldots"),
    **{sign[1:]: _currency_rule(name) for sign, name in _CURRENCIES.items()},
}
_KNOWN_TO_SYMPY = frozenset(
    "sum prod int iint iiint oint lim choose max min gcd lcm det sup inf bmod pmod mod sgn sech csch arccot arcsec "  # noqa: SIM905
    "arccsc overset underset stackrel cap setminus mid forall exists Re Im arg deg dim ker hom".split()
)
_STARTERS = frozenset(_COMMANDS) | FUNCTIONS | LETTERS | _ACCENTS


def _is_letter(unit: Token) -> bool:
    r"""Whether a unit may be a second letter beside a first one: the A of ``C \\text{ A}``."""
    return unit.upright or (len(unit.value) == 1 and unit.value.isupper())


def _has_symbol(node: Node) -> bool:
    return node[0] in ("sym", "call") or any(_has_symbol(part) for part in node if isinstance(part, tuple) and part)


def _add(terms: list[Node]) -> Node:
    return terms[0] if len(terms) == 1 else ("add", tuple(terms))


def _mul(left: Node, right: Node) -> Node:
    """Extend a product in place of nesting it, so that a long product stays shallow."""
    if "text" in (left[0], right[0]):
        raise MalformedError("words cannot be multiplied")
    return ("mul", (*left[1], right)) if left[0] == "mul" else ("mul", (left, right))


def _set(opening: str, closing: str, inside: Node) -> Node:
    if (opening, closing) != (r"\{", r"\}"):
        raise MalformedError(f"{opening!r} is closed by {closing!r}")
    return ("set", inside[1] if inside[0] == "list" else (inside,))


def _vector(opening: str, closing: str, inside: Node) -> Node:
    if (opening, closing) != (r"\langle", r"\rangle") or inside[0] != "list":
        raise MalformedError(f"{opening!r} is closed by {closing!r}, or does not hold a vector")
    return ("tuple", "()", inside[1])


def _system(rows: Sequence[tuple[Node, ...]]) -> Node:
    """A system of equations as a list of them. Functions defined by cases are unsupported."""
    if not rows or not all(len(row) == 1 and row[0][0] == "rel" and row[0][2] == ("=",) for row in rows):
        raise UnsupportedError("a cases block other than a system of equations is not known to the quick reader")
    return ("list", tuple(row[0] for row in rows)) if len(rows) > 1 else rows[0][0]
