"""A single expression: named, its terms and factors in another order, brackets around and within."""

from __future__ import annotations

import re
from collections.abc import Iterator

from justtinker_plugins.commands._audit.variants.forms import BASE, INTEGER, Variant, is_single_expression


def _names(text: str) -> Iterator[Variant]:
    if re.search(r"[=<>,]|\\(?:in|le|ge|text|mbox|cup|pm)|_[0-9{]+$", text) or text[0] in "([":
        return
    for name in ("Q", r"\beta", "S_{9}", r"\text{Area}"):
        if name.strip("\\")[0] not in text:
            yield "named", f"{name} = {text}"


def _sums(text: str) -> Iterator[Variant]:
    """Yield a sum's terms in reverse order, a fraction with a slash, and roots and products in other forms."""
    terms = re.findall(r"[+-]?[^+-]+", text)
    if (
        len(terms) > 1
        and re.fullmatch(r"[-+0-9a-z ^\\{}()]*", text)
        and "{-" not in text
        and "(" not in text
        and "\\" not in text
        and "{" not in text
        and "e" not in text
    ):
        first = terms[0].strip()
        terms = [first if first[0] in "+-" else "+" + first, *(t.strip() for t in terms[1:])]
        yield "terms reversed", " ".join(terms[::-1]).removeprefix("+").strip()
    match = re.fullmatch(r"(-?)\\frac\{([^{}]*)\}\{([^{}]*)\}", text)
    if match and "d" not in text.replace("\\frac", ""):
        yield "slash", "{}({})/({})".format(*match.groups())
        yield "times one half", r"{}\frac{{2({})}}{{2({})}}".format(*match.groups())
    if match := re.fullmatch(r"([0-9]+) ?(\\sqrt\{[0-9]+\}|\\pi)", text):
        yield from (
            ("factors swapped", rf"{match.group(2)} \cdot {match.group(1)}"),
            ("times two halves", rf"\frac{{{2 * int(match.group(1))}{match.group(2)}}}{{2}}"),
        )
        yield "brackets", f"({match.group(1)}){match.group(2)}"
        yield "unit", text + r" \text{ units}"
    if match := re.fullmatch(r"\\sqrt\{?([0-9]+)\}?", text):
        yield from (
            ("power", rf"{match.group(1)}^{{1/2}}"),
            ("power", rf"{match.group(1)}^{{\frac{{1}}{{2}}}}"),
            ("sqrt", f"sqrt({match.group(1)})"),
        )


def _expressions(text: str) -> Iterator[Variant]:
    """Yield changes around and within any single expression."""
    if not is_single_expression(text) or BASE.fullmatch(text) or re.match(r"[0-9]+ ?\\frac\{[0-9]", text):
        return
    if not INTEGER.fullmatch(text):
        for template in (
            "({})",
            r"\left({}\right)",
            "[{}]",
            "1 \\cdot ({})",
            r"\frac{{{}}}{{1}}",
            r"\frac{{2({})}}{{2}}",
            "-(-({}))",
            "({})^1",
        ):
            yield "around", template.format(text)
    group = r"\{([^{}]*)\}"
    yield "inner slash", re.sub(rf"\\[dt]?frac{group}{group}", r"{(\1)/(\2)}", text)
    yield "inner power", re.sub(rf"\\sqrt{group}", r"{(\1)}^{1/2}", text)
    yield "inner power", re.sub(rf"\\sqrt{group}", r"{(\1)}^{\\frac{1}{2}}", text)
    yield "exp", re.sub(rf"(?<![a-z\\_])e\^{group}", r"\\exp\\left(\1\\right)", text)
    yield "exp", re.sub(r"\\exp\{([^{}]*)\}", r"e^{\1}", text)
    yield "inner dot", re.sub(r"(?<=[0-9]) ?(?=[a-df-z](?![a-z]))", r" \\cdot ", text)
    yield "inner star", re.sub(r"(?<=[0-9]) ?(?=[a-df-z](?![a-z]))", " * ", text)
    yield "inner spaces", re.sub(r"(?<=[+=)}-])(?=[^ ])", " ", text) if "e" not in text else text
    yield "no spaces", re.sub(r"(?<![A-Za-z]) | (?![A-Za-z])", "", text)
    yield "tiny spaces", re.sub(r" (?![A-Za-z])", r"\\,", text) if "\\ " not in text else text
    yield (
        "wide brackets",
        re.sub(
            r"(?<!\\)([()])",
            lambda m: {"(": r"\big(", ")": r"\big)"}[m[0]],
            text.replace("\\left", "").replace("\\right", ""),
        ),
    )
    if "cos" in text or "sin" in text:
        yield "roman function", re.sub(r"\\(sin|cos) *(?=\()", r"\\operatorname{\1}", text)


RULES = (_names, _sums, _expressions)
