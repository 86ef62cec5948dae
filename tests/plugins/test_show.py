from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.rundir import RunDir
from justtinker_core.types import Group, Problem, Prompt, Reward, Rollout, Verdict
from justtinker_plugins.shared.terminal import one_line, printable
from tests.core.conftest import cli

EVIL = "\x1b]0;pwned\x07\x1b[31m[red]markup[/red] [/] \x9b2J \u202eturned\u202c \ud800 \r"


def group(index: int, rewards: list[float], outcomes: str, text: str = "so it is \\boxed{1}") -> Group:
    """Make a group with a reward and a verdict (c, i or u) per rollout; every second rollout is truncated."""
    full = {"c": "correct", "i": "incorrect", "u": "unscored"}
    return Group(
        3, index, Problem(f"p{index}", f"what is {index} [bold]?", f"{index}"), Prompt(f"<ask {index}>"),
        tuple(Rollout((1,), (0.0,), (True,), text, bool(n % 2)) for n in range(len(rewards))),
        tuple(Verdict(full[o], "1", "exact", "because") for o in outcomes),  # type: ignore[arg-type]
        {"thinking_rate": (1.0,) * len(rewards)},
        tuple(Reward({"correct": r, "format": None}, {"correct": 1.0, "format": 0.1}) for r in rewards),
        tuple(r - 0.5 for r in rewards),
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of two steps and an evaluation."""
    monkeypatch.setenv("COLUMNS", "120")
    files = RunDir.create(tmp_path / "run", '[run]\nname = "x"\nmodel = "x"\nsteps = 9\n')
    groups = [group(0, [0.25, 1.0], "ic"), group(1, [0.75, 0.5], "ci"), group(2, [0.0, 0.0], "ui", EVIL)]
    files.write_groups("step_000002", groups[:1])
    files.write_groups("step_000003", groups)
    files.write_groups("eval_held_000004", [group(7, [1.0], "c")])
    return files.path


def shown(output: str) -> list[str]:
    """Return the names of the rollouts that have a line."""
    return [line.split()[0] for line in output.splitlines() if line[:1].isdigit() and line[1:2] == "."]


def test_a_step(run: Path) -> None:
    output = cli("show", run, "--step", "3").output
    assert output.startswith("step 3, training\n\ngroup 0: 1 of 2 correct\nwhat is 0 [bold]?   gold: 0\n")
    assert shown(output) == ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"]
    line = next(line for line in output.splitlines() if line.startswith("0.1"))
    assert line.split() == ["0.1", "correct", "1.000", "0.500", "1", "(cut)", "1", "so", "it", "is", "\\boxed{1}"]
    assert output.rstrip().endswith("To see a rollout in full: --rollout 0.0")
    assert cli("show", run).output == output, "by default, the last step"
    few = cli("show", run, "--groups", "1").output
    assert shown(few) == ["0.0", "0.1"]
    assert "1 of 3 groups; --groups N shows more." in few


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("best", ["0.1", "1.0", "2.1"]),
        ("worst", ["2.1", "0.0", "1.1"]),
        ("unscored", ["2.0"]),
        ("truncated", ["0.1", "1.1", "2.1"]),
    ],
)
def test_only(run: Path, only: str, expected: list[str]) -> None:
    assert shown(cli("show", run, "--only", only).output) == expected


def test_no_group_to_show(run: Path) -> None:
    assert cli("show", run, "--step", "2", "--only", "unscored").output.endswith("No groups with unscored rollouts.\n")


def test_an_evaluation(run: Path) -> None:
    output = cli("show", run, "--eval", "held").output
    assert output.startswith("step 4, held\n")
    assert shown(output) == ["7.0"]


def test_an_evaluation_set_called_training(run: Path) -> None:
    RunDir(run).write_groups("eval_training_000003", [group(7, [1.0], "c")])
    RunDir(run).write_groups("eval_training_000005", [group(8, [1.0], "c")])
    assert shown(cli("show", run, "--eval", "training", "--step", "3").output) == ["7.0"]
    assert cli("show", run).output.startswith("step 3, training\n")


def test_a_whole_rollout(run: Path) -> None:
    output = cli("show", run, "--rollout", "0.1").output
    for words in ("<ask 0>", "so it is \\boxed{1}", "gold     0", "outcome  correct", "reason   because"):
        assert words in output
    rows = [line.split() for line in output.splitlines()]
    assert ["correct", "1.000", "1.000", "1.000"] in rows
    assert ["format", "-", "0.100", "-"] in rows
    assert ["total", "1.000"] in rows
    assert ["advantage", "0.500"] in rows
    assert ["thinking_rate", "1"] in rows


@pytest.mark.parametrize("arguments", [("--step", "3"), ("--rollout", "2.0")])
def test_a_models_text_does_nothing_to_the_terminal(
    run: Path, arguments: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    output = cli("show", run, *arguments).output
    for harm in ("\x1b]", "\x1b[31m[red]", "\x07", "\x9b", "\u202e", "\r"):
        assert harm not in output
    for words in ("␛]0;pwned␇␛[31m[red]markup[/red] [/] <U+009B>2J", "<U+202E>turned<U+202C>"):
        assert words in " ".join(output.split())


@given(st.text(st.characters(), max_size=80))
def test_printable_leaves_no_control_character(text: str) -> None:
    for cleaned in (printable(text), one_line(text, 20)):
        assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t"]
    assert "\n" not in one_line(text)
    if text.isascii() and text.isprintable():
        assert printable(text) == text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ("--step", "7"),
            "no rollouts of training at step 7; it has rollouts of 2 steps, from 2 to 3; the nearest is 3",
        ),
        (("--eval", "hold"), "no rollouts of 'hold'; it has: training, held\n"),
        (("--rollout", "0.5"), "--rollout 0.5: step 3 has 2 rollouts in group 0, from 0"),
        (("--rollout", "9.0"), "--rollout 9.0: step 3 has no such group"),
        (("--rollout", "best"), "--rollout: expected GROUP.N, such as 0.3, got best"),
    ],
)
def test_missing_rollouts(run: Path, arguments: tuple[str, str], complaint: str) -> None:
    result = cli("show", run, *arguments)
    assert result.exit_code == 1
    assert complaint in result.output


def test_a_run_without_rollouts_and_a_damaged_file(run: Path, tmp_path: Path) -> None:
    bare = RunDir.create(tmp_path / "bare", "")
    expected = "has no rollouts of 'training'; it has: none; use --eval NAME for evaluations"
    assert expected in cli("show", bare.path).output
    file = run / "rollouts" / "step_000003.jsonl.zst"
    file.write_bytes(b"no zstd")
    assert f"{file} cannot be read as JSON lines: " in cli("show", run).output
    file.write_bytes(zstandard.compress(b"[1]\n"))
    assert cli("show", run).output == f"Error: {file}, line 1: expected the line to be an object, got [1]\n"
    file.write_bytes(zstandard.compress(b"{}\n"))
    assert cli("show", run).output == f"Error: {file}, line 1 is no group of rollouts: it has no 'rollouts'\n"


def test_a_rollout_whose_thinking_the_prompt_opened(run: Path) -> None:
    some = Group(
        5, 0, Problem("p", "q", "1"), Prompt("q<think>\n"), (Rollout((1,), (0.0,), (True,), "hm", opened="<think>\n"),)
    )
    RunDir(run).write_groups("step_000005", [some])
    output = cli("show", run, "--rollout", "0.0").output
    assert "\nresponse, after <think> ──" in output
    assert "\nresponse ──" in cli("show", run, "--step", "3", "--rollout", "0.0").output
