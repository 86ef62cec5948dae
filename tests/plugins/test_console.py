from __future__ import annotations

import io
import re
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from justtinker_core import Finding, config
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.testing import ScriptedBackend
from justtinker_core.types import EvalStats, History, StepStats
from justtinker_plugins.reporters._console import pace
from justtinker_plugins.reporters._console.pace import RECENT, Speed, UnderWay, evaluations_left
from justtinker_plugins.reporters.console import (
    Console,
    answers_table,
    by_table,
    closing_table,
    milestones,
    weights_label,
)
from tests.core.conftest import PLAYERS, Written, cli


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
    tokens, seconds = {"sampled": 1000, "trained": 300}, {"collect": 60.0, "train": 20.0, "total": 80.0}
    return StepStats(number, metrics, tokens=tokens, seconds=seconds)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    tables = {"run": {"name": "mine", "model": "tiny", "steps": 4}}
    run = Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path))
    run.backend = ScriptedBackend()
    return run


SPEED = "45 steps/h; sampled 17, trained 15 tok/s"


def reporter(width: int = 100, terminal: bool = False, **options: Any) -> tuple[Console, io.StringIO]:
    console, output = Console(**options), io.StringIO()
    console._terminal = Terminal(file=output, width=width, force_terminal=terminal, color_system=None)
    return console, output


def test_without_a_terminal_plain_lines_every_so_many_steps_and_the_first_and_last(run: Run) -> None:
    console, output = reporter(every=3)
    for number in range(1, 5):
        stats = step(number)
        console.report_step(run, replace(stats, seconds={n: s / 100 for n, s in stats.seconds.items()}), [])
    numbers = "loss 0.250, reward 0.500, accuracy 62.5%, trained 3/8"
    speed = "4,500 steps/h; sampled 1,667, trained 1,500 tok/s"
    assert output.getvalue().splitlines() == [
        f"mine 1/4  {numbers}", f"mine 1/4  about 0:02 min left ({speed})",
        f"mine 3/4  {numbers}", f"mine 3/4  about 0:01 min left ({speed})",
        f"mine 4/4  {numbers}", f"mine 4/4  {speed}",
    ]  # fmt: skip


def test_a_log_has_every_step_that_takes_long(run: Run) -> None:
    console, output = reporter()
    for number in range(1, 4):
        console.report_step(run, step(number), [])
    assert output.getvalue().splitlines()[1::2] == [
        f"mine 1/4  about 4:00 min left ({SPEED})",
        f"mine 2/4  about 2:40 min left ({SPEED})",
        f"mine 3/4  about 1:20 min left ({SPEED})",
    ]


@pytest.mark.parametrize(("usd", "said"), [(0.454, "3/8, 0.45 USD"), (0.0, "3/8, 0.00 USD"), (None, "3/8")])
def test_what_a_step_costs_is_said_where_the_backend_knows(run: Run, usd: float | None, said: str) -> None:
    console, output = reporter()
    console.report_step(run, replace(step(4), usd=usd), [])
    assert (
        output.getvalue() == f"mine 4/4  loss 0.250, reward 0.500, accuracy 62.5%, trained {said}\nmine 4/4  {SPEED}\n"
    )


# How long the rest takes


def test_the_first_step_does_not_count_once_there_are_others(run: Run) -> None:
    speed, slow = Speed(), replace(step(1), seconds={"collect": 500.0, "train": 100.0, "total": 600.0})
    speed.add(slow)
    assert speed.describe(run, 1) == "about 30:00 min left (6.0 steps/h; sampled 2, trained 3 tok/s)"
    speed.add(step(2))
    assert speed.describe(run, 2) == f"about 2:40 min left ({SPEED})"
    speed.add(slow)
    assert speed.describe(run, 3).startswith("about 5:40 min left (11 steps/h;"), "the mean of both"


def test_only_recent_steps_count(run: Run) -> None:
    speed = Speed()
    for number in (1, 2, *range(3, 3 + RECENT)):
        speed.add(replace(step(number), seconds={"collect": 60.0, "train": 20.0, "total": 1.0 if number < 3 else 80.0}))
    assert speed.rates() == SPEED


def test_a_step_that_trains_nothing_and_one_that_samples_nothing(run: Run) -> None:
    speed = Speed()
    speed.add(replace(step(1), tokens={}))
    assert speed.describe(run, 1) == "about 4:00 min left (45 steps/h)"
    speed.add(replace(step(2), tokens={"trained": 300}))
    assert speed.describe(run, 2) == "about 2:40 min left (45 steps/h; trained 15 tok/s)"


def test_of_what_was_sampled_ahead_the_whole_step_is_the_time(run: Run) -> None:
    speed, ahead = Speed(), step(1)
    speed.add(replace(ahead, metrics={**ahead.metrics, "sampler_age": 1.0}, tokens={"sampled": 1000}))
    assert speed.rates() == "45 steps/h; sampled 12 tok/s"


@pytest.mark.parametrize(
    ("done", "section", "concurrent", "seconds", "known"),
    [
        (4, {"every": 10}, False, 3 * 70, True),  # after steps 10, 20 and 25
        (10, {"every": 10}, False, 3 * 70, True),  # that of step 10 is not recorded yet
        (20, {"every": 10}, False, 2 * 70, True),
        (4, {"every": 10, "at_end": False}, False, 2 * 70, True),
        (25, {}, False, 70, True),
        (4, {}, True, 0, True),
        (4, {"every": 10, "at_end": False, "at_start": False}, False, 0, False),
    ],
)
def test_the_time_left_counts_the_evaluations_that_come(
    tmp_path: Path, done: int, section: dict[str, Any], concurrent: bool, seconds: float, known: bool
) -> None:
    tables = {"run": {"name": "mine", "model": "tiny", "steps": 25}, "evaluation": section}
    run = Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path))
    run.backend, run.eval_problems = ScriptedBackend(), {"a": (), "b": ()}
    run.backend.concurrent = concurrent
    if known:
        took = {"a": 60.0, "b": 10.0}
        evals = [replace(evaluation(0, 0.1), name=name, seconds={"total": t}) for name, t in took.items()]
        run.history = History(evals=tuple(evals))
    assert evaluations_left(run, done) == (seconds, known)


def test_evaluations_of_unknown_length_are_named(run: Run) -> None:
    run.eval_problems = {"held_out": ()}
    speed = Speed()
    speed.add(step(1))
    assert speed.describe(run, 1) == f"about 4:00 min left plus evaluations ({SPEED})"
    assert speed.describe(run, 4) == f"evaluations left ({SPEED})"
    run.history = History(evals=(replace(evaluation(0, 0.1), seconds={"total": 4000.0}),))
    assert speed.describe(run, 1) == f"about 1:10 h left ({SPEED})"
    run.history = History(evals=(*run.history.evals, replace(evaluation(4, 0.1), seconds={"total": 4000.0})))
    assert speed.describe(run, 4) == SPEED


# What is under way


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ([("load weights", 0, 1)], "load weights"),
        ([("step 3", 0, 1)], "step 3"),
        ([("step 3", 0, 1), ("sample", 0, 8), ("sample", 2, 8)], "step 3: sample 2/8"),
        ([("step 3", 0, 1), ("sample", 8, 8), ("train", 0, 1)], "step 3: train"),
        ([("step 3", 0, 1), ("train", 0, 1), ("evaluate held_out", 0, 400)], "evaluate held_out 0/400"),
        (
            [("evaluate held_out", 0, 400), ("step 3", 0, 1), ("evaluate held_out", 7, 400)],
            "step 3: evaluate held_out 7/400",
        ),
        ([("evaluate held_out", 3, 400)], "evaluate held_out 3/400"),
        ([("step 3", 0, 1), ("sample", 0, 8), ("token", 5, 64)], "step 3: sample 0/8: token 5/64"),
        ([("step 3", 0, 1), ("sample", 0, 8), ("token", 5, 64), ("sample", 2, 8)], "step 3: sample 2/8: token 5/64"),
        ([("step 3", 0, 1), ("sample", 7, 8), ("token", 5, 64), ("sample", 8, 8)], "step 3: sample 8/8"),
        ([("step 3", 0, 1), ("sample", 7, 8), ("token", 5, 64), ("train", 0, 4)], "step 3: train 0/4"),
        ([("step 3", 0, 1), ("train", 1, 4), ("batch", 2, 5), ("step 4", 0, 1)], "step 4"),
        ([("evaluate held_out", 0, 400), ("token", 5, 64)], "evaluate held_out 0/400: token 5/64"),
    ],
)
def test_what_is_under_way(told: list[tuple[str, int, int]], text: str) -> None:
    under_way = UnderWay()
    for call in told:
        under_way.tell(*call)
    assert str(under_way) == text


def test_a_stage_says_how_long_it_has_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(pace.time, "monotonic", lambda: now)
    under_way = UnderWay()
    under_way.tell("step 3", 0, 1)
    now += 91
    under_way.tell("sample", 0, 8)
    assert str(under_way) == "step 3: sample 0/8, 1:31 min", "the time of the step"
    now += 3600
    under_way.tell("train", 0, 1)
    assert str(under_way) == "step 3: train, 1:01 h"
    under_way.tell("evaluate held_out", 0, 400)
    assert str(under_way) == "evaluate held_out 0/400"


SLOW = """
import time
class Slow(Sft):
    @hookimpl
    def collect_batch(self, step, run):
        if step == 2:
            time.sleep(1)
            for done in range(100):
                run.report_progress("dig", done, 100)
                time.sleep(0.01)
        return super().collect_batch(step, run)
"""


def test_a_log_says_what_a_long_step_is_at(written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("justtinker_plugins.reporters.console.QUIET", 0.3)
    source = written("mine", "ScriptedBackend", "Slow", steps=3)
    (tmp_path / "players.py").write_text(PLAYERS + SLOW)
    before = set(threading.enumerate())
    lines = cli("train", source, "-p", "console", "--dir", "out").stdout.splitlines()
    first, last = (i for i, line in enumerate(lines) if re.match(r"mine [12]/3  .*left", line))
    silent = lines[first + 1 : last]
    assert "step 2" in silent, "not a word from the plugin, and less than a second"
    assert [line for line in silent if re.fullmatch(r"step 2: dig \d+/100, 0:01 min", line)]
    assert 4 <= len(silent) <= 7, silent
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), "the run's end ends its thread"


def test_quick_steps_break_no_silence(written: Written) -> None:
    lines = cli("train", written("mine", steps=30), "-p", "console", "--dir", "out").stdout.splitlines()
    assert [line.partition("  ")[0] for line in lines[1:-1:2]] == ["mine 1/30", "mine 20/30", "mine 30/30"]


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
    piped.finish_run(run, "interrupted")


def test_the_live_line_moves_within_a_step_and_is_gone_at_the_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    console, output = reporter(terminal=True)
    console.report_step(run, step(1), [])
    console.report_progress("step 2", 0, 1)
    console.report_progress("sample", 3, 8)
    now = time.monotonic() + 75.5
    monkeypatch.setattr(pace.time, "monotonic", lambda: now)
    assert console._live is not None
    console._live.refresh()
    assert "step 2: sample 3/8, 1:15 min" in output.getvalue()
    assert f"about 4:00 min left ({SPEED})" in output.getvalue()
    output.truncate(0)
    console.finish_run(run, "interrupted")
    assert SPEED in output.getvalue()
    assert "sample 3/8" not in output.getvalue()
    assert "left" not in output.getvalue()


def test_what_a_step_costs_and_the_run_so_far(run: Run) -> None:
    console, output = reporter(every=1)
    run.spent = 12.345
    console.report_step(run, replace(step(1), usd=0.456), [])
    assert "trained 3/8, 0.46 USD (12.35 so far)\n" in output.getvalue()


def test_what_a_model_wrote_cannot_steer_the_terminal(run: Run) -> None:
    console, output = reporter()
    console.report_step(run, step(1), [Finding("warn", "\x1b[2J\x07", source="m")])
    assert output.getvalue().endswith("\nstep 1 warn m: ␛[2J␇\n")


def test_findings_are_said_as_they_are_written(run: Run) -> None:
    console, output = reporter()
    console.report_step(run, step(1), [Finding("warn", "odd [red]text[/red]", source="m")])
    assert output.getvalue().endswith("\nstep 1 warn m: odd [red]text[/red]\n")


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
