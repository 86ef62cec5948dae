"""How values travel between the tests' process and the program's: plain data as JSON, by value.

This file also runs inside the sandbox, in front of `driver.py` or `candidate.py`, so it imports the standard library
only. An object of any other type arrives as `Opaque`, which equals nothing: a program's ``__eq__`` is never called.
"""

import json
from decimal import Decimal
from fractions import Fraction

TOO_DEEP = "one that is nested too deep"


class Opaque:
    """An object that is no plain data. It equals nothing, itself included."""

    def __init__(self, kind):
        self.kind = kind

    def __eq__(self, other):
        return False

    def __ne__(self, other):
        return True

    __hash__ = None

    def __bool__(self):
        raise TypeError(f"the program returned an object of type {self.kind}, which is no plain data")

    def __repr__(self):
        return f"<an object of type {self.kind}>"


def encode(value, depth=0):
    """A JSON value for plain data: numbers, texts, lists, tuples, sets, dictionaries, iterators of them."""
    kind = type(value)
    if depth > 200:
        return {"o": TOO_DEEP}
    if value is None or kind in (bool, float):
        return value
    if kind is str:
        return value
    if kind is int:
        return value if abs(value) < 1 << 53 else {"i": hex(value)}
    if kind in (bytes, bytearray):
        return {"b": bytes(value).hex()}
    if kind in (complex, Decimal, Fraction, range):
        return {"p": kind.__name__, "v": repr(value)}
    for base, tag in ((list, "l"), (tuple, "t"), (set, "s"), (frozenset, "z")):
        if issubclass(kind, base):
            return {tag: [encode(item, depth + 1) for item in base.__iter__(value)]}
    if issubclass(kind, dict):
        return {"d": [[encode(k, depth + 1), encode(v, depth + 1)] for k, v in dict.items(value)]}
    for base, plain in ((str, str.__str__), (int, int.__int__), (float, float.__float__)):
        if issubclass(kind, base):
            return encode(plain(value), depth + 1)
    if hasattr(kind, "__next__") or kind in (type({}.keys()), type({}.values()), type({}.items())):
        return {"g": [encode(item, depth + 1) for _, item in zip(range(100_000), value, strict=False)]}
    return {"o": kind.__name__}


MADE = {"complex": complex, "Decimal": Decimal, "Fraction": Fraction, "range": range}


def decode(data):
    """The plain data of a JSON value. Raises ValueError for what `encode` does not write."""
    if not isinstance(data, dict):
        if isinstance(data, list):
            raise ValueError("a list without a tag")
        return data
    if set(data) == {"p", "v"}:
        return _made(data["p"], data["v"])
    (tag, content), *more = data.items()
    if more:
        raise ValueError("more than one tag")
    if tag == "o":
        return Opaque(str(content))
    if tag == "i":
        return int(content, 16)
    if tag == "b":
        return bytes.fromhex(content)
    if tag == "d":
        return {decode(k): decode(v) for k, v in content}
    if tag == "g":
        return iter([decode(item) for item in content])
    return {"l": list, "t": tuple, "s": set, "z": frozenset}[tag](decode(item) for item in content)


def _made(kind, text):
    """A number, or a range, from its repr. Nothing is evaluated."""
    body = text[text.index("(") + 1 : -1] if "(" in text and kind != "complex" else text
    if kind == "range":
        return range(*(int(part) for part in body.split(",")))
    if kind == "Fraction":
        return Fraction(*(int(part) for part in body.split(",")))
    return MADE[kind](body.strip("'"))


def dump(message):
    """One line of JSON, as bytes."""
    return json.dumps(message).encode() + b"\n"
