"""Every ``justtinker …`` line of README and docs: its options are the command's, its presets and plugins are there.

The lines are not run, they are read: by a real shell in which `justtinker` only notes its arguments and nothing else
does anything, then by the real click commands and the real presets. What runs them: `RUN` says it page by page.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import click
import pytest

from justtinker_core import config, config_files
from justtinker_core.cli import main
from justtinker_core.discovery import COMMANDS, find, look_up
from justtinker_core.enabling import check_roles, open_plugins
from justtinker_plugins.commands._cli.options import read_configs

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = """
justtinker() { printf '%s\\037' "$@" >> "$NOTES"; printf '\\036' >> "$NOTES"; }
command_not_found_handle() { :; }
"""
FULL = re.DOTALL | re.MULTILINE
RUN = {
    "README.md": ".ci/run, from a clean clone: Train, Test and Commands; On Tinker needs a key",
    "docs/audit.md": "tests/integration/test_docs_run.py",
    "docs/bridges.md": "serve: tests/bridges/test_http.py; verl: tests/bridges/test_verl.py reads its lines; "
    "grade: tests/plugins/test_grade.py",
    "docs/chat-formats.md": "nothing: it only installs an extra",
    "docs/code.md": "tests/integration/test_code_presets.py",
    "docs/environments.md": "tests/integration/test_environments.py, and a template by tests/plugins/test_new.py",
    "docs/evaluation.md": "tests/integration/test_docs_run.py; a tinker:// path needs a key",
    "docs/health.md": "tests/integration/test_docs_run.py",
    "docs/judges.md": "tests/plugins/test_docs_judges.py, on a scripted judge; the servers need a GPU",
    "docs/plugins/tutorial.md": "tests/integration/test_tutorial.py",
    "docs/real-model.md": "tests/integration/test_real_model.py, a few steps: 41 minutes in full",
    "docs/reward-hacking.md": "tests/integration/test_docs_run.py, two steps long: 40 minutes in full",
    "docs/running-on-tinker.md": "needs a key; tests/integration/test_presets_served.py runs presets on its own server",
    "docs/scaling.md": "tests/plugins/test_ray.py with clusters of its own; Slurm needs a cluster; "
    "tests/plugins/test_local_vllm.py with a stand-in for vLLM, which needs a GPU",
    "docs/score.md": "tests/integration/test_docs_run.py",
    "docs/self-hosting.md": "tests/integration/run_skyrl.sh: needs a server, its own environment and minutes",
    "docs/showing.md": "tests/integration/test_docs_run.py",
    "docs/using-the-model.md": "tests/integration/test_docs_run.py",
}
"""Page with commands -> what runs them, or why nothing does."""


def shell_blocks(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def noted(page: Path, folder: Path) -> list[list[str]]:
    """The arguments of every call of justtinker on a page, as a shell passes them on."""
    notes = folder / "notes"
    notes.write_text("")
    for block in shell_blocks(page):
        text = SHELL + block.replace(".venv/bin/", "")
        environment = {"PATH": os.devnull, "NOTES": str(notes), "HOME": str(folder)}
        subprocess.run(["/bin/bash", "-c", text], cwd=folder, env=environment, capture_output=True, check=False)
    return [call.split("\x1f")[:-1] for call in notes.read_text().split("\x1e")[:-1]]


def check_call(call: list[str]) -> None:
    """Parse it as click would, whatever files there are; then look at what is named."""
    with click.Context(main) as group:
        command = main.get_command(group, call[0])
        assert command is not None, f"there is no command {call[0]}"
        given = command.make_context(call[0], list(call[1:]), parent=group).params
    sources = [s for s in given.get("configs") or (given.get("config"),) if s in config_files.presets()]
    if call[0] == "train" and not given["configs"] and not given["resume"]:
        sources = ["quickstart-sft", "quickstart-rl"]
    sets = [s for s in given.get("sets", ()) if not s.startswith("run.start_from=")]
    for wanted in read_configs(sources, sets, given.get("switches", ()))[0] if sources else ():
        check_roles(wanted, open_plugins(wanted))
    if not sources:
        for switch in given.get("switches", ()):
            look_up(switch.removeprefix("no:"), find())
        for item in sets:
            config_files.override({}, item)
            assert item.partition(".")[0] in config.TABLES, item
    if call[0] == "plugins" and given["name"] and ".py:" not in given["name"]:
        look_up(given["name"], find() | find(COMMANDS))


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_line_is_one_that_the_command_takes(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: Path(value))
    monkeypatch.chdir(tmp_path)
    calls = noted(page, tmp_path)
    for name, text in re.findall(r"^cat > (\w+\.py) <<'END'\n(.*?)^END$", page.read_text("utf-8"), FULL):
        (tmp_path / name).write_text(text)  # plugins that the page writes, where its commands run
    assert len(calls) >= len(re.findall(r"^(?:\.venv/bin/)?justtinker ", "\n".join(shell_blocks(page)), re.MULTILINE))
    for call in calls:
        try:
            check_call(call)
        except Exception as error:
            said = error.format_message() if isinstance(error, click.ClickException) else error
            pytest.fail(f"{page.relative_to(ROOT)}: justtinker {' '.join(call)}\n{said}")


def test_every_command_in_a_sentence_is_there() -> None:
    for page in PAGES:
        for name in re.findall(r"`justtinker ([a-z_]+)[ `]", page.read_text(encoding="utf-8")):
            assert name in find(COMMANDS), f"{page.name}: justtinker {name}"


def test_every_page_with_commands_says_what_runs_them() -> None:
    assert {str(page.relative_to(ROOT)) for page in PAGES if shell_blocks(page)} == set(RUN)
    for reason in RUN.values():
        for path in re.findall(r"[\w./]+\.(?:py|sh)\b", reason):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("trian", "there is no command trian"),
        ("train --diry-run", "No such option '--diry-run'"),
        ("train quickstart-rl -p no:redundncy", "is not enabled; did you mean 'redundancy'?"),
        ("train quickstart-rl --set plugins.grpo.loses=1", "has no option 'loses'; did you mean 'loss'?"),
        ("score runs/x -p mth_verify", "did you mean 'math_verify'?"),
        ("plugins grop", "did you mean 'grpo'?"),
    ],
)
def test_a_mistake_would_be_seen(line: str, text: str) -> None:
    with pytest.raises(Exception, match=re.escape(text)) as error:
        check_call(line.split())
    assert error
