r"""A small reader of LaTeX answers: numbers, expressions, lists, tuples, intervals, sets, matrices, equations.

What it does: turn one normalised answer into a tree of tuples ``(op, *parts)``, the whole of it or nothing. What it
does not: guess (`MalformedError` says that no reader would take the text as one answer), evaluate, or know operators
such as sums and integrals (`UnsupportedError`: the worker may know). Every input is capped before and while it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from justtinker_plugins.shared.latex.units import is_unit

Node = tuple[Any, ...]

MAX_DEPTH, MAX_TOKENS, MAX_DIGITS, MAX_EXPONENT = 40, 1500, 2000, 5000


class MalformedError(ValueError):
    """This is no answer in any reading."""


class UnsupportedError(ValueError):
    """Well-formed as far as can be told, but with a command that this reader does not know."""


class TooLargeError(ValueError):
    """Longer, deeper or bigger than the caps allow."""


class Token(NamedTuple):
    kind: str
    value: str
    upright: bool = False
    """A letter in ``\\mathrm``: after a number it may be a unit."""


FUNCTIONS = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan ln log exp lg".split()  # noqa: SIM905
)
_BARE = FUNCTIONS | frozenset("sqrt pi infty theta alpha beta lambda sigma omega phi".split())  # noqa: SIM905
_LETTERS = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi "  # noqa: SIM905
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega hbar ell pi infty R N Z Q C odot nabla "
    "partial aleph".split()
)
_ACCENTS = frozenset("dot ddot vec hat bar tilde widehat widetilde overline overrightarrow".split())  # noqa: SIM905
RELATIONS = {
    "=": "=", "<": "<", ">": ">", r"\le": "<=", r"\ge": ">=", r"\neq": "!=", r"\approx": "~", r"\sim": "~",
    r"\in": "in", r"\equiv": "=", r"\colon": ":", ":": ":",
}  # fmt: skip
_BOUNDS = frozenset({"<", ">", "<=", ">="})
_THOUSANDS = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]{1,3}(?:\x00[0-9]{3})+(?![0-9\x00])|"
_REST = (
    r"[0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+(?:e[+-]?[0-9]+)?)"
    r"|(?P<text>\\text *\{[^{}]*\})|(?P<roman>\\mathrm\{[A-Za-z]\})"
    r"|(?P<word>(?<![A-Za-z\\])(?:or|and|" + "|".join(sorted(_BARE, key=len, reverse=True)) + r")(?![A-Za-z]))"
    r"|(?P<unit>(?<=[0-9)} ])(?:cm|mm|km|kg|mph|inches|inch|feet|degrees|dollars|cents|units|minutes|hours|meters)(?![A-Za-z]))"  # noqa: E501
    r"|(?P<env>\\(?:begin|end) *\{[A-Za-z]+\*?\})"
    r"|(?P<cmd>\\[A-Za-z]+|\\.)|(?P<sym>[A-Za-z])|(?P<op>[-+*/^_=<>(){}\[\],;:!|%&'])|(?P<gap>[ \x00]+)|(?P<bad>.)"
)
_TOKEN = {
    True: re.compile("(?P<num>" + _THOUSANDS + _REST, re.DOTALL),
    False: re.compile("(?P<num>" + _REST, re.DOTALL),
}


def tokenise(text: str, *, thousands: bool = False, units: bool = True) -> list[Token]:
    """The tokens of a normalised text. `thousands` reads ``1,234`` as one number instead of two.

    `units` lets ``\\mathrm{m}`` after a number be a unit, else it is a symbol like any other.
    """
    tokens: list[Token] = []
    for match in _TOKEN[thousands].finditer(text):
        kind, value = match.lastgroup or "", match.group()
        if kind == "gap":
            continue
        if kind == "bad":
            raise MalformedError(f"{value!r} is no mathematics")
        tokens.append(Token("sym", value[-2], units) if kind == "roman" else _token(kind, value))
        if len(tokens) > MAX_TOKENS:
            raise TooLargeError(f"more than {MAX_TOKENS} symbols")
    return tokens


_PLAIN_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def _token(kind: str, value: str) -> Token:
    if kind == "num":
        return Token(kind, re.sub("[,\x00]", "", value))
    if kind == "text":
        words = " ".join(value[value.index("{") + 1 : -1].split())
        return Token("num", words) if _PLAIN_NUMBER.fullmatch(words) else Token(kind, words)
    if kind == "word":
        return Token("text", value) if value in ("or", "and") else Token("cmd", "\\" + value)
    if kind == "unit":
        return Token("text", value)
    if kind == "env":
        return Token(value[1 : value.index("{")].strip(), value[value.index("{") + 1 : -1])
    return Token("cmd" if kind == "op" and value == "%" else kind, "\\%" if value == "%" else value)


def number(raw: str) -> Fraction:
    """A decimal literal, exactly; capped before Python reads it."""
    mantissa, _, exponent = raw.partition("e")
    if len(mantissa) > MAX_DIGITS or len(exponent) > 5 or abs(int(exponent or 0)) > MAX_EXPONENT:
        raise TooLargeError(f"a number of more than {MAX_DIGITS} digits")
    whole, _, part = mantissa.partition(".")
    scale = int(exponent or 0) - len(part)
    digits = int(whole + part)
    return Fraction(digits * 10**scale) if scale >= 0 else Fraction(digits, 10**-scale)


_LETTER = re.compile(r"\(?([A-Za-z])\)?\.?")
_MATRICES = frozenset({"pmatrix", "bmatrix", "matrix", "Bmatrix", "smallmatrix", "array"})
END = Token("end", "")
_OPEN, _CLOSE = {"(", "[", r"\{", "]", r"\langle"}, {")", "]", r"\}", "[", r"\rangle"}
_SEPARATORS = {",", ";"}
_CONJUNCTIONS = {"or", "and", ", or", ", and", "and/or"}


def parse(text: str, *, thousands: bool = False, units: bool = True) -> Node:
    """The tree of a whole normalised text; MalformedError, UnsupportedError or TooLargeError if there is none."""
    reader = _Reader(tokenise(text, thousands=thousands, units=units))
    node = reader.items(closers=frozenset({"end"}))
    if reader.peek is not END:
        raise MalformedError(f"nothing can follow before {reader.peek.value!r}")
    return node


class _Reader:
    """Recursive descent over the tokens, one method a grammar rule."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.at, self.depth, self.bars = [*tokens, END], 0, 0, 0

    # -- the token stream --------------------------------------------------------------------------------------

    @property
    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        token = self.tokens[self.at]
        self.at += token is not END
        return token

    def take(self, *values: str) -> bool:
        """Step over the next token if it is one of these."""
        token = self.tokens[self.at]
        if token.value in values and token.kind in ("op", "cmd"):
            self.at += 1
            return True
        return False

    def expect(self, value: str) -> None:
        if not self.take(value):
            raise MalformedError(f"{value!r} is missing")

    # -- lists, relations, unions ------------------------------------------------------------------------------

    def items(self, closers: frozenset[str]) -> Node:
        """``a, b or c``: one item as itself, several as a list; ``x > 1 and x < 3`` as both."""
        nodes: list[Node] = []
        both = False
        while not self._closed(closers - {"["}):  # a bracket that opens, here
            nodes.append(self.relation())
            if self._closed(closers):
                break
            both |= self.peek.kind == "text" and self.peek.value.lower().strip(" ,") == "and"
            if not self._separator():
                raise MalformedError(f"{self.peek.value!r} cannot follow here")
        if both and len(nodes) == 2 and all(node[0] == "rel" and node[2][0] in _BOUNDS for node in nodes):
            return ("both", *nodes)
        return nodes[0] if len(nodes) == 1 else ("list", tuple(nodes))

    def _closed(self, closers: frozenset[str]) -> bool:
        return self.peek is END or (self.peek.kind in ("op", "cmd") and self.peek.value in closers)

    def _separator(self) -> bool:
        found = False
        while self.take(*_SEPARATORS) or self._conjunction():
            found = True
        return found

    def _conjunction(self) -> bool:
        if self.peek.kind == "text" and self.peek.value.lower().strip(" ,") in _CONJUNCTIONS:
            self.at += 1
            return True
        return False

    def relation(self) -> Node:
        """``a = b < c``: the sides and what stands between them."""
        sides, signs = [self.union()], []
        while self.peek.kind in ("op", "cmd") and self.peek.value in RELATIONS:
            signs.append(RELATIONS[self.next().value])
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
        if self.peek == Token("cmd", r"\pm") or self.peek == Token("cmd", r"\mp"):
            return (self.next().value[1:], ("num", Fraction(0)), self.product())
        node = self.product()
        return ("neg", node) if negative else node

    def product(self) -> Node:
        node, depth = self.factor(), self.depth
        while True:
            if self.take("*", r"\cdot", r"\times"):
                node = _mul(node, self.signed_factor())
            elif self.take("/", r"\div"):
                self.deeper()  # of what has been read: 1/1/1/...
                node = ("div", node, self.signed_factor())
            elif self._unit_follows() and not (self.peek.upright and _has_symbol(node)):
                self.deeper()
                node = ("unit", node, self._unit())
            elif self.peek.kind == "cmd" and self.peek.value in _CURRENCIES:
                node = ("unit", node, _CURRENCIES[self.next().value])
            elif self._factor_follows():
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
        if after.kind == "num" and before.value not in (")", "]"):
            raise MalformedError(f"{before.value!r} and {after.value!r} side by side")
        right = self.factor()
        return ("add", (left, right)) if _mixed(left, right, after) else _mul(left, right)

    def _factor_follows(self) -> bool:
        token = self.peek
        if token.kind in ("num", "sym", "begin"):
            return True
        if token.kind == "op":
            return (
                token.value in ("(", "{")
                or (token.value == "[" and self._bracket_is_product())
                or (token.value == "|" and not self.bars)
            )
        return token.kind == "cmd" and (token.value[1:] in _STARTERS)

    def _bracket_is_product(self) -> bool:
        """``5[x+1]`` multiplies, ``[0,1[`` closes: look for a bracket that closes it."""
        depth = 0
        for token in self.tokens[self.at :]:
            if token.kind == "op" and token.value in "([{":
                depth += 1
            elif token.kind == "op" and token.value in ")]}":
                depth -= 1
                if not depth:
                    return token.value == "]"
        return False

    def _unit_follows(self) -> bool:
        return self._unit_at(self.at)

    def _unit(self) -> str:
        """``cm``, ``cm^2``, ``m/s``: what follows a number, as one string."""
        name = ""
        while True:
            if self._unit_follows():
                name = f"{name} {self.next().value}".strip()
            elif self.take("^"):
                name += "^" + _flat(self.raw_argument())
            elif self.peek == Token("op", "/") and self._unit_at(self.at + 1):
                self.at += 1
                name += "/"
            elif self.take(r"\cdot"):
                name += " "
            else:
                return name

    def _unit_at(self, at: int) -> bool:
        token = self.tokens[at] if at < len(self.tokens) else END
        return (token.kind == "text" or token.upright) and is_unit(token.value)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLargeError(f"nested more than {MAX_DEPTH} deep")

    def factor(self) -> Node:
        """A primary with what hangs on it: powers, factorials, degrees, percent."""
        self.deeper()
        node = self.postfix(self.primary())
        self.depth -= 1
        return node

    def postfix(self, node: Node) -> Node:
        for _ in range(MAX_DEPTH):
            if self.take("^"):
                node = self._power(node)
            elif self.take("!"):
                node = ("fact", node)
            elif self.take(r"\%"):
                node = ("pct", node)
            else:
                return node
        raise TooLargeError("too many powers")

    def _power(self, base: Node) -> Node:
        if self.take(r"\circ"):
            return ("deg", base)
        self.deeper()
        exponent = self.argument()
        if self.take("^"):  # a tower is worked out from the top
            exponent = self._power(exponent)
        self.depth -= 1
        return ("pow", base, exponent)

    # -- arguments ---------------------------------------------------------------------------------------------

    def argument(self, *, one_digit: bool = False) -> Node:
        """``{...}``, or one signed number, letter or command. TeX takes one digit; for powers people mean them all."""
        if self.take("{"):
            node = self.items(frozenset({"}"}))
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

    def raw_argument(self) -> list[Token]:
        """The tokens of ``{...}`` or the next one, unread: names and subscripts."""
        if not self.take("{"):
            if self.peek is END:
                raise MalformedError("something is missing at the end")
            return [self.next()]
        start, depth = self.at, 1
        while depth:
            token = self.next()
            if token is END:
                raise MalformedError("'}' is missing")
            depth += (token == Token("op", "{")) - (token == Token("op", "}"))
        return self.tokens[start : self.at - 1]

    # -- primaries ---------------------------------------------------------------------------------------------

    def primary(self) -> Node:
        token = self.next()
        if token.kind == "num":
            return self._number(token.value)
        if token.kind == "sym":
            return self._symbol(token.value)
        if token.kind == "text":
            letter = _LETTER.fullmatch(token.value)
            return ("sym", letter[1]) if letter else ("text", token.value)
        if token.kind == "begin":
            return self._matrix(token.value)
        if token.value in _OPEN and token.kind in ("op", "cmd"):
            return self._bracket(token.value)
        if token.kind == "op":
            return self._operator(token.value)
        if token.kind == "cmd":
            return self._command(token.value)
        raise MalformedError(
            "something is missing at the end" if token is END else f"{token.value!r} cannot stand here"
        )

    def _number(self, raw: str) -> Node:
        if self.take("_"):
            base = _flat(self.raw_argument()).lower().strip("()")
            return ("num", number(raw)) if base in ("10", "ten") else ("base", raw, base)
        if self.peek.kind == "cmd" and self.peek.value in (r"\overline", r"\bar", r"\dot") and "." in raw:
            self.next()
            return ("num", _repeating(raw, _flat(self.raw_argument())))
        if raw.endswith(".") and [t.value for t in self.tokens[self.at : self.at + 3 : 2]] == ["(", ")"]:
            self.at += 3  # 0.(3)
            return ("num", _repeating(raw, self.tokens[self.at - 2].value))
        return ("num", number(raw))

    def _symbol(self, name: str) -> Node:
        """A letter with its subscript and primes, or a function of one plain argument: ``C_{1}``, ``I(0)``."""
        while True:
            if self.take("_"):
                name += "_" + _flat(self.raw_argument())
            elif self.take("'"):
                name += "'"
            else:
                break
        if name in ("e", "i", r"\pi"):
            return ("const", name)
        arguments = self._plain_arguments()
        return ("sym", f"{name}({arguments})" if arguments else name)

    def _plain_arguments(self) -> str:
        """``0`` of ``(0)``, ``x,y`` of ``(x,y)``; empty if what follows is a product such as ``(x+1)``."""
        if self.peek != Token("op", "("):
            return ""
        for end in range(self.at + 1, min(self.at + 9, len(self.tokens))):
            token = self.tokens[end]
            if token == Token("op", ")"):
                inside = self.tokens[self.at + 1 : end]
                self.at = end + 1
                return _flat(inside)
            letter = token.kind in ("num", "sym") or (token.kind == "cmd" and token.value[1:] in _LETTERS)
            if not (letter if (end - self.at) % 2 else token == Token("op", ",")):
                return ""
        return ""

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
        raise MalformedError(f"{value!r} cannot stand here")

    def _command(self, value: str) -> Node:
        name = value[1:]
        if name in _LETTERS:
            return self._symbol(value)
        if name in FUNCTIONS:
            return self._function(name)
        if name in _ACCENTS:
            return self._symbol(f"{value}{{{_flat(self.raw_argument())}}}")
        rule = _COMMANDS.get(name)
        if rule is None:
            raise (UnsupportedError if name in _FOR_SYMPY else MalformedError)(f"{value} is not known here")
        return rule(self)

    def _function(self, name: str) -> Node:
        """``\\sin^2 x``, ``\\log_2 n``: the power belongs to the value, ``^{-1}`` makes the inverse."""
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
            self._factor_follows()
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

    def _choose(self) -> Node:
        top = self.argument(one_digit=True)
        return ("binom", top, self.argument(one_digit=True))

    def _enclosed(self, closing: str, name: str) -> Node:
        node = self.sum()
        self.expect(closing)
        return ("fn", name, node)

    def _name(self, name: str) -> Node:
        letters = name
        while self.peek.kind == "sym" or self.peek == Token("op", "_"):
            token = self.next()
            letters += " " + token.value if token.kind == "sym" else "_" + _flat(self.raw_argument())
        return ("sym", letters)

    def _matrix(self, kind: str) -> Node:
        """Rows of a ``pmatrix`` and its like; the sort of brackets does not matter, but bars make a determinant."""
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
                raise MalformedError(f"{self.peek.value!r} cannot stand in a matrix")
            elif self.peek is END:
                raise MalformedError(f"{kind} is never closed")
        if row:
            rows.append(tuple(row))
        return ("matrix", tuple(rows)) if kind != "cases" else _system(rows)


def _money(name: str) -> Callable[[_Reader], Node]:
    return lambda reader: ("unit", reader.factor(), name)


_CURRENCIES = {r"\$": "dollars", r"\euro": "euros", r"\pounds": "pounds"}
_COMMANDS: dict[str, Callable[[_Reader], Node]] = {
    "frac": _Reader._fraction,
    "sqrt": _Reader._root,
    "binom": _Reader._choose,
    "lfloor": lambda reader: reader._enclosed(r"\rfloor", "floor"),
    "lceil": lambda reader: reader._enclosed(r"\rceil", "ceil"),
    "emptyset": lambda reader: ("set", ()),
    "style": lambda reader: reader.argument(),
    "angle": lambda reader: reader._name(r"\angle"),
    "triangle": lambda reader: reader._name(r"\triangle"),
    "ldots": lambda reader: ("sym", r"\ldots"),
    **{sign[1:]: _money(name) for sign, name in _CURRENCIES.items()},
}
_FOR_SYMPY = frozenset(
    "sum prod int iint iiint oint lim choose max min gcd lcm det sup inf bmod pmod mod sgn sech csch arccot arcsec "  # noqa: SIM905
    "arccsc overset underset stackrel cap setminus mid forall exists Re Im arg deg dim ker hom".split()
)
_STARTERS = frozenset(_COMMANDS) | FUNCTIONS | _LETTERS | _ACCENTS


def _flat(tokens: Sequence[Token]) -> str:
    return "".join(token.value for token in tokens).strip()


def _has_symbol(node: Node) -> bool:
    return node[0] == "sym" or any(_has_symbol(part) for part in node if isinstance(part, tuple) and part)


def _add(terms: list[Node]) -> Node:
    return terms[0] if len(terms) == 1 else ("add", tuple(terms))


def _mul(left: Node, right: Node) -> Node:
    """One flat product, so that a long one stays shallow."""
    if "text" in (left[0], right[0]):
        raise MalformedError("words cannot be multiplied")
    return ("mul", (*left[1], right)) if left[0] == "mul" else ("mul", (left, right))


def _mixed(left: Node, right: Node, after: Token) -> bool:
    r"""``1\frac{4}{5}`` is nine fifths: a whole number before a proper fraction of whole numbers."""
    if after != Token("cmd", r"\frac") or left[0] != "num" or left[1].denominator != 1:
        return False
    if right[0] != "div" or right[1][0] != "num" or right[2][0] != "num":
        return False
    top, bottom = right[1][1], right[2][1]
    return bool(top.denominator == bottom.denominator == 1 and 0 < top < bottom)


def _set(opening: str, closing: str, inside: Node) -> Node:
    if (opening, closing) != (r"\{", r"\}"):
        raise MalformedError(f"{opening!r} is closed by {closing!r}")
    return ("set", inside[1] if inside[0] == "list" else (inside,))


def _vector(opening: str, closing: str, inside: Node) -> Node:
    if (opening, closing) != (r"\langle", r"\rangle") or inside[0] != "list":
        raise MalformedError(f"{opening!r} is closed by {closing!r}, or no vector is in it")
    return ("tuple", "()", inside[1])


def _system(rows: Sequence[tuple[Node, ...]]) -> Node:
    """Equations under one brace as a list of them; functions by cases are left to others."""
    if not rows or not all(len(row) == 1 and row[0][0] == "rel" and row[0][2] == ("=",) for row in rows):
        raise UnsupportedError("what is no system of equations is not known to the quick reader")
    return ("list", tuple(row[0] for row in rows)) if len(rows) > 1 else rows[0][0]


def _repeating(raw: str, period: str) -> Fraction:
    if not (period.isascii() and period.isdigit()) or len(period) > MAX_DIGITS or "e" in raw:
        raise MalformedError("a repeating decimal needs digits under the bar")
    start = number(raw)
    places = len(raw.partition(".")[2])
    return start + Fraction(int(period), (10 ** len(period) - 1) * 10**places)
