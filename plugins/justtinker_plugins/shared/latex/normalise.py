r"""One spelling for the many ways to typeset the same LaTeX: the first and cheapest rung of the ladder.

It turns Unicode signs into LaTeX, drops spacing and sizing commands, picks one name among synonyms, and writes
thousands separators and scientific notation in one form. It decides nothing mathematical: two texts that normalise to
the same string look the same on paper, and nothing else may be merged here.

``{,}`` is a decimal comma unless it can separate thousands; in TeX it is a comma without the space of a list. Each line
of an ``aligned`` block is an item, or continues the line before if it begins with ``=``, so two answers below each
other are two answers.
"""

# ruff: noqa: RUF001 (the tables hold letters that look like others)
from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from justtinker_plugins.shared.latex.needs import needs_one_of
from justtinker_plugins.shared.latex.number_words import FACTOR, factor_of, in_digits
from justtinker_plugins.shared.latex.units import LETTERS

_UNICODE = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ",
    "÷": r"\div ", "∗": "*", "√": r"\sqrt ", "∛": r"\sqrt[3]", "∞": r"\infty ", "°": r"^\circ ", "º": r"^\circ ",
    "±": r"\pm ", "∓": r"\mp ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\neq ", "≈": r"\approx ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∠": r"\angle ", "△": r"\triangle ", "∅": r"\emptyset ", "′": "'",
    "″": "''", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "⁄": "/", "∕": "/", "％": r"\%",
    "≡": r"\equiv ", "→": r"\to ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "ℏ": r"\hbar ", "ℝ": r"\mathbb{R}",
    "∼": r"\sim ", "…": r"\ldots ", "⋯": r"\ldots ", "‖": r"\|", "⟨": r"\langle ", "⟩": r"\rangle ",
    "€": r"\euro ", "£": r"\pounds ", "¥": r"\yen ", "¢": r"\text{cents} ", "˚": r"^\circ ", "、": ",", "∶": ":",
    "∣": "|", "⇒": r"\Rightarrow ", "⟹": r"\Rightarrow ", "∴": r"\therefore ", "∖": r"\setminus ", "∧": r"\land ",
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "∨": r"\lor ", "∜": r"\sqrt[4]",
    "⨯": r"\times ", "✕": r"\times ",
}  # fmt: skip
_GREEK = {
    letter: rf"\{name} "
    for letters, names in (
        ("αβγδεζηθικλμνξπρστυφχψω", "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
         "sigma tau upsilon phi chi psi omega"),
        ("ΓΔΘΛΞΠΣΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"),
        ("ϕϑϵµ", "phi theta epsilon mu"),
    )
    for letter, name in zip(letters, names.split(), strict=True)
}  # fmt: skip
_SIGNS = str.maketrans(_UNICODE | _GREEK)
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SUBSCRIPT = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_VULGAR_FRACTION = re.compile("[¼-¾⅐-⅞]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")

_WORDS = r"text|textbf|textit|textrm|textsf|texttt|textnormal|mbox|hbox|fbox|mathsf|mathtt|textup|emph"
_UNIT_LETTER = "[ACFJKLNTVWghms]"
"""In ``\\mathrm`` a unit or a symbol; the parser reads both. ``\\mathrm{e}`` and ``\\mathrm{i}`` are numbers."""

_FUNCTIONS = r"arcsin|arccos|arctan|sinh|cosh|tanh|coth|sin|cos|tan|cot|csc|ln|log|lg|exp|gcd|lcm|det|lim"
"""Functions that people write in ``\\text``. Not sec and min: those are seconds and minutes."""
_GROUP = r"(?:[^{}\\]|\\(?!over(?![A-Za-z])|choose(?![A-Za-z])|[{}])|\{[^{}]*\})*+"
_FRAMES = r"aligned|align\*?|gathered|equation\*?|split"
_INSIDE = r"(?:(?!\\begin|\\end)[\s\S])*+"
_STYLES = (
    "displaystyle|textstyle|scriptstyle|limits|nolimits|boldmath|strut|mathstrut|noindent|bf|it|rm|sf|tt|LARGE|Large|"
    "large|Huge|huge|small|footnotesize|scriptsize|tiny|normalsize"
)
_DELIMITERS = "left|right|middle|[bB]igg?[lrm]?"
_WIDE_SPACES = "quad|qquad|enspace|enskip|hfill"
_SPACES = "quad|qquad|thinspace|enspace|enskip|medspace|thickspace|negthinspace|hfill|nobreakspace|allowbreak"

_HEAT = {"C": "celsius", "F": "fahrenheit"}

_ALIGNED = re.compile(r"& *(?==|<|>|\\(?:le|ge|leq|geq|ne|neq|approx)(?![A-Za-z]))|(?<==) *&")
_CONTINUES = re.compile(r" *(?:=|\\approx(?![A-Za-z]))")


def _rows(inside: str) -> str:
    """The lines of an ``aligned`` block as a list; a line that begins with ``=`` continues the line before."""
    rows = [row.strip() for row in _ALIGNED.sub("", inside).split(r"\\")]
    text = " "
    for row in filter(None, rows):
        text += row if text.isspace() or _CONTINUES.match(row) else f", {row}"
    return text + " "


# (pattern, replacement), applied in this order
_RULES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\\\ *\[ *-?[0-9.]+ *(?:pt|ex|em|mm|cm|in) *\]", r"\\\\ "),
        (rf"\\begin *\{{({_FRAMES})\}}({_INSIDE})\\end *\{{\1\}}", lambda m: _rows(m[2])),
        (rf"\\left *\\\{{ *\\begin *\{{array\}} *\{{[lcr ]+\}}({_INSIDE})\\end *\{{array\}} *\\right *\.",
         r"\\begin{cases}\1\\end{cases}"),
        (rf"\\(?:begin|end) *\{{(?:{_FRAMES})\}}", " "),
        (r"\{ *\\rm(?![A-Za-z]) *([^{}\\]*)\}", r"\\mathrm{\1}"),
        (rf"\\(?:{_DELIMITERS})(?![A-Za-z])\.?|\\(?:{_STYLES})(?![A-Za-z])", " "),
        (rf"(?<=[0-9])(?: *\\(?:{_WIDE_SPACES})(?![A-Za-z]))+ *(?=[0-9])", ", "),
        (rf"\\(?:{_SPACES})(?![A-Za-z])", " "),
        (r"\\(?:text|mbox) *\{(?: |\\,|~)*\}", " "),
        (r"\\(?:colorbox *\{[^{}]*\}|fcolorbox *\{[^{}]*\} *\{[^{}]*\}) *(?=\{)", r"\\style"),
        (r"\\hspace\*? *\{[^{}]*\}|\\[hv]?phantom *\{[^{}]*\}|\\(?:label|tag\*?) *\{[^{}]*\}", " "),
        (r"(?<![0-9.,}(\[{])0\{,\}(?=[0-9]{3}(?![0-9]))", "0."),
        (r"(?<=[0-9])(?:\\[,!:; ]|\{,\}|\\thinspace|~)(?=[0-9]{3}(?![0-9]))", ","),
        (r"(?<![0-9.,}(\[{])([0-9]++)\{,\}([0-9]{1,2}|[0-9]{4,})(?![0-9,]|\{,\})", r"\1.\2"),
        (r"(?<=[0-9])\{,\}(?=[0-9])", ","),
        (r"(?<=[0-9]), *\\! *(?=[0-9])", ","),
        (r"(?<=[0-9])\{:\}(?=[0-9])", ":"),
        (r"(?<=[0-9])\.\.\.", r"\\ldots "),
        (r"(?<!\\)(?:\\[,!:;> ]|~)", " "),
        (r"\\(?:dfrac|tfrac|cfrac|sfrac|nicefrac)(?![A-Za-z])", r"\\frac"),
        (rf"\{{({_GROUP})\\over(?![A-Za-z])({_GROUP})\}}", r"\\frac{\1}{\2}"),
        (rf"\{{({_GROUP})\\choose(?![A-Za-z])({_GROUP})\}}", r"\\binom{\1}{\2}"),
        (r"\\(?:dbinom|tbinom)(?![A-Za-z])", r"\\binom"),
        (r"\\(?:mathbf|mathit|boldsymbol|bm|pmb|mathnormal|mathcal|mathscr|ensuremath|underline) *(?=\{)", r"\\style"),
        (r"\\mathrm +([A-Za-z])(?![A-Za-z])", r"\\mathrm{\1}"),
        (r"\\(?:mathrm|text) *\{ *(\\(?:pi|infty|theta|alpha|beta|lambda)) *\}", r"\1 "),
        (rf"\\mathrm *\{{ *({_UNIT_LETTER}) *\}}", r"\\mathrm{\1}"),
        (rf"\\mathrm *\{{ *((?!{_UNIT_LETTER})[A-Za-z]) *\}}", r"\\style{\1}"),
        (rf"\\mathrm *(?=\{{(?!{_UNIT_LETTER}\}}))", r"\\text"),
        (rf"\\(?:{_WORDS}) *(?=\{{)", r"\\text"),
        (rf"\\text *\{{ *({_FUNCTIONS}) *\}}(?= *[({{\\_^|0-9A-Za-z])", r"\\\1 "),
        (r"^\\text *\{ *\$([^${}]*+(?:\{[^{}]*\}[^${}]*+)*+)\$ *\}$", r"\1"),
        (r"^\\text *\{ *((?:\\[$])? *-?[0-9][0-9.,]*(?::[0-9]{2})? *(?:\\?%)?) *\}$", r"\1"),
        (r"\\text *\{ *([0-9]+) +to +([0-9]+) *\}", r"\1\\text{to}\2"),
        (r"\\text *\{ *\\(euro|pounds|yen|\$) *\}", r"\\\1 "),
        (r"\b(?:per +cent|por +ciento)\b", "percent"),
        (r"百分之 *([0-9.]+)", r"\1\\%"),
        (r"\^ *\{? *\\circ *\}? *(?:\\(?:text|mathrm) *\{ *([CF]) *\}|([CF])(?![A-Za-z]))",
         lambda m: rf"\text{{{_HEAT[m[1] or m[2]]}}}"),
        (r"\^ *\{ *(-?[0-9]) *\}(?=[^{}\\]*\})", r"^\1"),  # in \\text, whose braces may not nest
        (rf"\\text *\{{ *([0-9][0-9.,]*) *([{LETTERS}][{LETTERS} ]*)\}}", r"\1\\text{\2}"),
        (FACTOR.pattern, factor_of),
        (r"\\mathbb *\{?([RZNQC])\}?", r"\\\1 "),
        (r"\\(?:text)?color *\{[^{}]*\}", " "),
        (r"\\operatorname\*? *\{([A-Z][A-Za-z]+)\}", r"\\text{\1}"),
        (r"\bm *\\angle(?![A-Za-z])", r"\\angle "),
        (r"\*\*", "^"),
        (r"(?<![A-Za-z0-9_}'])\( *([0-9]++) *\) *(?=_)", r"\1"),
        (r"\\operatorname\*? *\{([a-zA-Z]+)\}", r"\\\1 "),
        (r"\bnp\.(?=[a-z])", r"\\"),
        (r"\\(?:leq|leqslant)(?![A-Za-z])|<=|=<", r"\\le "),
        (r"\\(?:geq|geqslant)(?![A-Za-z])|>=", r"\\ge "),
        (r"\\(?:lt)(?![A-Za-z])", "<"),
        (r"\\(?:gt)(?![A-Za-z])", ">"),
        (r"\\ne(?![A-Za-z])|(?<![0-9)])!=", r"\\neq "),
        (r"\\(?:approxeq|thickapprox|simeq|doteq)(?![A-Za-z])", r"\\approx "),
        (r"\\(?:ast|star)(?![A-Za-z])", "*"),
        (r"\\(?:lbrace)(?![A-Za-z])", r"\\{"),
        (r"\\(?:rbrace)(?![A-Za-z])", r"\\}"),
        (r"\\(?:lbrack)(?![A-Za-z])", "["),
        (r"\\(?:rbrack)(?![A-Za-z])", "]"),
        (r"\\(?:lvert|rvert|vert)(?![A-Za-z])", "|"),
        (r"(?<=[)\]}]) *U *(?=[(\[]|\\\{)", r"\\cup "),
        (r"\\(?:degree|degrees|textdegree)(?![A-Za-z])", r"^\\circ "),
        (r"\^ *\{ *\\circ *\}", r"^\\circ "),
        (r"\^ *\{ *((?:\\prime *)+)\}", lambda m: "'" * m.group(1).count("prime")),
        (r"\^ *\\prime(?![A-Za-z])", "'"),
        (r"\\(?:dots|cdots|dotsc|dotsb|dotso)(?![A-Za-z])", r"\\ldots "),
        (r"\\(?:smallsetminus|backslash)(?![A-Za-z])", r"\\setminus "),
        (r"\\(?:varnothing)(?![A-Za-z])", r"\\emptyset "),
        (r"\\var(epsilon|phi|theta|rho|sigma)(?![A-Za-z])", r"\\\1 "),
        (r"\\(?:land|wedge)(?![A-Za-z])", r"\\text{and}"),
        (r"\\(?:lor|vee)(?![A-Za-z])", r"\\text{or}"),
        (r"(?<!\\)\\[()]", " "),
        (r"(?<!\\)\$", " "),
        # 1.24\text{e}{-8} and 1.24E-8 are 1.24e-8
        (r"(?<=[0-9.]) *\\(?:text|style) *\{ *[eE] *\} *\{? *([+-]?[0-9]{1,9})(?: *\}(?=[^{}]*$))?", r"e\1"),
        (r"(?<![A-Za-z])(?<=[0-9.])E(?=[+-]?[0-9])", "e"),
        (r"(?<![A-Za-z0-9.}])([0-9]++) +([0-9]++) */ *([0-9]++)(?![.][0-9])", r"\1\\frac{\2}{\3}"),
        (r"(?<=[0-9]) +(?=[0-9])", "\x00"),
        (r"\s{2,}|[^\S ]", " "),
        (r" ?。$", ""),
    )
]  # fmt: skip


def _vulgar_fraction(match: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", match.group()).partition("⁄")
    return rf"\frac{{{top}}}{{{bottom}}}"


def to_ascii(text: str) -> str:
    """Write Unicode mathematics as LaTeX. What has no LaTeX name stays as it is."""
    if text.isascii():
        return text
    text = _VULGAR_FRACTION.sub(_vulgar_fraction, _INVISIBLE.sub("", text))
    text = re.sub("[⁰¹²³⁴-⁹⁺⁻ⁿ]+", lambda m: "^{" + m.group().translate(_SUPERSCRIPT) + "}", text)
    text = re.sub("[₀-₉]+", lambda m: "_{" + m.group().translate(_SUBSCRIPT) + "}", text)
    text = text.translate(_SIGNS)
    return unicodedata.normalize("NFKC", text).translate(_SIGNS)


_STOPS_AT_ENDS = re.compile(
    r"(?<![.,;])\s*(?:[.,;]|\.\.)$|\s*\\\\$|(?<!\\)\\$"
    r"|^(?:=|\\(?:Rightarrow|Longrightarrow|implies|therefore|rightarrow)(?![A-Za-z])) *"
)
_LAST_SIGNS, _FIRST_SIGNS = (".", ",", ";", "\\"), ("=", r"\R", r"\L", r"\i", r"\t", r"\r")
"""What says nothing at the ends: stops, a line break, half a ``\\ ``; and before the value ``=`` and arrows."""

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
MOST_PASSES = 6


_RULES_BY_NEED = [(needs_one_of(pattern.pattern), pattern, replacement) for pattern, replacement in _RULES]


def as_written(normal: str) -> str:
    """A normalised text as one that can be normalised again: the NUL that tells "1 2" from "12" is a space."""
    return normal.replace("\x00", " ")


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """Write a text in the one spelling that the parser reads and that equal-looking answers share."""
    text = to_ascii(text.replace("\x00", "\ufffd")).strip()  # NUL is ours: it tells "1 2" from "12"
    if text.isdigit() or _NUMBER.fullmatch(text):
        return text
    for _ in range(MOST_PASSES):  # what one rule removes may have hidden something from an earlier one
        before = text
        for needs, pattern, replacement in _RULES_BY_NEED:
            for need in needs:
                if need in text:
                    text = pattern.sub(replacement, text)
                    break
        text = text.strip()
        if text.endswith(_LAST_SIGNS) or text.startswith(_FIRST_SIGNS):
            text = _STOPS_AT_ENDS.sub("", text)
        if text == before:
            break
    return in_digits(text)
