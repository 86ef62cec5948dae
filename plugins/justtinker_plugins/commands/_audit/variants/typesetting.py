"""Any gold with other spaces, brackets, fonts and letters."""

# ruff: noqa: RUF001 (letters that look like others)
from __future__ import annotations

import re
from collections.abc import Iterator

from justtinker_plugins.commands._audit.variants.forms import Variant


def _typesetting(text: str) -> Iterator[Variant]:
    yield "dollars", f"${text}$"
    yield "parentheses", rf"\({text}\)"
    yield "display style", rf"\displaystyle {text}"
    yield "braces", "{" + text.rstrip(".") + "}"
    yield "full stop", text.rstrip(".") + "."
    yield "thin space", rf"{text}\,"
    yield "spaces", f"  {text}  "
    if "left" not in text and re.search(r"[(\[]", text):
        yield "left right", re.sub(r"(?<!\\)([)\]])", r"\\right\1", re.sub(r"(?<!\\)([(\[])", r"\\left\1", text))
    if "\\left" in text:
        yield "no left right", re.sub(r"\\(?:left|right)(?![a-z])", "", text)
        yield "big", text.replace("\\left", "\\bigl").replace("\\right", "\\bigr") if "floor" not in text else text
    for name in ("dfrac", "tfrac"):
        yield name, re.sub(r"\\[dt]?frac", rf"\\{name}", text)
    if re.search(r"[a-z0-9)}] ?[+-] ?[a-z0-9(\\]", text) and "e" not in text:
        yield "spaced operators", re.sub(r"(?<=[a-z0-9)}]) ?([+-]) ?(?=[a-z0-9(\\])", r" \1 ", text)
    if re.search(r"(?<=[0-9]) (?=\\sqrt|\\pi)", text):
        yield "no space", re.sub(r"(?<=[0-9]) (?=\\sqrt|\\pi)", "", text)
    if re.search(r"(?<=[0-9]) ?(?=\\sqrt|\\pi)", text):
        yield "dot", re.sub(r"(?<=[0-9]) ?(?=\\sqrt|\\pi)", r" \\cdot ", text)
        yield "times", re.sub(r"(?<=[0-9]) ?(?=\\sqrt|\\pi)", r" \\times ", text)
    if re.search(r"\^[a-z0-9](?![0-9])", text):
        yield "braced power", re.sub(r"\^([a-z0-9])(?![0-9])", r"^{\1}", text)
    if re.search(r"_[a-z0-9](?![0-9])", text):
        yield "braced index", re.sub(r"_([a-z0-9])(?![0-9])", r"_{\1}", text)


def _unicode(text: str) -> Iterator[Variant]:
    signs = {
        r"\pi": "π",
        r"\infty": "∞",
        r"\pm": "±",
        r"\cup": "∪",
        r"^\circ": "°",
        r"^{\circ}": "°",
        r"\omega": "ω",
        r"\theta": "θ",
    }
    changed = text
    for sign, letter in signs.items():
        changed = re.sub(re.escape(sign) + r"(?![A-Za-z}])", letter, changed)
    yield "unicode", changed
    yield "unicode minus", text.replace("-", "−")
    yield "unicode root", re.sub(r"\\sqrt\{([0-9])\}", r"√\1", text)
    yield (
        "unicode power",
        re.sub(r"\^(?:([23])(?![0-9])|\{([23])\})", lambda m: {"2": "²", "3": "³"}[m[1] or m[2]], text),
    )


RULES = (_typesetting, _unicode)
