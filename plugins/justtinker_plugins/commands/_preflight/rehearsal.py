"""The rehearsal of a run: open all that it would open, show what it would do, and spend nothing."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from justtinker_core import PluginError, loop
from justtinker_core.answers import all_of
from justtinker_core.checkpoints import checkpoint_of
from justtinker_core.config import RunConfig
from justtinker_core.enabling import installed, open_plugins
from justtinker_core.errors import all_or_none
from justtinker_core.plugins import Active
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_plugins.commands._cli.awaiting import awaiting
from justtinker_plugins.commands._cli.plan import PlannedRun
from justtinker_plugins.commands._preflight import checks
from justtinker_plugins.commands._preflight.data import data_notes, skipped_rows
from justtinker_plugins.commands._preflight.estimate import describe_cost
from justtinker_plugins.shared.terminal import count_of, plain_table
from justtinker_plugins.text import CLOSE

OURS = "justtinker"


def rehearse(runs: Sequence[PlannedRun]) -> None:
    """Open and describe every planned run. Raises one PluginError with the complaints of all."""
    console = Console()
    if not runs:
        console.print("Nothing is left to do.")
        return
    all_or_none(partial(rehearse_run, console, planned, len(runs) > 1) for planned in runs)
    console.print(f"[green]Nothing stands in the way of {'these runs' if len(runs) > 1 else 'this run'}.[/green]")


def rehearse_run(console: Console, planned: PlannedRun, several: bool) -> None:
    """Open and describe one run. Raises a PluginError with its complaints, each after its name if there are several."""
    config = config_to_open(planned)
    with tempfile.TemporaryDirectory() as scratch:
        run = run_without_reporters(config, RunDir.create(Path(scratch) / "check", config.dump()))
        try:
            describe_run(console, planned)
            describe_plugins(console, config)
            with opened(planned, run):
                describe_data(console, run)
                describe_prompt(console, run)
                describe_cost(console, run, planned.step, RunDir(planned.path).spent())
        except PluginError as error:
            if run.status != "checked":  # who has no account yet wants to see this first
                describe_cost(console, run, planned.step, RunDir(planned.path).spent())
            name = f"{config.run.name}: " if several else ""
            raise PluginError("\n".join(name + line for line in str(error).splitlines())) from error


def config_to_open(planned: PlannedRun) -> RunConfig:
    """A run's config; a run before it in the same command becomes its checkpoint, or nothing if it has none yet."""
    run = planned.config.run
    start = run.start_from
    if start is None or not start.startswith("../"):
        return planned.config
    try:
        start = checkpoint_of(start, planned.path)
    except PluginError:
        start = None
    return replace(planned.config, run=replace(run, start_from=start))


def run_without_reporters(config: RunConfig, files: RunDir) -> Run:
    """Make a run of all plugins but the reporters."""
    reporters = reporters_of(config)
    quiet = replace(config, enable=tuple(name for name in config.enable if name not in reporters))
    return Run(quiet, open_plugins(quiet), files)


def reporters_of(config: RunConfig) -> list[str]:
    """The names of the reporters that a config enables."""
    known = installed(config)
    return [name for name in config.enable if known[name].role == "reporters"]


@contextmanager
def opened(planned: PlannedRun, run: Run) -> Iterator[None]:
    """Open the run in a temporary directory. Of its reporters, only `preflight` is called."""
    config = planned.config
    reporters = open_plugins(replace(config, enable=tuple(reporters_of(config))))

    def check_reporters(run: Run) -> None:
        answers = (reporters.ask(name, "preflight", all_of(str), run=run) for name in reporters.who("preflight"))
        checks.raise_complaints(complaint for answer in answers for complaint in answer or ())

    every = (check_reporters, *checks.checks_for(planned.path))
    with ExitStack() as stack:
        with awaiting() as say:
            stack.enter_context(loop.opened(run, every, say))
        run.status = "checked"
        yield


def describe_run(console: Console, planned: PlannedRun) -> None:
    """Print a run's name, its model, its number of steps and the weights that it starts from."""
    run = planned.config.run
    start = run.start_from or "the model as it is"
    if planned.step:
        start = f"its checkpoint of step {planned.step}"
    elif start.startswith("../"):
        start = f"the run before ({start.removeprefix('../')})"
    console.print(
        f"[bold]{escape(run.name)}[/bold]: {count_of(run.steps, 'step')} of {escape(run.model)}", highlight=False
    )
    console.print(f"starts from {escape(start)}\n", highlight=False, soft_wrap=True)


def describe_plugins(console: Console, config: RunConfig) -> None:
    """Print every active plugin with the weight of a reward, its package if it is not ours, and what was changed."""
    plugins = open_plugins(config)
    first, last = plugins.weights(1), plugins.weights(config.run.steps)
    foreign = any(active.found.package != OURS for active in plugins.active.values())
    table = plain_table("plugin", "weight", *(["package"] if foreign else []), "options that are not the default")
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for name, active in plugins.active.items():
        weight = weight_range(first.get(name), last.get(name)) if active.reward is not None else ""
        found = active.found
        package = "" if found.package == OURS else f"{found.package} {found.version}"
        listed = ", ".join(f"{key} = {value!r}" for key, value in changed_options(active).items())
        table.add_row(name, weight, *([package] if foreign else []), escape(listed))
    console.print(table)


def changed_options(active: Active) -> dict[str, object]:
    """The options of a plugin that are not the default; not the weight of a reward."""
    unchanged = {"weight"} if active.reward is not None else set()
    if active.reward is not None and active.reward.mode == "on":
        unchanged.add("mode")
    for field in dataclasses.fields(active.instance) if dataclasses.is_dataclass(active.instance) else ():
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if getattr(active.instance, field.name) == default:
            unchanged.add(field.name)
    return {name: value for name, value in active.dump().items() if name not in unchanged}


def weight_range(first: float | None, last: float | None) -> str:
    """A reward's weight at the first and the last step, or one number for both; a dash where it is not computed."""
    texts = ["-" if weight is None else f"{weight:g}" for weight in (first, last)]
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def describe_data(console: Console, run: Run) -> None:
    """Print the data sets with their sizes and samples, how many golds the verifiers accept, and the notes on them."""
    table = plain_table("data", "from", "problems", "samples", "golds accepted", "left out")
    for spec, problems in checks.loaded_tables(run):
        accepted = checks.count_accepted(run, problems) if checks.is_sampled(run, spec) else ""
        samples = str(spec.samples) if spec.purpose == "eval" else ""
        table.add_row(spec.table, spec.use, f"{len(problems):,}", samples, accepted, skipped_rows(run, spec))
    console.print()
    console.print(table)
    for note in data_notes(run):
        console.print(f"[yellow]{escape(note)}[/yellow]", highlight=False, soft_wrap=not console.is_terminal)


def describe_prompt(console: Console, run: Run) -> None:
    """Print the first prompt as the model will see it, with its length."""
    for _, problems in checks.loaded_tables(run)[:1] if run.plugins.who("build_prompt") else ():
        prompt = run.prompt(problems[0])
        stops = " or ".join(map(repr, prompt.stop))
        limit, context = run.config.sampling.max_tokens, run.backend.context_length
        console.print(
            f"\nThe first prompt: {len(prompt.tokens)} tokens; the response stops at {escape(stops)}, or after "
            f"{limit:,} tokens; the model's context has {context:,}.",
            highlight=False,
            soft_wrap=not console.is_terminal,
        )
        console.print(prompt.text, markup=False, style="dim", soft_wrap=True)
        if prompt.opened:
            console.print(f"The prompt {'turns thinking off' if CLOSE in prompt.opened else 'opens the thinking'}.")
