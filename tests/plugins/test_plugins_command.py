"""`justtinker plugins`: it lists plugins without importing them, and explains each bundled one."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from justtinker_core.discovery import Found, find
from justtinker_core.hookspecs import hooks_of
from justtinker_core.plugins import activate
from justtinker_plugins.commands._cli.describe import example_table, plugin_option_rows, toml_text
from tests.core.conftest import cli

Site = Callable[..., Path]
BUNDLED = {f.name: f for f in find().values() if f.package == "justtinker"}
LOUD = "raise RuntimeError('imported!')\n"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


def words(*arguments: str | Path) -> str:
    result = cli(*arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


# The list


def test_every_plugin_is_listed_with_role_package_and_what_it_is() -> None:
    result = cli("plugins")
    assert result.exit_code == 0
    assert re.search(r"^redundancy +rewards +justtinker \d\S+ +Penalise redundancy: a", result.output, re.MULTILINE)
    assert re.search(r"^train +commands +justtinker \d\S+ +Run configs one after the", result.output, re.MULTILINE)


def test_a_narrow_terminal_gets_whole_sentences_by_role(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    site("fine", {"rewards": {"fine": "fine_pkg:Fine"}}, {"fine_pkg.py": '"""What it is."""\nFine = 1'})
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    lines = [
        re.sub(r"\x1b\[[\d;]*m", "", line) for line in cli("plugins", "--config", "grpo-standard").output.split("\n")
    ]
    assert all(len(line) <= 80 for line in lines)
    rewards = lines[lines.index("rewards") : lines.index("metrics")]
    assert "What it is (fine 1.0)" in " ".join(" ".join(rewards).split())
    assert any(re.match(r"  correct +yes  Reward correct answers: 1", line) for line in rewards)
    assert not any("…" in line for line in lines)


def test_active_plugins_are_marked() -> None:
    result = cli("plugins", "--config", "quickstart-sft")
    marked = {line.split()[0] for line in result.output.splitlines() if re.search(r"justtinker \S+ +yes ", line)}
    assert {"sft", "arithmetic", "console"} <= marked
    assert "grpo" not in marked


def test_local_plugins_of_the_config_are_listed(written: Callable[..., Path]) -> None:
    result = cli("plugins", "--config", written("mine"))
    assert re.search(r"^my_sft +local +local file [0-9a-f]{12} +yes", result.output, re.MULTILINE)


def test_a_command_that_shares_an_active_plugins_name_is_not_marked() -> None:
    result = cli("plugins", "--config", "quickstart-rl")
    assert re.search(r"^report +reporters +\S+ \S+ +yes", result.output, re.MULTILINE)
    assert re.search(r"^report +commands +\S+ \S+ {2,}Write", result.output, re.MULTILINE)


def test_plainly_broken_plugins_are_marked_without_importing_them(site: Site) -> None:
    entries = {"gone": "no_such_module:X", "deep": "broken_pkg.no:X", "misnamed": "broken_pkg.there:Mispelt"}
    there = f'"""What it is. And more."""\n{LOUD}class Misspelt: ...\n'
    site("broken", {"rewards": entries}, {"broken_pkg/__init__.py": LOUD, "broken_pkg/there.py": there})
    text = words("plugins")
    assert "gone rewards broken 1.0 broken: there is no module no_such_module" in text
    assert "deep rewards broken 1.0 broken: there is no module broken_pkg.no" in text
    assert "misnamed rewards broken 1.0 broken: no Mispelt in it" in text
    assert not {"broken_pkg", "no_such_module"} & set(sys.modules)


def test_descriptions_are_read_from_the_file(site: Site) -> None:
    files = {
        "fine_pkg.py": f'#!/usr/bin/env python\n# A licence.\n\nr"""What it is. And more."""\n{LOUD}Fine = 1\n',
        "bare_pkg.py": "Bare = 1",
    }
    site("fine", {"rewards": {"bare": "bare_pkg:Bare", "fine": "fine_pkg:Fine"}}, files)
    text = words("plugins")
    assert "bare rewards fine 1.0 boxed rewards" in text
    assert "fine rewards fine 1.0 What it is format rewards" in text


def test_two_packages_with_one_name_are_marked(site: Site) -> None:
    site("first", {"metrics": {"polite": "first:Polite"}})
    site("second", {"rewards": {"polite": "second:Polite"}})
    assert "polite metrics first 1.0 broken: clashes with second (second:Polite)" in words("plugins")


def test_check_imports_every_plugin(site: Site) -> None:
    assert cli("plugins", "--check").exit_code == 0
    site("loud", {"rewards": {"loud": "loud_pkg:Loud"}}, {"loud_pkg.py": LOUD + "Loud = 1"})
    assert cli("plugins").exit_code == 0, "listing imports nothing"
    result = cli("plugins", "--check")
    assert result.exit_code == 1
    assert "imported!" in " ".join(result.output.split())


@pytest.mark.slow
def test_listing_is_quick() -> None:
    """It takes a quarter of a second on an idle machine; the best of five must take less than three times that."""
    command = [sys.executable, "-m", "justtinker_core.cli", "plugins"]
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.75, times


# One plugin


def test_a_plugin_is_explained() -> None:
    text = words("plugins", "redundancy")
    for part in (
        "redundancy one of the rewards, from justtinker",
        "plugins/justtinker_plugins/rewards/redundancy.py",
        "Penalises a correct answer for its repetitions",
        "score Return `redundancy`: the negative penalty of each rollout",
        'method "exact" | "fast" | "flat" "flat"',
        "threshold float in [0, 1) 0.3",
        'with "redundancy" in the list `enable` of [plugins]',
        "[plugins.redundancy]",
        "weight = 0.3",
        'mode = "on"',
    ):
        assert part in text


def test_options_are_listed_where_a_table_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.rstrip() for line in cli("plugins", "redundancy").output.splitlines()]
    at = lines.index("  threshold: float in [0, 1), default 0.3")
    assert lines[at + 1 : at + 3] == [
        "      The score above which the penalty begins; the three methods share one",
        "      scale.",
    ]
    assert all(len(line) <= 80 for line in lines[2:])
    assert "  sources: table: str -> table: str -> Any (required)" in cli("plugins", "mix").output


def test_a_data_set_has_its_options_in_its_data_table() -> None:
    text = cli("plugins", "files").output
    assert '[data.train]\nuse = "files"\npath = "train.jsonl"\n' in text
    assert "`enable`" not in text


def test_a_command_is_explained_by_its_help() -> None:
    assert "Usage: justtinker train [OPTIONS] [CONFIGS]..." in cli("plugins", "train").output


def test_a_file_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from justtinker_core import hookimpl, plugin\n@plugin\nclass LastWord:\n    'Has it.'\n    most: int = 3\n"
        "    @hookimpl\n    def measure(self, group): ...\n"
    )
    text = words("plugins", f"{file}:LastWord")
    assert text.startswith(
        f"last_word from a local file {file} Has it. Hooks measure Name -> one number or None for each rollout Options"
    )
    assert text.endswith("[plugins.last_word] most = 3")
    assert "there is no file nowhere.py" in cli("plugins", "nowhere.py:X").output


def test_an_unknown_plugin_is_an_error() -> None:
    result = cli("plugins", "redundncy")
    assert result.exit_code == 1
    assert "no plugin called 'redundncy'; did you mean 'redundancy'?" in result.output


@pytest.mark.parametrize("found", BUNDLED.values(), ids=BUNDLED)
def test_every_bundled_plugin_can_be_explained(found: Found) -> None:
    cls = found.load()
    rows = plugin_option_rows(cls)
    for name, kind, _, meaning in rows:
        assert meaning, f"{found.name}: the option {name} has no meaning: write a string under the field"
        assert not re.search(r"typing|Annotated|Literal|class|\.\.\.", kind), f"{found.name}.{name}: {kind}"
    text = words("plugins", found.name)
    for part in ("Hooks", *hooks_of(cls), *(name for name, *_ in rows)):
        assert part in text


@pytest.mark.parametrize("found", BUNDLED.values(), ids=BUNDLED)
def test_every_example_table_works_when_pasted(found: Found) -> None:
    cls = found.load()
    tables = tomllib.loads(example_table(found.name, cls, plugin_option_rows(cls)))
    options = tables["data"]["train"] if "data" in tables else tables["plugins"][found.name]
    if "data" in tables:
        assert options.pop("use") == found.name
    active = activate(found, options)
    empty = activate(found, {k: v for k, v in options.items() if k in needed(cls)})
    assert {**empty.dump(), **active.dump()} == active.dump(), "the example spells out the defaults"


@pytest.mark.parametrize(
    "value", [True, 1e-06, 'a\nb, "c",\n]', [[1, [2]], [], [3]], {"a:b": [1.5], "c": {}}, [{"x": "y" * 200}, {"x": ""}]]
)
def test_a_default_is_toml_on_one_line(value: object) -> None:
    assert "\n" not in toml_text(value)
    assert tomllib.loads(f"x = {toml_text(value)}") == {"x": value}


def test_a_default_that_toml_lacks_is_python() -> None:
    assert toml_text(None) == "None"
    assert toml_text(Path("a")) == '"a"', "but a path is a text"


def needed(cls: type) -> set[str]:
    return {"path"} | {name for name, _, default, _ in plugin_option_rows(cls) if default == "(required)"}
