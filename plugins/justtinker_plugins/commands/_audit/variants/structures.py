"""Lists, equations, matrices, intervals and plus-minus, in another order or notation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from justtinker_plugins.commands._audit.variants.forms import NAMED, Variant, is_list, split_list


def _lists(text: str) -> Iterator[Variant]:
    items = split_list(text)
    if not is_list(text):
        return
    yield from (
        ("reversed", ", ".join(items[::-1])),
        ("rotated", ", ".join(items[1:] + items[:1])),
        ("tight", ",".join(items)),
    )
    yield from (("set", rf"\{{{', '.join(items)}\}}"), ("set", rf"\left\{{{','.join(items[::-1])}\right\}}"))
    yield from (("or", r" \text{ or } ".join(items)), ("and", ", ".join(items[:-1]) + rf" \text{{ and }} {items[-1]}"))
    yield from (("semicolons", "; ".join(items)), ("oxford", ", ".join(items[:-1]) + rf", \text{{ and }} {items[-1]}"))
    if "=" not in text and not any(item[0] in "([" or "x" in item for item in items):
        yield "named", r" \text{ or } ".join(f"x = {item}" for item in items)
        yield "indexed", ", ".join(f"x_{k} = {item}" for k, item in enumerate(items, 1))
        yield "named once", f"x = {', '.join(items)}"


def _equations(text: str) -> Iterator[Variant]:
    if text.count("=") != 1 or is_list(text):
        return
    left, right = (side.strip() for side in text.split("="))
    yield "sides swapped", f"{right} = {left}"
    if NAMED.fullmatch(text):
        yield "value alone", right


def _matrices(text: str) -> Iterator[Variant]:
    if not text.startswith(r"\begin{pmatrix}"):
        return
    yield "bmatrix", text.replace("pmatrix", "bmatrix")
    yield "tight matrix", text.replace(" ", "").replace(r"\begin{pmatrix}", r"\begin{pmatrix} ")
    yield (
        "array",
        text.replace(r"\begin{pmatrix}", r"\left(\begin{array}{cc}").replace(r"\end{pmatrix}", r"\end{array}\right)"),
    )
    yield "matrix fractions", re.sub(r"([0-9]+)/([0-9]+)", r"\\frac{\1}{\2}", text)


def _plus_minus(text: str) -> Iterator[Variant]:
    if match := re.fullmatch(r"(.*?)\\pm(.*)", text):
        left, right = (part.strip() for part in match.groups())
        if "\\{" in left:
            return
        yield from (("both signs", f"{left} + {right}, {left} - {right}"), ("named", rf"x = {left} \pm {right}"))
        yield from (
            ("both signs", rf"{left} - {right} \text{{ or }} {left} + {right}"),
            ("set", rf"\{{{left} + {right}, {left} - {right}\}}"),
        )


def _intervals(text: str) -> Iterator[Variant]:
    if re.fullmatch(r"[(\[][^()\[\]{}]*,[^()\[\]{}]*[)\]]", text):
        yield "spaced", text.replace(",", " , ")
        yield "tight", text.replace(" ", "") if "\\" not in text else text
    if r"\infty" in text:
        yield "plus infinity", re.sub(r"(?<![-+])\\infty", r"+\\infty", text)
    if r"\cup" in text:
        yield "swapped", r" \cup ".join(part.strip() for part in text.rstrip(".").split(r"\cup")[::-1])
    if match := re.fullmatch(r"\(([0-9]+),\\infty\)", text):
        yield from (("inequality", f"x > {match.group(1)}"), ("inequality", f"{match.group(1)} < x"))
    if match := re.fullmatch(r"x \\in (.*)", text):
        yield "without the name", match.group(1)


RULES = (_lists, _equations, _matrices, _plus_minus, _intervals)
