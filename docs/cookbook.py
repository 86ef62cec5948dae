"""Write docs/plugins/cookbook.md from the recipes: ``python docs/cookbook.py``. A test checks that it is current."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "plugins" / "cookbook"
ORDER = {
    "Data": ["change_of_base"],
    "Verifiers": ["code_output", "proof_server"],
    "Rewards": ["diversity", "soft_overlong", "cosine_length"],
    "Watching": ["webhook", "csv_file"],
}
INTRO = """# Cookbook

Made by `python docs/cookbook.py` from the files in [cookbook](cookbook). These are eight complete plugins, one file
each. Copy one next to your config, add its TOML, and change it until it is yours.

Below, `enable` names the recipe and the plugins that it goes with; keep the rest of your list. This is a whole
config with a recipe, for the quickstart's model and task, with the file beside it:

```toml
{config}```

`justtinker train quickstart-sft mine.toml` runs it after the quickstart's first stage. Alone it would train a model
that knows nothing, without a correct answer to learn from.

mypy checks every file in strict mode, and each takes part in a real run in `tests/cookbook`. These tests also show how
to test a plugin in that role. The docstring of each recipe says what it is for, what it computes, where that comes from
and what can go wrong.
"""
CONFIG = """[run]
name = "with-a-recipe"
model = "tiny"
steps = 3

[sampling]
max_tokens = 48

[data.train]
use = "arithmetic"

[plugins]
enable = ["local", "chatml_think", "grpo", "numeric", "correct", "diversity", "group_mean", "console"]

[plugins.grpo]
problems_per_step = 8

[plugins.diversity]
weight = 0.1
mode = "observe"

[local_plugins]
diversity = "diversity.py:Diversity"           # relative to this config
"""


class Recipe(NamedTuple):
    """A file of the cookbook, in its parts."""

    name: str
    title: str
    text: str
    """What its docstring says, formulas included, without the TOML."""
    toml: str
    code: str

    @staticmethod
    def read(path: Path) -> Recipe:
        """The TOML is the last indented part of the docstring."""
        source = path.read_text(encoding="utf-8")
        module = ast.parse(source)
        title, _, rest = (ast.get_docstring(module) or "").partition("\n\n")
        text, _, toml = rest.partition("\n\n    [")
        code = "".join(source.splitlines(keepends=True)[module.body[0].end_lineno :])
        return Recipe(path.stem, title.rstrip("."), text, textwrap.dedent("    [" + toml) + "\n", code.lstrip("\n"))


def recipes() -> list[Recipe]:
    """All of them, in the page's order."""
    return [Recipe.read(FOLDER / f"{name}.py") for names in ORDER.values() for name in names]


def section(recipe: Recipe) -> str:
    """A recipe on the page: its words, its TOML, its code."""
    link = f"[`{recipe.name}.py`](cookbook/{recipe.name}.py)"
    return (
        f"### {recipe.name}: {recipe.title}\n\n{formulas(recipe.text)}\n\n```toml\n{recipe.toml}```\n\n"
        f"<details><summary>{len(recipe.code.splitlines())} lines of code</summary>\n\n{link}\n\n"
        f"```python\n{recipe.code}```\n\n</details>\n"
    )


def formulas(text: str) -> str:
    """Indented lines as blocks of their own; double backquotes as single ones."""
    parts = text.replace("``", "`").split("\n\n")
    return "\n\n".join(f"```\n{textwrap.dedent(part)}\n```" if part.startswith("    ") else part for part in parts)


def page() -> str:
    """The whole page."""
    found = {recipe.name: recipe for recipe in recipes()}
    parts = [INTRO.format(config=CONFIG)]
    for heading, names in ORDER.items():
        parts += [f"## {heading}\n", *(section(found[name]) for name in names)]
    return "\n".join(parts)


if __name__ == "__main__":
    FOLDER.with_suffix(".md").write_text(page(), encoding="utf-8")
