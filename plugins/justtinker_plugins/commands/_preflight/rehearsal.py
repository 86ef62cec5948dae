"""Open everything that a run would open, spend nothing, and show what would happen."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from justtinker_core import PluginError, loop
from justtinker_core.answers import all_of
from justtinker_core.config import RunConfig
from justtinker_core.enabling import installed, open_plugins
from justtinker_core.errors import all_or_none
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_plugins.commands._cli.plan import Planned
from justtinker_plugins.commands._preflight import checks
from justtinker_plugins.commands._preflight.data import data_notes, left_out
from justtinker_plugins.commands._preflight.estimate import describe_cost
from justtinker_plugins.shared.terminal import plain_table


def rehearse(plan: Sequence[Planned]) -> None:
    """Show and open every run of a plan. PluginError with the complaints of all."""
    console = Console()
    if not plan:
        console.print("Nothing is left to do.")
        return
    all_or_none(partial(rehearse_one, console, planned, len(plan) > 1) for planned in plan)
    console.print(f"[green]Nothing stands in the way of {'these runs' if len(plan) > 1 else 'this run'}.[/green]")


def rehearse_one(console: Console, planned: Planned, several: bool) -> None:
    """Show and open one run. PluginError with its complaints, under its name if there are several."""
    try:
        describe_run(console, planned)
        describe_plugins(console, planned.config)
        with opened(planned) as run:
            describe_data(console, run)
            describe_prompt(console, run)
            describe_cost(console, run, planned.step)
    except PluginError as error:
        name = f"{planned.config.run.name}: " if several else ""
        raise PluginError("\n".join(name + line for line in str(error).splitlines())) from error


@contextmanager
def opened(planned: Planned) -> Iterator[Run]:
    """The run, opened in a directory that is gone afterwards, without its reporters, who only say what they lack."""
    wanted, found = planned.config, installed(planned.config)
    silent, loud = (
        replace(wanted, enable=tuple(name for name in wanted.enable if (found[name].role == "reporters") == reports))
        for reports in (False, True)
    )
    reporters = open_plugins(loud)

    def lacking(run: Run) -> None:
        asked = (reporters.ask(name, "preflight", all_of(str), run=run) for name in reporters.who("preflight"))
        checks.complain(text for said in asked for text in said or ())

    with tempfile.TemporaryDirectory() as scratch:
        files = RunDir.create(Path(scratch) / "check", wanted.dump())
        with loop.opened(Run(silent, open_plugins(silent), files), (lacking, *checks.checks(planned.path))) as run:
            yield run
            run.status = "checked"


def describe_run(console: Console, planned: Planned) -> None:
    """Name, model, steps and where the weights come from."""
    run = planned.config.run
    start = run.start_from or "the model as it is"
    if planned.step:
        start = f"its checkpoint of step {planned.step}"
    elif start.startswith("../"):
        start = f"the run before ({start.removeprefix('../')})"
    console.print(f"[bold]{escape(run.name)}[/bold]: {run.steps:,} steps of {escape(run.model)}", highlight=False)
    console.print(f"starts from {escape(start)}\n", highlight=False, soft_wrap=True)


def describe_plugins(console: Console, wanted: RunConfig) -> None:
    """Every active plugin with its package and options; of rewards, the weight at the first and the last step."""
    plugins = open_plugins(wanted)
    first, last = plugins.weights(1), plugins.weights(wanted.run.steps)
    table = plain_table("plugin", "weight", "package", "options")
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for name, active in plugins.active.items():
        reward = active.reward is not None
        options = {key: value for key, value in active.dump().items() if not (reward and key == "weight")}
        weight = weight_of(first.get(name), last.get(name)) if reward else ""
        said = ", ".join(f"{key} = {value!r}" for key, value in options.items())
        table.add_row(name, weight, f"{active.found.package} {active.found.version}", escape(said))
    console.print(table)


def weight_of(first: float | None, last: float | None) -> str:
    """A reward's weight, or how it moves; a dash where it is not even computed."""
    texts = ["-" if weight is None else f"{weight:g}" for weight in (first, last)]
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def describe_data(console: Console, run: Run) -> None:
    """The data sets: sizes, samples, and how the verifiers take their golds."""
    table = plain_table("data", "from", "problems", "samples", "golds accepted", "left out")
    for spec, problems in checks.tables(run):
        judged = checks.accepted(run, problems) if checks.samples(run, spec) else ""
        samples = str(spec.samples) if spec.purpose == "eval" else ""
        table.add_row(spec.table, spec.use, f"{len(problems):,}", samples, judged, left_out(run, spec))
    console.print()
    console.print(table)
    for note in data_notes(run):
        console.print(f"[yellow]{escape(note)}[/yellow]", highlight=False, soft_wrap=True)


def describe_prompt(console: Console, run: Run) -> None:
    """A real prompt, as the model will see it, and how long."""
    for _, problems in checks.tables(run)[:1] if run.plugins.who("build_prompt") else ():
        prompt = run.prompt(problems[0])
        stops = " or ".join(map(repr, prompt.stop))
        budget, context = run.config.sampling.max_tokens, run.backend.context_length
        console.print(
            f"\nThe first prompt: {len(prompt.tokens)} tokens; the response stops at {escape(stops)}, or after "
            f"{budget:,} tokens; the model has {context:,}.",
            highlight=False,
            soft_wrap=True,
        )
        console.print(prompt.text, markup=False, style="dim", soft_wrap=True)
