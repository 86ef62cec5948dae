"""``justtinker check``: open everything that a run would open, spend nothing, and show what would happen."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from justtinker_core import PluginError, Problem, Rollout, config
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run, installed, open_plugins, resolved
from justtinker_core.rundir import RunDir
from justtinker_plugins._tables import plain_table
from justtinker_plugins.commands._options import plugin_option, set_option


@click.command()
@click.argument("source", metavar="CONFIG")
@set_option
@plugin_option
def check(source: str, sets: tuple[str, ...], switches: tuple[str, ...]) -> None:
    """Check a config before anything is spent: plugins, data, prompt, verifier, lengths.

    Complaints of one kind (keys, roles, data, the run itself) are told at once, the next kind when these are mended.
    """
    console = Console()
    wanted = resolved(config.read(source, sets, switches))
    found = installed(wanted)
    silent = replace(wanted, enable=tuple(name for name in wanted.enable if found[name].role != "reporters"))
    with (
        tempfile.TemporaryDirectory() as scratch,
        Run(silent, open_plugins(silent), RunDir.create(Path(scratch) / "check", wanted.dump())) as run,
    ):
        complaints = [c for problem in samples(run) for c in complain(run, problem)]
        describe(console, run, open_plugins(wanted))
        run.status = "checked"
    if complaints:
        raise PluginError("\n".join(dict.fromkeys(complaints)))
    console.print("[green]Nothing stands in the way of this run.[/green]")


def samples(run: Run) -> list[Problem]:
    """The first problem of every data table."""
    return [problems[0] for problems in (run.train_problems, *run.eval_problems.values()) if problems]


def complain(run: Run, problem: Problem) -> list[str]:
    """What is wrong with a problem: its prompt does not fit, or the verifier misjudges its own gold."""
    complaints = []
    prompt = run.prompt(problem)
    needed, most = len(prompt.tokens) + run.config.sampling.max_tokens, run.backend.context_length
    if needed > most:
        complaints.append(
            f"prompt ({len(prompt.tokens)} tokens) and response ([sampling] max_tokens = "
            f"{run.config.sampling.max_tokens}) need {needed} tokens; the model has {most}: lower max_tokens"
        )
    if problem.answer is None or not run.plugins.who("verify"):
        return complaints
    right, wrong = (f"<think>Checking.</think>\\boxed{{{a}}}" for a in (problem.answer, "not the answer"))
    verdicts = run.plugins.first("verify", problem=problem, rollouts=[spoken(right), spoken(wrong)])
    if verdicts is None:
        complaints.append(f"no verifier takes problem {problem.id!r} of kind {problem.kind!r}")
    elif [v.outcome for v in verdicts] != ["correct", "incorrect"]:
        complaints.append(
            f"the verifier calls the gold of problem {problem.id!r} ({problem.answer}) {verdicts[0].outcome} "
            f"{verdicts[0].reason} and a wrong answer {verdicts[1].outcome}"
        )
    return complaints


def spoken(text: str) -> Rollout:
    """A rollout of that text."""
    return Rollout((), (), (), text)


def describe(console: Console, run: Run, plugins: Plugins) -> None:
    """The plan: plugins with their options, data, and a real prompt."""
    table = plain_table("plugin", "package", "options")
    for name, active in plugins.active.items():
        options = ", ".join(f"{key} = {value}" for key, value in active.dump().items())
        table.add_row(name, f"{active.found.package} {active.found.version}", options)
    console.print(table)
    for name, problems in {"train": run.train_problems, **run.eval_problems}.items():
        console.print(f"{name}: {len(problems):,} problems", highlight=False)
    for problem in samples(run)[:1]:
        prompt = run.prompt(problem)
        console.print(
            f"\nThe first prompt, {len(prompt.tokens)} tokens, stops at {' or '.join(map(repr, prompt.stop))}:"
        )
        console.print(prompt.text, markup=False, style="dim")
