r"""What stands directly beside a box, in the same mathematics, and changes its value: ``-\boxed{5}``, ``\boxed{5}^2``.

A box says what the answer is, so nothing outside it may belong to the value. Prose, relations, punctuation, units,
degrees and percent signs do not: ``x = \boxed{5}\text{ cm}`` is fine. Many signs have another meaning outside of
mathematics: ``- \boxed{5}`` may be an item of a Markdown list, ``**\boxed{5}**`` is bold, ``So \boxed{5}!`` is glad.
"""

# ruff: noqa: RUF001 (signs that look like others)
from __future__ import annotations

import re

from justtinker_plugins.shared.latex.units import is_unit

NEAR, FAR = 200, 4000
"""Characters around a box in which its neighbours are looked for, and before it for the beginning of mathematics."""

_MATHS = re.compile(
    r"\\\\|\\\$|\\(?P<bracket>[()\[\]])|(?P<dollar>\$\$?)|\\(?P<block>begin|end) *\{"
    r"(?:equation|align|aligned|gather|gathered|split|cases|array|eqnarray|multline|math|displaymath)\*?\}"
)
_TWO_WORDS = re.compile(r"(?<!\\)\b[a-z]{2,} +[a-z]{2,}\b")
_FUNCTIONS = "(?:a(?:rc)?)?(?:sin|cos|tan)h?|cot|sec|csc|ln|log|lg|exp|max|min|gcd|lcm|det|lim|sum|prod|int"
_GROUPS = "[dtc]?frac|[dt]?binom"
_GREEK = "pi|alpha|beta|gamma|delta|epsilon|theta|lambda|sigma|tau|phi|varphi|psi|omega|rho|Delta|Sigma|Phi|Psi|infty"
_OPERATORS = f"cdot|times|div|pm|mp|ast|star|bmod|over|choose|setminus|cup|cap|lfloor|lceil|sqrt|{_GROUPS}"
_NOTHING = (
    r"\s|~|(?:\\text *)?\{ *\}|\\[,;:! >]"
    r"|\\(?:q?quad|displaystyle|textstyle|left|right|[bB]igg?[lr]?|bf|it)(?![A-Za-z])"
)
_STYLE = r"\\(?:text|textbf|textit|textrm|mathbf|mathrm|mathsf|boldsymbol|bm|underline|emph)(?= *\{)"
_OPENING = re.compile(rf"(?:{_NOTHING}|{_STYLE}|\\\{{|(?<!\\)[({{\[])+\Z")
_CLOSING = re.compile(rf"(?:{_NOTHING}|\\\}}|[)}}\]])+")

_BEGIN, _END = re.compile(r"(?:\$\$?|\\[(\[])\Z"), re.compile(r"\$\$?|\\[)\]]")
_CHANGES_GROUP = re.compile(
    r"(?:\\(?:sqrt(?: *\[[^\[\]]*\])?|overline|bar|[dtc]?frac|[dt]?binom|[hv]?phantom|[bx]?cancel|sout)|[\^_]) *\Z"
)
_CHANGES_SECOND = re.compile(r"\\(?:[dtc]?frac|[dt]?binom) *\Z")
_VALUE_GROUP = re.compile(rf"(?:\\(?:{_OPERATORS})(?: *\[[^\[\]]*\])?|[\^_]) *\Z")
_OPERATES = re.compile(
    rf"(?:\\(?:{_FUNCTIONS})(?:[_^](?:\{{[^{{}}]*\}}|\w))*|\\(?:{_OPERATORS}|{_GREEK}|neg|lnot|not)"
    r"|\\[dtc]?frac *\w *\w|[\^/×÷·±√−π])\Z"
)
_BEGINS = re.compile(
    r"(?:[=<>&,;:({\[$]|\\(?:le|ge|leq|geq|approx|equiv|to|implies|Rightarrow|therefore|[\[(]))\Z|\A\Z"
)
_RELATION = re.compile(r"(?:[=<>&]|\\(?:le|ge|leq|geq|approx|equiv|[\[(]))\Z")
_SPACE = re.compile(r"\s")
_MULTIPLIES = re.compile(r"(?:[0-9]|(?<![A-Za-z\\])[A-Za-z]|[0-9A-Za-z)}]\*)\Z")
_PROSE = re.compile(
    r"(?:(?<!\\)\b[A-Za-z]{2,}|[^\x00-\x7f]|\([^()]*[A-Za-z]{3}[^()]*\)|[.,:;!?*\"']|"
    r"\b(?:step|part|problem|question|case|exercise|option|answer) +[0-9]+)\Z",
    re.IGNORECASE,
)

_FOLLOWS = re.compile(
    r"\$?\^(?!\s*(?:\\circ|\{\s*\\circ|\\degree|\\text|\*))|[⁰¹²³⁴-⁹⁻×÷·±√−]"
    r"|/ ?(?![smh](?![A-Za-z]))(?:[0-9({]|\\(?!text|mathrm)|[A-Za-z](?![A-Za-z]))"
    rf"|\\(?:{_FUNCTIONS}|{_OPERATORS}|{_GREEK})(?![A-Za-z])|\* ?[0-9]|(?:pi|sqrt)(?![A-Za-z])"
    r"|(?:\\(?:text|mathrm) *\{ *)?(?:hundred|thousand|million|billion|trillion|dozen)"
    r"|[-+] *(?:[0-9]|\\(?!text|\(|\[)[A-Za-z]|[B-HJ-Zb-hj-z](?![A-Za-z]))"
)
_FOLLOWS_CLOSELY = re.compile(
    r"[0-9]|\{?[.,:]\}?[0-9]|_|(?P<letters>[A-Za-z]{1,2})(?![A-Za-z])|\((?! *[A-Za-z]{2}| *\\[mt])"
)
_FOLLOWS_IN_MATHS = re.compile(r"[-+*/'!]|\[(?! *[A-Za-z]{2}| *\\text)")
_GLAD = re.compile(r"(?:[A-Za-z]{2}[^A-Za-z0-9=]*|:\s*)\Z")


def changed_by(text: str, start: int, end: int) -> str:
    """What changes the value of the box at ``text[start:end]``, as a few characters; "" if nothing does."""
    near = text[max(0, start - NEAR) : start]
    if _stands_alone(near, text[end : end + NEAR]):
        return ""
    in_maths = _ends_in_mathematics(text[max(0, start - FAR) : start].rpartition("\n\n")[2])
    return _around(near) or _before(near, in_maths) or _after(text[end : end + NEAR], near, in_maths)


def _stands_alone(before: str, after: str) -> bool:
    """Whether words alone stand before a box, and nothing behind it: so it is mostly, and this is quick to see."""
    words = before.rstrip(" \t\n$").removesuffix("\\[").removesuffix("\\(").rstrip(" \t\n")
    word = words[-24:].rpartition(" ")[2].rpartition("\n")[2].rstrip(":")
    rest = after.strip(" \t\n$.").removeprefix("\\]").removeprefix("\\)").strip(" \t\n.")
    return len(word) > 1 and word.isascii() and word.isalpha() and not rest and not set("\\{") & set(words[-24:])


def _ends_in_mathematics(before: str) -> bool:
    """Whether a text ends inside ``$…$``, ``\\[…\\]`` or the like. ``costs $5 and so on`` is no mathematics."""
    inside, begin = False, 0
    for match in _MATHS.finditer(before):
        if match["dollar"]:
            inside, begin = not inside, match.end()
        elif match["bracket"] or match["block"]:
            inside, begin = match["bracket"] in ("(", "[") or match["block"] == "begin", len(before)
    return inside and not _TWO_WORDS.search(before, begin)


def _around(before: str) -> str:
    r"""The command in whose argument the box stands and that changes it, as in ``\sqrt{\boxed{5}}``."""
    if "{" not in before:
        return ""
    depth = 0
    for at in range(len(before) - 1, -1, -1):
        if before[at] not in "{}" or before[at - 1 : at] == "\\":
            continue
        depth += 1 if before[at] == "}" else -1
        if depth < 0:
            owner = _CHANGES_GROUP.search(before, 0, at) or _CHANGES_SECOND.search(_without_group(before[:at]))
            if owner:
                return owner.group().strip()
            depth = 0
    return ""


def _without_group(text: str) -> str:
    """A text without the group in braces at its end, or as it is."""
    text, depth = text.rstrip(), 0
    for at in range(len(text) - 1, -1, -1):
        if text[at] in "{}" and text[at - 1 : at] != "\\":
            depth += 1 if text[at] == "}" else -1
        if not depth:
            return text[:at] if text[at] == "{" else text
    return text


def _before(before: str, in_maths: bool) -> str:
    """The sign, factor or function on the left of a box."""
    left = _OPENING.sub("", before)
    if in_maths and (begin := _BEGIN.search(left)):
        return _before(left[: begin.start()], False)
    attached = not _SPACE.search(before, len(left))
    left = left.rstrip("*") if left.endswith("**") else left
    if found := _OPERATES.search(left):
        return found.group()
    if left.endswith(("-", "+", "–")):
        return left[-1] if _is_sign(left[:-1], left[-1], attached, in_maths) else ""
    if left.endswith("}"):
        while (shorter := _without_group(left)) != left:
            left = shorter
        found = _VALUE_GROUP.search(left)
        return found.group().strip() if found else ""
    if (attached or in_maths) and _MULTIPLIES.search(left):
        return left[-1]
    return left[-1:] if in_maths and left.endswith((")", "]", "|", "_", "*")) and left[-2:-1] != "\\" else ""


def _is_sign(rest: str, sign: str, attached: bool, in_maths: bool) -> bool:
    """Whether a ``-`` or ``+`` belongs to the box behind it, and is no dash and no item of a list."""
    words = rest.rstrip()
    if in_maths or (attached and sign != "–"):
        return sign != "+" or not _BEGINS.search(words)
    if not words or "\n" in rest[len(words) :]:
        return _RELATION.search(words) is not None
    return _PROSE.search(words) is None


def _after(after: str, before: str, in_maths: bool) -> str:
    """The power, factor or term on the right of a box."""
    after = after if in_maths else after.partition("\n")[0]
    right = after[match.end() :] if (match := _CLOSING.match(after)) else after
    if in_maths and (end := _END.match(right)):
        return _after(right[end.end() :].removeprefix("!"), before, False)
    if found := _FOLLOWS.match(right):
        return found.group().split()[0]
    attached = not _SPACE.search(after[: len(after) - len(right)])
    found = _FOLLOWS_CLOSELY.match(right) if attached or in_maths else None
    is_emphasis = right.startswith("_") and before.endswith("_")
    if found and not is_emphasis and not (found["letters"] and is_unit(found["letters"])):
        return found.group()
    if in_maths and (found := _FOLLOWS_IN_MATHS.match(right)):
        return found.group()
    return "!" if right.startswith("!") and not right.startswith("!=") and not _GLAD.search(before) else ""
