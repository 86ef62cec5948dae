"""The house stays in order: short functions, short core files, and parts no larger than docs/decisions.md says.

Which rooms may know which is checked by `lint-imports` (the contracts stand in pyproject.toml).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "justtinker_core").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins" / "justtinker_plugins").rglob("*.py"))
NO_CODE = (
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
)  # fmt: skip


def code_lines(path: Path) -> int:
    """The lines of a file without docstrings, comments and blank lines."""
    source = path.read_text(encoding="utf-8")
    texts: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            texts |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - texts)


def part_of(path: Path) -> str:
    """The part of the core that a file belongs to, as docs/decisions.md calls it."""
    first, *rest = path.relative_to(ROOT / "justtinker_core").parts
    return f"{first}/" if rest else first if first == "cli.py" else "the files at the top"


def test_no_core_file_is_over_300_lines_but_types() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in CORE}
    assert {name for name, length in lengths.items() if length > 300} <= {"types.py"}


def test_no_function_is_over_40_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in (*CORE, *PLUGINS)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= 40
    ]
    assert not long


def test_every_part_of_the_core_is_as_small_as_the_decisions_say() -> None:
    page = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").partition("\n## Size\n")[2]
    rows = re.findall(r"^\| ([^|]+?) \| ([\d,]+) \|", page, re.MULTILINE)
    most = {name.replace("`", ""): int(figure.replace(",", "")) for name, figure in rows}
    sizes: Counter[str] = Counter()
    for path in CORE:
        sizes[part_of(path)] += code_lines(path)
    assert set(sizes) == set(most)
    assert {part: size for part, size in sizes.items() if size > most[part]} == {}, "raise a figure with a reason"
