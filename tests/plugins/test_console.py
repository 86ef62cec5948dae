from __future__ import annotations

import io
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from justtinker_core import Finding, config
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import EvalStats, StepStats
from justtinker_plugins.reporters.console import (
    Console,
    answers_table,
    by_table,
    closing_table,
    milestones,
    weights_label,
)


def evaluation(step: int, accuracy: float, **changes: Any) -> EvalStats:
    fields: dict[str, Any] = {
        "metrics": {"accuracy": accuracy, "mean_response_tokens": 21.4},
        "intervals": {"accuracy": [accuracy - 0.05, accuracy + 0.05]},
        "settings": {"problems": 400},
        "examples": [
            {"question": "1+1=?", "gold": "2", "response": r"<think>[b]</think>\boxed{2}", "outcome": "correct"}
        ],
    }
    return EvalStats(step, "held_out", **{**fields, **changes})


def step(number: int) -> StepStats:
    metrics = {"loss": 0.25, "reward": 0.5, "accuracy": 0.625, "rollouts": 8.0, "trained": 3.0}
    return StepStats(number, metrics, tokens={"sampled": 1000}, seconds={"collect": 0.5})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    tables = {"run": {"name": "mine", "model": "tiny", "steps": 4}}
    return Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path))


def reporter(width: int = 100, terminal: bool = False, **options: Any) -> tuple[Console, io.StringIO]:
    console, output = Console(**options), io.StringIO()
    console._terminal = Terminal(file=output, width=width, force_terminal=terminal, color_system=None)
    return console, output


def test_without_a_terminal_a_plain_line_every_so_many_steps_and_the_last(run: Run) -> None:
    console, output = reporter(every=3)
    for number in range(1, 5):
        console.report_step(run, step(number), [])
    line = "loss 0.250, reward 0.500, accuracy 62.5%, trained 3/8, 2,000 tok/s"
    assert output.getvalue().splitlines() == [f"mine 3/4  {line}", f"mine 4/4  {line}"]


@pytest.mark.parametrize(("usd", "said"), [(0.454, "tok/s, 0.45 USD"), (0.0, "tok/s, 0.00 USD"), (None, "tok/s")])
def test_what_a_step_costs_is_said_where_the_backend_knows(run: Run, usd: float | None, said: str) -> None:
    console, output = reporter()
    console.report_step(run, replace(step(4), usd=usd), [])
    assert output.getvalue().endswith(f" {said}\n")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_in_a_terminal_the_numbers_have_a_line_of_their_own(run: Run, width: int) -> None:
    console, output = reporter(width, terminal=True)
    console.report_step(run, step(1), [])
    console.report_progress("sample", 3, 8)
    console.report_step(run, step(2), [])
    console.finish_run(run, "interrupted")
    text = output.getvalue()
    assert "mine" in text
    assert "2/4" in text
    assert "accuracy 62.5%" in text
    assert "…" not in text, "nothing is cut off"


def test_before_the_first_step_ends_it_is_seen_how_far_it_is(run: Run) -> None:
    console, output = reporter(terminal=True)
    console.report_progress("evaluate held_out", 3, 400)
    assert console._live is not None
    console._live.refresh()
    assert "evaluate held_out 3/400" in output.getvalue()
    console.report_step(run, step(1), [])
    console.finish_run(run, "interrupted")
    assert "1/4" in output.getvalue()
    piped, output = reporter()
    piped.report_progress("sample", 3, 8)
    assert output.getvalue() == ""


def test_steps_of_minutes_say_how_long_the_rest_takes(run: Run) -> None:
    console, _ = reporter(terminal=True)
    now = 0.0
    console._bar.get_time = lambda: now
    for number in (1, 2, 3):
        now = 90.0 * number
        console.report_step(run, step(number), [])
        console.report_progress("sample", 1, 8)
    assert console._bar.tasks[0].time_remaining == 90
    console.finish_run(run, "interrupted")


def test_what_a_step_costs_and_the_run_so_far(run: Run) -> None:
    console, output = reporter(every=1)
    run.spent = 12.345
    console.report_step(run, replace(step(1), usd=0.456), [])
    assert output.getvalue().endswith("2,000 tok/s, 0.46 USD (12.35 so far)\n")


def test_what_a_model_wrote_cannot_steer_the_terminal(run: Run) -> None:
    console, output = reporter()
    console.report_step(run, step(1), [Finding("warn", "\x1b[2J\x07", source="m")])
    assert output.getvalue() == "step 1 warn m: ␛[2J␇\n"


def test_findings_are_said_as_they_are_written(run: Run) -> None:
    console, output = reporter()
    console.report_step(run, step(1), [Finding("warn", "odd [red]text[/red]", source="m")])
    assert output.getvalue() == "step 1 warn m: odd [red]text[/red]\n"


def test_an_evaluation_is_one_line(run: Run) -> None:
    console, output = reporter()
    console.report_eval(run, evaluation(3, 0.35))
    assert output.getvalue() == "held_out at step 3: accuracy 35.0 (30-40) %\n"


def test_the_last_run_of_a_command_ends_with_before_and_after(run: Run, tmp_path: Path) -> None:
    first = tmp_path / "1-sft"
    first.mkdir()
    RunDir(first).append("evals.jsonl", asdict(evaluation(0, 0.05)))
    RunDir(first).append("evals.jsonl", asdict(evaluation(600, 0.35)))
    run.files.append("evals.jsonl", asdict(evaluation(40, 0.95)))
    console, output = reporter()
    console.finish_run(replace(run, previous=[first], last=False), "finished")
    assert "before" not in output.getvalue(), "another run follows"
    console.finish_run(replace(run, previous=[first]), "finished")
    text = output.getvalue()
    for word in (
        "before",
        "1-sft 600",
        f"{tmp_path.name} 40",
        "5.0 (0-10)",
        "95.0 (90-100)",
        r"<think>[b]</think>\boxed{2}",
    ):
        assert word in text
    assert f"in {tmp_path}" in text.replace("\n", "")
    stopped, said = reporter()
    stopped.finish_run(replace(run, previous=[first], last=False), "stopped")
    assert "1-sft 600" in said.getvalue(), "no other run follows one that a monitor has stopped"


def test_milestones_are_the_start_and_every_runs_end() -> None:
    a, b = Path("a"), Path("b")
    evals = [(a, evaluation(0, 0.1)), (a, evaluation(5, 0.2)), (a, evaluation(9, 0.3)), (b, evaluation(4, 0.4))]
    assert [weights_label(*entry) for entry in milestones(evals)] == ["before", "a 9", "b 4"]
    assert milestones(evals[:1]) == evals[:1]
    assert closing_table(evals).row_count == 4
    assert answers_table(milestones(evals), 2).row_count == 3


def test_of_two_stages_only_the_first_begins_before_all(tmp_path: Path) -> None:
    for name, start in (("sft", ""), ("rl", 'start_from = "../sft"\n')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text(f'[run]\nname = "{name}-é"\n{start}', encoding="utf-8")
    said = [weights_label(tmp_path / name, evaluation(step, 0.1)) for name in ("sft", "rl") for step in (0, 5)]
    assert said == ["before", "sft-é 5", "before rl-é", "rl-é 5"]


def test_brackets_are_no_markup(run: Run, tmp_path: Path) -> None:
    console, output = reporter(400)
    console.finish_run(replace(run, files=RunDir(tmp_path / "[bold] [/x]")), "finished")
    assert output.getvalue().rstrip().endswith(f"in {tmp_path}/[bold] [/x]")
    rows = {"[/x]": {"problems": 12, "accuracy": 0.25, "low": 0.1, "high": 0.5}}
    assert printed(by_table(evaluation(0, 0.35, by={"[b]": rows}), "[b]"))[-1].split()[0] == "[/x]"
    assert printed(by_table(evaluation(0, 0.35, by={"[b]": rows}), "[b]"))[0].split() == ["held_out", "by", "[b]"]


def printed(table: Any, width: int = 160) -> list[str]:
    output = io.StringIO()
    Terminal(file=output, width=width, color_system=None).print(table)
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_several_samples_have_columns_of_their_own_and_rare_things_only_where_they_happen() -> None:
    metrics = {"accuracy": 0.5, "pass@8": 0.8, "majority@8": 0.6, "mean_response_tokens": 20.0, "unscored_rate": 0.0}
    several = evaluation(
        3, 0.5, metrics=metrics | {"truncated_rate": 0.25}, settings={"problems": 30, "samples": 8},
        intervals={"accuracy": [0.3, 0.7], "pass@8": [0.6, 0.9]},
    )  # fmt: skip
    header, once, eight, *caption = printed(closing_table([(Path("a"), evaluation(0, 0.1)), (Path("a"), several)]))
    assert header.split() == ["weights", "set", "accuracy", "pass@k", "maj@k", "cut", "tokens", "n"]
    assert once.split() == ["before", "held_out", "10.0", "(5-15)", "-", "-", "-", "21", "400x1"]
    assert eight.split() == [
        "a",
        "3",
        "held_out",
        "50.0",
        "(30-70)",
        "80.0",
        "(60-90)",
        "60.0",
        "25.0",
        "20",
        "30x8",
    ]
    assert " ".join(" ".join(caption).split()).endswith("n problems, k samples of each; accuracy: avg@k")


def test_an_evaluation_of_its_own_shows_its_tables_and_how_little_is_known(run: Run) -> None:
    from dataclasses import asdict

    rows = {"algebra": {"problems": 12, "accuracy": 0.25, "low": 0.1, "high": 0.5}}
    coin = evaluation(0, 0.35, intervals={"accuracy": [0.2, 0.54]}, by={"subject": rows})
    run.files.append("evals.jsonl", asdict(coin))
    console, output = reporter(200)
    console.finish_run(run, "finished")
    assert "held_out: the interval of its accuracy is 34% wide; take more samples or more problems" in output.getvalue()
    assert "algebra" not in output.getvalue(), "a training run has many evaluations"
    console.finish_run(run, "evaluated")
    assert [line.split() for line in printed(by_table(coin, "subject"))] == [
        ["held_out", "by", "subject"], ["subject", "accuracy", "n"], ["algebra", "25.0", "(10-50)", "12"]
    ]  # fmt: skip
    assert "held_out by subject" in output.getvalue()


def test_the_widest_table_fits_into_80_columns() -> None:
    rates = ["accuracy", "pass@8", "majority@8", "thinking_rate", "boxed_rate", "truncated_rate", "unscored_rate"]
    full = evaluation(
        3, 0.5, metrics=dict.fromkeys(rates, 0.5) | {"mean_response_tokens": 4096.0},
        intervals={name: [0.3, 0.7] for name in rates}, settings={"problems": 30, "samples": 8},
    )  # fmt: skip
    lines = printed(closing_table([(Path("quickstart-rl"), full)]), width=80)
    for word in ("accuracy", "pass@k", "maj@k", "thinking", "boxed", "cut", "not", "tokens", "n"):
        assert word in lines[0].split() + lines[1].split(), "words of titles are whole"
    assert sum("30x8" in line for line in lines) == 1


@pytest.mark.parametrize("width", [60, 80])
def test_nothing_of_the_closing_table_is_cut_off(width: int) -> None:
    rates = {"accuracy": 0.955, "thinking_rate": 1.0, "boxed_rate": 1.0, "truncated_rate": 0.64}
    last = evaluation(
        600, 0.955, metrics=rates | {"mean_response_tokens": 21.0}, intervals={key: [0.99, 1.0] for key in rates}
    )
    header, first, *_ = printed(closing_table([(Path("quickstart-sft"), last)]), width)
    assert header.split()[-2:] == ["tokens", "n"]
    assert first.split()[-2:] == ["21", "400"]
    if width == 80:
        assert first.startswith("quickstart-sft 600 held_out 95.5 (99-100) 100.0 (99-100) ")
