"""``justtinker grade``: judge any table of answers, and write a verdict and reward terms for each response.

Without a config it is the strict math verifier with the standard terms. It samples and trains nothing.
"""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from pathlib import Path

import click
from rich.console import Console

from justtinker_core import PluginError, Scorer
from justtinker_core.scorer import config_of
from justtinker_plugins.bridges import STANDARD
from justtinker_plugins.commands._cli.endings import write_json
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._cli.processes import available_cores
from justtinker_plugins.commands._cli.progress import ScoringProgress
from justtinker_plugins.commands._grade.grading import grade as grade_all
from justtinker_plugins.commands._grade.printing import print_report
from justtinker_plugins.commands._grade.reading import Columns, Table
from justtinker_plugins.commands._grade.tally import GradeTally
from justtinker_plugins.commands._grade.writing import Writer, writer_of
from justtinker_plugins.shared.records.runs import run_or_file
from justtinker_plugins.shared.terminal import count_of

path = click.Path(path_type=Path)


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=path)
@click.option("--question", default="question", show_default=True, metavar="COLUMN", help="'' if there is none.")
@click.option(
    "--answer",
    default="answer",
    show_default=True,
    metavar="COLUMN",
    help="The right answer, or gold. '' if there is none.",
)
@click.option(
    "--response", default="response", show_default=True, metavar="COLUMN", help="A response, or a list: a group."
)
@click.option(
    "--labels", default="", metavar="COLUMN", help="Compare with true/false, 1/0, yes/no or correct/incorrect."
)
@click.option("--tokens", default="", metavar="COLUMN", help="Lengths in tokens, if a term needs them.")
@click.option("--kind", default="math", show_default=True, metavar="COLUMN|KIND", help="Kind of the problems.")
@click.option("--opened", default="", metavar="TEXT", help="What prompts already held of responses: '<think>'.")
@click.option("--config", "source", metavar="CONFIG", help="Another reward stack: a file, a preset or a run.")
@set_option
@plugin_option
@click.option("--out", type=path, help="Write a record for each response: FILE.jsonl or FILE.parquet.")
@click.option("--json", "summary", type=path, help="Write the results as one JSON object.")
@click.option(
    "--show", default=5, show_default=True, type=click.IntRange(0), help="Print at most this many disagreements."
)
@click.option("--jobs", type=click.IntRange(1), help="Processes, if judges compute here. Default: one per core.")
def grade(
    files: tuple[Path, ...], question: str, answer: str, response: str, labels: str, tokens: str, kind: str,
    opened: str, source: str | None, sets: tuple[str, ...], switches: tuple[str, ...], out: Path | None,
    summary: Path | None, show: int, jobs: int | None,
) -> None:  # fmt: skip
    """Judge any table of answers: JSON lines, JSON, CSV, Parquet, or rollout files of a run.

    Each row has a question, the right answer, and a response or a list of them. Rows with the same question and answer
    that stand together are a group; the other columns are metadata, such as tests. For a nested column write
    outer.inner. "justtinker score" gives the rollouts of a run other rewards, and compares two reward stacks.
    """
    columns = Columns(question, answer, response, tokens, labels, kind)
    tally, begun = GradeTally(show), time.perf_counter()
    config = (
        read_config(run_or_file(source), sets, switches, only_plugins=True)
        if source
        else config_of(STANDARD, sets, switches)
    )
    with Scorer(config) as scorer:
        table = Table(files, columns, opened, bool(scorer.per_group), scorer.step_needed)
        try:
            grade_table(table, scorer, tally, writer_of(out, files) if out else None, jobs or available_cores())
        except KeyboardInterrupt:
            kept = f"; {out} holds them" if out else ""
            click.echo(f"interrupted after {count_of(tally.responses, 'response')}{kept}", err=True)
            raise SystemExit(130) from None
    if not tally.groups:
        raise PluginError("these files hold no responses")
    found = tally.summary()
    print_report(Console(), found, time.perf_counter() - begun, tally.disagreements)
    if summary is not None:
        write_json(summary, found)
    if found["verdicts"]["unscored"] == found["responses"]:
        why = found["reasons"][0]["reason"] if found["reasons"] else "the verifier gives no reason"
        raise PluginError(f"nothing was graded: all are unscored, most often because of this: {why}")


def grade_table(table: Table, scorer: Scorer, tally: GradeTally, writer: Writer | None, jobs: int) -> None:
    """Grade, count and write all answers; what is graded is written, whatever happens."""
    graded = grade_all(table, scorer, jobs)
    with closing(writer) if writer else nullcontext(), closing(graded), ScoringProgress("responses") as progress:
        for answers, records in graded:
            if writer:
                writer.add(records)
            tally.add(answers, records)
            progress.show(tally.responses)
