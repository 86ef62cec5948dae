"""The commands of the docs, run in short form: two steps of the quickstart's second stage stand for the reader's runs.

README and the tutorial are run as they stand, elsewhere; `tests/test_docs_commands.py` lists what runs what.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from justtinker_core.rundir import RunDir

DOCS = Path(__file__).parents[2] / "docs"
SHORT = "--set run.steps=2 --set data.eval.held_out.limit=8"
FEW = f"{SHORT} --set plugins.grpo.problems_per_step=8"
MINE = f"quickstart-rl {FEW} --set evaluation.every=1 --set evaluation.at_start=true"
PAGES = {
    "audit.md": {" -p no:length": ""},
    "evaluation.md": {"--checkpoint tinker://.*": "", "@50": "@2", "--data math": "--data held_out"},
    "health.md": {},
    "reward-hacking.md": {"train hacked-sft hacked-rl": f"train hacked-sft hacked-rl {SHORT}", "for seed .*": ""},
    "score.md": {},
    "showing.md": {"--step 40": "--step 2", "--rollout 3.5": "--rollout 0.1", "train -p": f"train {SHORT} -p"},
    "using-the-model.md": {},
}
"""Page -> what is written otherwise here: whatever needs a key, or a long run."""
MAY_SAY = {"health.md": (0, 3)}
"""Exit codes, where they are an answer."""


def shell(command: str, folder: Path, codes: tuple[int, ...] = (0,)) -> None:
    command = re.sub(r"^justtinker\b", f"{sys.executable} -m justtinker_core.cli", command)
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    assert done.returncode in codes, f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages name."""
    pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
    folder = tmp_path_factory.mktemp("world")
    shell(f"justtinker train {MINE} --dir runs/mine", folder)
    for name in ("one", "other"):
        shutil.copytree(folder / "runs" / "mine", folder / "runs" / name)
    leaky = f"hacked-rl {FEW} --set run.start_from=runs/mine"
    shell(f"justtinker train {leaky} --dir runs/leaky-42", folder)
    for name in ("config", "my", "new", "old"):
        shutil.copy(folder / "runs" / "mine" / "config.toml", folder / f"{name}.toml")
    with (folder / "history.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "reward", "accuracy"])
        rows.writerows([record["step"], 0.5, 0.5] for record in RunDir(folder / "runs" / "mine").read("steps.jsonl"))
    cases = re.search(r"```json\n(.*?)```", (DOCS / "audit.md").read_text(encoding="utf-8"), re.DOTALL)
    (folder / "mine.jsonl").write_text(cases[1] if cases else "")
    other = {"question": "1+1=?", "answer": "2", "responses": [r"\boxed{2}", "2"], "tokens": [9, 1]}
    (folder / "others.jsonl").write_text(json.dumps(other) + "\n")
    return folder


def commands(page: str) -> list[str]:
    """The lines of a page's commands in short form; a loop over hours of training is none."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for old, short in PAGES[page].items():
        blocks = [re.sub(old, short, block) for block in blocks]
    return [line for block in blocks for line in block.splitlines() if line.startswith("justtinker ")]


@pytest.mark.slow
@pytest.mark.xdist_group("docs_run")  # one world for all
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page: str, world: Path) -> None:
    if page == "showing.md":
        pytest.importorskip("matplotlib", reason="curves are drawn with matplotlib: install the extra 'plots'")
    lines = commands(page)
    assert lines
    for line in lines:
        shell(line, world, MAY_SAY.get(page, (0,)))
