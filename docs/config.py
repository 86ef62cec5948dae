"""Write docs/config.md from the config's own classes: ``python docs/config.py``. A test checks that it is current."""

from __future__ import annotations

from pathlib import Path

from justtinker_core.config import SECTIONS
from justtinker_core.weights import RewardOptions
from justtinker_plugins.commands._cli.describe import option_rows

DATA = [
    ("use", "str", "(required)", "The plugin that loads the problems; the table's other keys are its options."),
    ("limit", "int", "", "At most so many problems, drawn with the seed."),
    ("stratify_by", "str", "", "With limit: keep the proportions of this key of the problems' metadata."),
    ("samples", "int", "1", "Evaluation sets: samples for each problem."),
    ("seed", "int", "that of [run]; evaluation sets: 42", "For the draw, and for plugins that generate problems."),
]


EXAMPLE = """
[run]
name = "my-run"
model = "../models/mine"            # any causal model that transformers loads; "tiny" is the quickstart's
start_from = "../runs/coldstart"    # a run directory or a checkpoint, from this file's folder on; optional
steps = 100                         # evaluated before the first and after the last

[optimizer]
learning_rate = 1e-6
warmup_steps = 10

[sampling]
max_tokens = 4096

[evaluation]
every = 10

[data.train]
use = "files"                       # the plugin that loads it; the other keys are its options
path = "train.jsonl"                # JSON lines, CSV or Parquet, beside this config
problem_column = "text"             # needed unless it is called problem, question or prompt
answer_column = "gold"              # likewise answer, solution or ground_truth; see data.md

[data.eval.held_out]
use = "files"
path = "test.jsonl"
limit = 200
samples = 4                         # a problem: avg@4, pass@4, majority@4

[plugins]
enable = ["local", "chat_template", "grpo", "math_verify", "correct", "format", "redundancy", "group_mean", "console"]

[plugins.local]
lora_rank = 32

[plugins.redundancy]
weight = {from = 0.0, to = 0.3, steps = 50}     # every reward has `weight` and `mode`
mode = "observe"                                # computed and logged, adds nothing
"""
AFTER_IT = """
`justtinker check FILE` opens everything that the config names, estimates the run's tokens and, for the backend `local`,
its time and memory. `--set table.key=value`, `-p name` and `-p no:name` change a config for one run. A misspelt key,
plugin or option is an error that names the place and suggests the nearest name. A run directory holds `config.toml`
(resolved), `manifest.json` (versions), `steps.jsonl`, `evals.jsonl`, `checkpoints.jsonl` and every rollout in
`rollouts/`. `justtinker presets NAME` shows a preset to copy from.

The value of `--set` is TOML, or plain text if it is not valid TOML. So text that looks like a number needs its own
quotes: `--set 'plugins.chatml_think.system="42"'`. With several configs, `--set plugins.NAME.KEY=VALUE` and
`-p no:NAME` change those that enable NAME, `-p NAME` those that do not enable it yet, and `--set data.…` those that
have the table. Any other change applies to all. `--set quickstart-rl:run.steps=5` and `-p quickstart-rl:boxed` change
one config, named by its file or its run. `train` says which configs it changed.

## Paths

A relative path in a config begins at the config's own folder, wherever you are when you run it. A relative path on the
command line begins at the working directory, also in a `--set`. A run directory holds absolute paths.

| path | `train.jsonl` in `conf/my.toml` | `--set data.train.path=train.jsonl` |
|---|---|---|
| of `files`, alone or in a `mix` | `conf/train.jsonl` | `./train.jsonl` |
| of another plugin's option of type `Path` | likewise | likewise |
| `[local_plugins]` | likewise | likewise |
| `run.start_from`, `source` of the hub's data sets | likewise, if something lies there; else a name | likewise |
| `run.model` | likewise, if a folder with weights (`*.safetensors`, `*.bin`) lies there; else a name | likewise |
| `run.model`, a GGUF file | likewise, if it lies there; else in the working directory, as for presets | likewise |
| `directory` of `tensorboard` | inside the run directory | inside the run directory |

In a plugin of your own, annotate an option with `pathlib.Path` to get the same, or with `justtinker_core.NameOrPath` if
it may be a name. Then a plugin gets an absolute path. If it writes to that file, annotate
`Annotated[Path, Written()]`, from `justtinker_core.paths`: then nothing sends the file to another machine.
"""


def table(rows: list[tuple[str, str, str, str]]) -> str:
    """A Markdown table of options."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for row in rows:
        name, kind, default, meaning = (cell.replace("|", "\\|") for cell in row)
        lines.append(f"| `{name}` | {kind} | {default.replace('None', '')} | {meaning} |")
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    parts = [
        "# A run's config\n\nMade by `python docs/config.py`. `justtinker plugins NAME` lists a plugin's options.\n",
        f"```toml{EXAMPLE}```\n{AFTER_IT}",
    ]
    for name, cls in SECTIONS.items():
        parts.append(f"## [{name}]\n\n{table(option_rows(cls))}\n")
    parts.append(f"## [data.train], [data.eval.NAME]\n\n{table(DATA)}\n")
    parts.append(
        "## [plugins]\n\n`enable` lists the active plugins, in the order in which the core calls them; plugins that "
        "data tables name are active too. `[plugins.NAME]` holds the options of one. Every reward plugin has these two "
        "besides its own:"
        f"\n\n{table(option_rows(RewardOptions))}\n"
    )
    parts.append(
        '## [local_plugins]\n\n`name = "file.py:Class"`, relative to the config file. On the command line, '
        "`--set local_plugins.NAME=file.py:Class -p NAME` adds one to any config, relative to the working directory. "
        "The name must not be that of an installed plugin. A run that is older than the installed one keeps its file; "
        "if the file is gone, `score`, `eval` and `--resume` use the installed plugin, and warn. "
        "`manifest.json` holds the first 12 digits of the file's SHA-256 (not of what it imports); "
        "`--resume` warns if a file, or a package's version, has changed since.\n"
    )
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
