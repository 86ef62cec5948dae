r"""Variants of a mathematical gold, equivalent and wrong, that the audit and the tests put to a verifier.

``equivalent_variants(gold)`` yields pairs (kind of change, text) that all mean the gold. ``wrong_variants(gold,
neighbours)`` yields pairs that a careful person would reject. Every rule changes the text alone and is right by
construction: this module evaluates nothing but whole numbers.
"""

# ruff: noqa: RUF001 (letters that look like others)
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

Variant = tuple[str, str]

NUMBER_WORDS = {"5": "five", "6": "six", "8": "eight", "9": "nine"}
INTEGER = re.compile(r"-?[0-9]+")
DECIMAL = re.compile(r"-?[0-9]*\.[0-9]+")
SCIENTIFIC = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)e(-?)([0-9]+)")
FRACTION = re.compile(r"(-?)\\[dt]?frac\{([0-9]+)\}\{([0-9]+)\}")
TEXT = re.compile(r"\\text\{([A-Za-z]+)\}")
DEGREES = re.compile(r"([0-9.]+)\^\{?\\circ\}?")
BASE = re.compile(r"([0-9]+)_\{?([0-9]+)\}?")
NAMED = re.compile(r"([A-Za-z](?:\([a-z]\))?) ?= ?([^=,]+)")


def strip_wrapping(gold: str) -> str:
    r"""Strip ``\boxed{}`` and dollar signs from a gold."""
    gold = gold.strip()
    if gold.startswith(r"\boxed{"):
        gold = gold[7:-1]
    return re.sub(r"(?<!\\)\$", "", gold).strip()


# -- the same answer, written differently ---------------------------------------------------------------------------


def equivalent_variants(gold: str) -> Iterator[Variant]:
    """Yield other ways to write the gold, each with its kind of change; never the gold itself."""
    text = strip_wrapping(gold)
    seen = {gold}
    for make in _RULES:
        for kind, variant in make(text):
            if variant not in seen:
                seen.add(variant)
                yield kind, variant


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


def _names(text: str) -> Iterator[Variant]:
    if TEXT.fullmatch(text) or re.search(r"[=<>,]|\\(?:in|le|ge|text|mbox|cup|pm)|_[0-9{]+$", text) or text[0] in "([":
        return
    for name in ("Q", r"\beta", "S_{9}", r"\text{Area}"):
        if name.strip("\\")[0] not in text:
            yield "named", f"{name} = {text}"


def _integers(text: str) -> Iterator[Variant]:
    if not INTEGER.fullmatch(text):
        return
    n = int(text)
    yield from (("decimal point", f"{n}."), ("decimal", f"{n}.0"), ("decimal", f"{n}.00"), ("bold", rf"\mathbf{{{n}}}"))
    yield from (
        ("text", rf"\text{{{n}}}") if n >= 0 else ("bold", rf"\boldsymbol{{{n}}}"),
        ("box in box", rf"\boxed{{{n}}}"),
    )
    yield from (("fraction", rf"\frac{{{2 * n}}}{{2}}"), ("over one", f"{n}/1"), ("chain", f"{n - 3} + 3 = {n}"))
    yield from (
        ("named chain", f"x = {n - 3} + 3 = {n}"),
        ("backwards", f"{n} = x"),
        ("brackets", f"({n})"),
        ("set", rf"\{{{n}\}}"),
    )
    for unit in (r"~\text{units}", r"\text{ units}", " units", r" \text{ ways}", r" \text{ square units}"):
        yield "unit", f"{n}{unit}"  # any other may contradict the question
    if n >= 0:
        yield from (("plus sign", f"+{n}"), ("leading zero", f"0{n}"))
    if abs(n) >= 1000:
        for separator in (",", r"\,", "{,}", r",\!", " "):
            yield "thousands", f"{n:,}".replace(",", separator)
    if n:
        yield from _powers_of_ten(Fraction(n))


def _powers_of_ten(value: Fraction) -> Iterator[Variant]:
    r"""Yield a value that has few digits as ``a \times 10^{b}``."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    exponent = 0
    while value >= 10:
        value, exponent = value / 10, exponent + 1
    while value < 1:
        value, exponent = value * 10, exponent - 1
    mantissa = sign + decimal_text(value)
    for template in (r"{} \times 10^{{{}}}", r"{} \cdot 10^{{{}}}", "{}e{}", "{}*10^{{{}}}"):
        yield "powers of ten", template.format(mantissa, exponent)


def decimal_text(value: Fraction) -> str:
    """Write a fraction whose decimals end as a decimal number, in full."""
    places = 0
    while (value * 10**places).denominator > 1:
        places += 1
    digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if value < 0 else "") + (f"{whole}.{part}" if part else whole)


def _decimals(text: str) -> Iterator[Variant]:
    if not DECIMAL.fullmatch(text):
        return
    value = Fraction(text)
    yield from (("trailing zero", text + "0"), ("fraction", rf"\frac{{{value.numerator}}}{{{value.denominator}}}"))
    yield "leading zero", decimal_text(value)
    if text.startswith("0."):
        yield "no leading zero", text[1:]
    yield from (("slash", f"{value.numerator}/{value.denominator}"), ("percent", rf"{decimal_text(value * 100)}\%"))
    yield from (("unit", text + r" \text{ units}"), ("unit", text + r"\ \mathrm{units}"))
    yield from _powers_of_ten(value)


def _scientific(text: str) -> Iterator[Variant]:
    match = SCIENTIFIC.fullmatch(text)
    if not match:
        return
    mantissa, sign, exponent = match.groups()
    for template in (
        r"{} \times 10^{{{}}}", r"{}\times10^{{{}}}", r"{} \cdot 10^{{{}}}", "{}*10^{}", "{} * 10^{{{}}}", "{}E{}",
        r"{} × 10^{{{}}}", r"{}\,\times\,10^{{{}}}", r"{} \times {{10}}^{{{}}}",
        r"{} \times 10^{{{}}} \text{{ units}}", r"{}\times 10^{{{}}}~\mathrm{{units}}",
    ):  # fmt: skip
        yield "scientific", template.format(mantissa, sign + exponent)
    yield "scientific", f"{mantissa}e{sign or '+'}{exponent.rjust(2, '0')}"
    yield (
        "scientific",
        rf"{mantissa}0 \times 10^{{{sign}{exponent}}}"
        if "." in mantissa
        else rf"{mantissa}.0 \times 10^{{{sign}{exponent}}}",
    )
    yield "written out", decimal_text(Fraction(text))
    if mantissa == "1":
        yield "power of ten", f"10^{{{sign}{exponent}}}"


def _fractions(text: str) -> Iterator[Variant]:
    match = FRACTION.fullmatch(text)
    if not match:
        return
    sign, top, bottom = match.group(1), int(match.group(2)), int(match.group(3))
    yield from (
        ("slash", f"{sign}{top}/{bottom}"),
        ("spaced slash", f"{sign}{top} / {bottom}"),
        ("braces slash", f"{sign}{{{top}}}/{{{bottom}}}"),
    )
    yield from (("not reduced", rf"{sign}\frac{{{k * top}}}{{{k * bottom}}}") for k in (2, 3, 10))
    yield from (
        ("brackets", rf"{sign}\left(\frac{{{top}}}{{{bottom}}}\right)"),
        ("both signs", rf"{sign}\frac{{-{top}}}{{-{bottom}}}"),
    )
    if sign:
        yield from (("sign above", rf"\frac{{-{top}}}{{{bottom}}}"), ("sign below", rf"\frac{{{top}}}{{-{bottom}}}"))
    if top > bottom and top % bottom:
        yield "mixed", rf"{sign}{top // bottom}\frac{{{top % bottom}}}{{{bottom}}}"
        yield "mixed", f"{sign}{top // bottom} {top % bottom}/{bottom}"
    if _has_finite_decimals(bottom):
        yield "decimal", decimal_text(Fraction(f"{sign}{top}/{bottom}"))
    yield "approximation", rf"{text} \approx {float(Fraction(f'{sign}{top}/{bottom}')):.3f}"
    if bottom < 10 and top < 10:
        yield "no braces", rf"{sign}\frac{top}{bottom}"


def _has_finite_decimals(bottom: int) -> bool:
    """Return whether fractions with this denominator have decimals that end."""
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    return bottom == 1


def split_list(text: str) -> list[str]:
    """Split a list at its outer commas; a text that is no list gives one item."""
    items, depth = [""], 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            items.append("")
        else:
            items[-1] += char
    return [item.strip() for item in items]


def is_list(text: str) -> bool:
    """Return whether the text is a bare list, such as ``1, 2``, and no number with thousands separators."""
    items = split_list(text)
    grouped = re.fullmatch(r"\\?\$?[0-9]{1,3}(,[\\! ]*[0-9]{3})+", text) is not None
    return len(items) > 1 and all(items) and not grouped and not any(c in text for c in (r"\text", r"\pm"))


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


def _words(text: str) -> Iterator[Variant]:
    match = TEXT.fullmatch(text)
    if match:
        word = match.group(1)
        yield from (
            ("bare", word),
            ("bold", rf"\textbf{{{word}}}"),
            ("roman", rf"\mathrm{{{word}}}"),
            ("mbox", rf"\mbox{{{word}}}"),
        )
        yield from (
            ("case", rf"\text{{{word.lower()}}}"),
            ("case", rf"\text{{{word.capitalize()}}}"),
            ("stop", rf"\text{{{word}.}}"),
            ("spaces", rf"\text{{ {word} }}"),
        )
    if match := re.fullmatch(r"\\text\{\(([A-E])\)\}", text):
        letter = match.group(1)
        for template in (
            "{}",
            "({})",
            r"\text{{{}}}",
            r"\textbf{{({})}}",
            r"\mathrm{{{}}}",
            r"\text{{({}) }}",
            r"\mathbf{{{}}}",
            r"\boxed{{\text{{{}}}}}",
        ):
            yield "choice", template.format(letter)


def _degrees_and_bases(text: str) -> Iterator[Variant]:
    if match := DEGREES.fullmatch(text):
        n = match.group(1)
        for unit in ("", r"^\circ", r"^{\circ}", "°", r"\degree", r" \text{ degrees}", r"\,^\circ", r"^\circ."):
            yield "degrees", n + unit
        yield "named", rf"\angle ABC = {n}^\circ"
    if match := BASE.fullmatch(text):
        n, base = match.groups()
        yield from (
            ("base", f"{n}_{{{base}}}"),
            ("base", f"{n}_{base}"),
            ("base", rf"{n}_{{\text{{{NUMBER_WORDS.get(base, base)}}}}}"),
        )


def _units(text: str) -> Iterator[Variant]:
    if match := re.fullmatch(r"([0-9.]+) ?\\?%", text):
        n = match.group(1)
        yield from (
            ("percent", rf"{n}\%"),
            ("percent", f"{n}%"),
            ("percent", rf"{n} \%"),
            ("percent", n),
            ("percent", rf"{n} \text{{ percent}}"),
        )
        yield "decimal", decimal_text(Fraction(n) / 100)
    if match := re.fullmatch(r"\\\$([0-9.,\\!]+)", text):
        n = re.sub(r"[,\\!]", "", match.group(1))
        yield from (("money", n), ("money", rf"\${n}"), ("money", rf"{n} \text{{ dollars}}"))
    if match := re.fullmatch(r"([0-9.]+) ?\\(?:text|mbox)\{ ?([a-z]+)\}(\^2)?", text):
        n, unit, power = match.groups()
        yield from (
            ("unit", n),
            ("unit", rf"{n}\ \mathrm{{{unit}}}{power or ''}"),
            ("unit", rf"{n}~\text{{{unit}}}{power or ''}"),
        )
    if match := re.fullmatch(r"([0-9]+(?:,\\?!? ?[0-9]{3})+)", text):
        n = re.sub(r"[,\\! ]", "", text)
        yield from (
            ("thousands", n),
            ("thousands", f"{int(n):,}"),
            ("thousands", f"{int(n):,}".replace(",", r"\,")),
            ("thousands", f"{int(n):,}".replace(",", "{,}")),
        )


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
    if not _is_single_expression(text) or BASE.fullmatch(text) or re.match(r"[0-9]+ ?\\frac\{[0-9]", text):
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


_RULES: tuple[Callable[[str], Iterator[Variant]], ...] = (
    _typesetting, _unicode, _names, _integers, _decimals, _scientific, _fractions, _lists, _equations, _words,
    _degrees_and_bases, _units, _matrices, _plus_minus, _intervals, _sums, _expressions,
)  # fmt: skip


# -- another answer, written nearly the same ------------------------------------------------------------------------


def wrong_variants(gold: str, neighbours: list[str]) -> Iterator[Variant]:
    """Yield near misses: off by one, another sign, digit or power, a neighbour's gold."""
    text = strip_wrapping(gold)
    if not TEXT.fullmatch(text) and not text.startswith(r"\text"):
        yield from _off_by_one(text)
        yield from _other_sign(text)
        yield from _other_digit(text)
        yield from _other_power(text)
    for neighbour in map(strip_wrapping, neighbours):
        if _letters_of(neighbour) != _letters_of(text):
            yield "neighbour", neighbour


def _letters_of(text: str) -> str:
    """Return a gold's characters, sorted, without names, typesetting and units: equal ones may mean the same."""
    text = re.sub(
        r"\\(?:left|right|[dt]?frac|text|mbox|circ|%|\$)|[{}$^%\s,.]|^[a-zA-Z](?:\([a-z]\))?=",
        "",
        text.replace(" ", ""),
    )
    return "".join(sorted(text.lower()))


def _is_single_expression(text: str) -> bool:
    """Return whether the text is one expression: no list, relation, interval, matrix, unit or words."""
    return not is_list(text) and not re.search(
        r"[=<>]|\\(?:in|le|ge|cup|pm|begin|text|mbox)|_[0-9]|^\\?[{(\[]|^\\left|\\?%|\\circ|,", text
    )


def _off_by_one(text: str) -> Iterator[Variant]:
    if INTEGER.fullmatch(text):
        yield from (
            ("off by one", str(int(text) + 1)),
            ("off by one", str(int(text) - 1)),
            ("off by ten", str(int(text) + 10)),
        )
        yield from (("ten times", text + "0"), ("off by one", f"x = {int(text) + 1}")) if int(text) else ()
        yield from (
            ("half off", text + ".5"),
            ("two", f"{text}, {int(text) + 1}"),
            ("either", rf"{int(text) - 1} \text{{ or }} {text}"),
        )
    elif _is_single_expression(text):
        yield from (("off by one", f"{text} + 1"), ("off by one", f"{text} - 1"))
    elif is_list(text):
        items = split_list(text)
        yield from (("one missing", ", ".join(items[1:])), ("one twice", ", ".join([*items, items[0]])))


def _other_sign(text: str) -> Iterator[Variant]:
    if INTEGER.fullmatch(text) or FRACTION.fullmatch(text) or DECIMAL.fullmatch(text) or SCIENTIFIC.fullmatch(text):
        if text not in ("0", "-0"):
            yield "sign", text[1:] if text.startswith("-") else f"-{text}"
    elif _is_single_expression(text) and text != "0":
        yield "sign", f"-({text})"


def _other_digit(text: str) -> Iterator[Variant]:
    r"""Yield the text with one of its first six digits changed; a digit right after ``\frac`` stays."""
    for match in list(re.finditer(r"[0-9]", text))[:6]:
        at = match.start()
        if not text[:at].endswith(r"\frac"):
            yield "digit", text[:at] + str((int(match.group()) + 3) % 10) + text[at + 1 :]


def _other_power(text: str) -> Iterator[Variant]:
    for found in re.finditer(r"\^\{?([2-9])\}?(?![0-9])", text):
        at = found.start(1)
        yield "power", text[:at] + str(int(found.group(1)) + 1) + text[at + 1 :]
    if match := SCIENTIFIC.fullmatch(text):
        mantissa, sign, exponent = match.groups()
        yield from (
            ("power", f"{mantissa}e{sign}{int(exponent) + 1}"),
            ("power", rf"{mantissa} \times 10^{{{sign}{int(exponent) - 1}}}"),
        )
        yield (
            "power sign",
            rf"{mantissa} \times 10^{{{'' if sign else '-'}{exponent}}}" if int(exponent) else f"{mantissa}1",
        )
    if INTEGER.fullmatch(text) and abs(int(text)) > 1:
        yield from (("power", f"{text.lstrip('-')}^2"), ("root", rf"\sqrt{{{text.lstrip('-')}}}"))
