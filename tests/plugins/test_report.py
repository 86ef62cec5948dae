from __future__ import annotations

import html
import itertools
import json
import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Finding
from justtinker_core.rundir import RunDir
from justtinker_core.types import EvalStats, Group, Problem, Prompt, Reward, Rollout, StepStats, Verdict
from justtinker_plugins.reporters.report import Report, write_page
from justtinker_plugins.shared.charts import svg
from justtinker_plugins.shared.charts.panels import Panel, Series, thinned
from justtinker_plugins.shared.page.page import embedded
from justtinker_plugins.shared.page.selection import MOST_CHARACTERS, Selection, rows_within, shortened
from justtinker_plugins.shared.page.tables import DASH, evaluations_table, finding_text, mean
from justtinker_plugins.shared.page.words import why_of
from tests.core.conftest import RunOf, cast, cli, go, problems

EVIL = (
    "</script><script>document.title='pwned'</script></pre><img src=x onerror=\"document.title='pwned'\">"
    "<style>body{display:none}</style><!-- <script> \u2028 \x1b[31m ]]> &lt;b&gt; \ud800"
)
CONFIG = '[run]\nname = "a <b>name</b>"\nmodel = "tiny & co"\nsteps = 4\n'


def group(step: int, index: int, *rollouts: tuple[str, str, float], cut: bool = False, **measures: float) -> Group:
    """A group of (text, outcome, raw reward)."""
    rewards = [Reward({"correct": raw, "format": None}, {"correct": 1.0, "format": 0.1}) for *_, raw in rollouts]
    return Group(
        step, index, Problem(f"p{index}", f"question {index}", "42"), Prompt(f"prompt {index}"),
        tuple(Rollout((1,) * 5, (0.0,) * 5, (True,) * 5, text, cut) for text, *_ in rollouts),
        tuple(Verdict(outcome, "41" if raw == 0 else "42", "exact") for _, outcome, raw in rollouts),  # type: ignore[arg-type]
        {name: (value,) * len(rollouts) for name, value in measures.items()},
        tuple(rewards), tuple(raw - 0.5 for *_, raw in rollouts),
    )  # fmt: skip


def step(number: int, **metrics: float) -> dict[str, Any]:
    terms = {"correct": {"raw": number / 10, "weighted": number / 10, "applies": 1.0, "weight": 1.0}}
    values = {"reward": number / 10, "accuracy": number / 10, "mean_response_tokens": 9.0, **metrics}
    return asdict(StepStats(number, values, terms, {"sampled": 10}, 0.5, {"total": 1.5}))


def evaluation(number: int, accuracy: float) -> dict[str, Any]:
    intervals = {"accuracy": [accuracy - 0.1, accuracy + 0.1]}
    metrics = {"accuracy": accuracy, "mean_response_tokens": 9.0}
    return asdict(EvalStats(number, "held", metrics, intervals, {"problems": 7, "samples": 2}, usd=0.25))


@pytest.fixture
def recorded(tmp_path: Path) -> RunDir:
    """A run of four steps whose model writes markup."""
    files = RunDir.create(tmp_path / "run", CONFIG)
    for number in range(1, 5):
        found = [asdict(Finding("warn", f"oh {EVIL[:30]}", source="drift"))] if number == 3 else []
        files.append("steps.jsonl", {**step(number), "findings": found})
        bad = group(number, 0, (f"<think>{EVIL}</think>{EVIL}", "incorrect", 0.0), ("fine", "correct", 1.0))
        odd = group(number, 1, ("odd", "unscored", 0.0), cut=number == 2, redundancy_score=0.1 * number)
        files.write_groups(f"step_{number:06d}", [bad, odd])
    for number, accuracy in ((0, 0.2), (2, 0.6), (4, 0.5)):
        files.append("evals.jsonl", evaluation(number, accuracy))
        files.write_groups(f"eval_held_{number:06d}", [group(number, 0, ("e", "correct", 0.0))])
    return files


def data_of(page: str) -> list[dict[str, Any]]:
    """The rollouts in a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    rows: list[dict[str, Any]] = json.loads(found[1])
    return rows


def page_of(files: RunDir, **options: Any) -> str:
    return write_page(files, Selection(**options), "finished").read_text(encoding="utf-8")


def test_the_cost_is_of_all_that_was_paid_for(recorded: RunDir) -> None:
    recorded.rewind(3)
    assert "cost</dt><dd>2.75 USD" in page_of(recorded), "what was set aside too"


def test_an_evaluation_after_some_steps_is_not_called_the_start(recorded: RunDir) -> None:
    lines = (recorded.path / "evals.jsonl").read_text().splitlines(keepends=True)
    (recorded.path / "evals.jsonl").write_text("".join(line for line in lines if json.loads(line)["step"]))
    page = page_of(recorded)
    assert "first and best 60.0 % (step 2)</span><span>last 50.0 % (step 4)" in page
    assert "accuracy on held</dt><dd>60.0 → 50.0 %<small>from step 2 to 4, best 60.0 % at step 2</small>" in page


def test_everything_is_on_the_page(recorded: RunDir) -> None:
    page = page_of(recorded)
    assert "<title>a &lt;b&gt;name&lt;/b&gt;</title>" in page
    assert "tiny &amp; co, 4 of 4 steps" in page
    for words in ("20.0 → 50.0 %<small>from step 0 to 4, best 60.0 % at step 2<", "cost</dt><dd>2.75 USD", "<dd>6 s"):
        assert words in page
    assert '<td class="n">3</td><td class="warn">warning</td><td class="any">' in page
    assert "60.0 <small>(50-70)</small>" in page
    assert '<td class="n">0.150 → 0.350</td>' in page, "of a term: the first two steps and the last two"
    start, best, last = "start 20.0 % (step 0)", "best 60.0 % (step 2)", "last 50.0 % (step 4)"
    assert f"<span>{start}</span><span class=best>{best}</span><span>{last}</span>" in page
    assert "Not measured in this run: Redundancy, Thinking rate." in page
    assert html.escape('name = "a <b>name</b>"') in page
    assert page.count("<svg") == 5
    assert "15 of 15 rollouts are here" in page
    assert "In all: 1 truncated, 4 unscored." in page


def test_each_rollout_has_its_parts(recorded: RunDir) -> None:
    rows = {(r["set"], r["step"], r["group"], r["n"]): r for r in data_of(page_of(recorded))}
    bad, fine, odd = rows["training", 3, 0, 0], rows["training", 3, 0, 1], rows["training", 2, 1, 0]
    evil = EVIL.replace("\ud800", "?")
    assert (bad["thinking"], bad["response"]) == (evil, evil)
    assert (fine["thinking"], fine["response"], fine["reward"], fine["advantage"]) == (None, "fine", 1.0, 0.5)
    assert (bad["answer"], bad["gold"], bad["outcome"], bad["prompt"]) == ("41", "42", "incorrect", "prompt 0")
    assert bad["terms"] == [["correct", 0.0, 1.0], ["format", None, 0.1]]
    assert set(odd["in"]) == {"redundant", "unscored", "truncated", "sample"}
    assert "worst" in bad["in"]
    assert "best" in fine["in"]
    assert odd["measures"] == [["redundancy_score", 0.2]]


def test_nothing_is_loaded_from_anywhere(recorded: RunDir) -> None:
    page = page_of(recorded)
    outside = page.replace(html.escape(EVIL), "").replace("http://www.w3.org", "")
    assert not re.search(r"(?:src|href|url)\s*[=(]|https?://|@import", outside.split('id="data"')[0])
    assert "default-src 'none'" in page


def test_of_a_run_of_supervised_steps(tmp_path: Path) -> None:
    files = RunDir.create(tmp_path / "run", CONFIG)
    for number in range(1, 60):
        files.append("steps.jsonl", asdict(StepStats(number, {"loss": 1 / number, "learning_rate": 1e-5})))
    page = page_of(files)
    assert "This run has recorded no rollouts." in page
    assert "Not measured in this run: Thinking and boxed rate, Length, Evaluation." in page
    assert page.count("<svg") == 2
    assert "1e-5" in page, "ticks of small numbers"


def test_only_an_evaluation(tmp_path: Path) -> None:
    files = RunDir.create(tmp_path / "run", CONFIG.replace("steps = 4", "steps = 0"))
    files.append("evals.jsonl", evaluation(0, 0.0))
    assert "evaluation only" in page_of(files)


def test_a_damaged_file_is_named_and_the_rest_shown(recorded: RunDir) -> None:
    file = recorded.path / "rollouts" / "step_000002.jsonl.zst"
    file.write_bytes(b"no zstd")
    (recorded.path / "rollouts" / "partial_eval_held_000004.jsonl.zst").write_bytes(b"of an evaluation under way")
    page = page_of(recorded)
    assert "Files that could not be read: step_000002.jsonl.zst: " in page
    assert "partial" not in page
    assert {row["step"] for row in data_of(page) if row["set"] == "training"} == {1, 3, 4}


def test_the_first_of_each_filter(tmp_path: Path) -> None:
    files = RunDir.create(tmp_path / "run", CONFIG)
    for number in range(1, 31):
        groups = [group(number, i, ("a", "incorrect", -i / 100), ("b", "correct", number / 100)) for i in range(3)]
        files.write_groups(f"step_{number:06d}", groups)
    selection = Selection(most=4)
    selection.update(files.path)
    rows, left = selection.chosen(10**6)
    assert left == 0
    best = {(r["step"], r["group"]) for r in rows if "best" in r["in"]}
    assert best == {(30, 0), (30, 1), (30, 2), (29, 0)}
    worst = {(r["step"], r["group"]) for r in rows if "worst" in r["in"]}
    assert worst == {(number, 2) for number in (30, 29, 28, 27)}
    assert len({r["step"] for r in rows if "sample" in r["in"]}) == 30
    again = Selection(most=4)
    for number in range(3):  # as a reporter reads: what is new
        again.update(files.path)
        assert again.chosen(10**6) == (rows, 0), number


def test_bytes_are_bounded() -> None:
    lists = [
        [{"set": "s", "step": i, "group": g, "n": 0, "in": str(g), "text": "ü" * 100} for i in range(50)]
        for g in (1, 2)
    ]
    rows, left = rows_within(lists, 10_000)
    assert len(rows) + left == 100
    assert sum(len(json.dumps(r, ensure_ascii=False).encode()) for r in rows) < 10_500
    assert {r["group"] for r in rows} == {1, 2}, "in turns"
    tags = [[{"set": "s", "step": i, "group": 1, "n": 0, "in": "best", "text": "<" * 1000} for i in range(50)]]
    rows, left = rows_within(tags, 20_000)
    assert (len(rows), left) == (3, 47)
    assert len(embedded(rows)) < 20_000, "as they stand on the page"
    assert shortened("x" * MOST_CHARACTERS) == "x" * MOST_CHARACTERS
    assert "[… 1 characters are left out here …]" in shortened("x" * (MOST_CHARACTERS + 1))


def test_what_an_evaluation_has_not_measured_is_a_dash_and_names_are_as_they_are() -> None:
    length = {"mean_response_tokens": 9.0}
    table = evaluations_table(
        [EvalStats(n, "finance", {"accuracy": 0.5, **more}, {}, {}) for n, more in ((1, {}), (2, length))]
    )
    assert "<td>finance</td>" in table
    assert f'<td class="n">{DASH}</td>' in table
    assert "problems" not in re.sub("<p.*", "", table), "what no evaluation has is no column"


@pytest.mark.slow
def test_a_long_run_in_bounded_memory(tmp_path: Path) -> None:
    """The memory of 60 steps is not more than that of 20 (each of 256 rollouts of 24,000 characters)."""
    files = RunDir.create(tmp_path / "run", CONFIG)
    texts = [chr(97 + i % 26) * 24_000 for i in range(8)]
    peaks = []
    for steps in (20, 60):
        for number in range(1, steps + 1):
            groups = [group(number, i, *((t, "incorrect", 0.0) for t in texts), cut=True) for i in range(32)]
            files.append("steps.jsonl", step(number))
            files.write_groups(f"step_{number:06d}", groups)
        tracemalloc.start()
        page = page_of(files)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(page.encode()) < 10_000_000
        (files.path / "steps.jsonl").unlink()
    assert peaks[1] < peaks[0] * 1.6 + 10e6


def test_while_the_run_goes_on_and_at_its_end(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = []
    monkeypatch.setattr(RunDir, "replace", spy(RunDir.replace, pages))
    sets = {"train": problems(), "held": problems(2, kind="math")}
    run = run_of(*cast(), Report(), config={"run.steps": 3, "evaluation.every": 1}, problems=sets)
    assert go(run) == "finished"
    assert [re.findall(r'badge (\w+)"', page) for page in pages] == [["running"]] * 4 + [["finished"]]
    assert f"{len(data_of(pages[-1]))} of " in pages[-1]
    assert {row["step"] for row in data_of(pages[-1])} == {0, 1, 2, 3}


def spy(real: Callable[..., None], pages: list[str]) -> Callable[..., None]:
    def replacing(self: RunDir, name: str, content: bytes) -> None:
        if name == "report.html":
            pages.append(content.decode())
        real(self, name, content)

    return replacing


def test_a_run_that_came_to_nothing_has_no_page(run_of: RunOf) -> None:
    run = run_of(*cast(), Report())
    Report().finish_run(run, "failed")
    assert not (run.dir / "report.html").exists()


def test_the_command(recorded: RunDir, tmp_path: Path) -> None:
    recorded.manifest(status="interrupted")
    result = cli("report", recorded.path, "--rollouts", "1")
    assert (result.exit_code, result.output) == (0, f"{recorded.path / 'report.html'}\n")
    page = (recorded.path / "report.html").read_text()
    assert '<span class="badge interrupted">interrupted</span>' in page
    assert sum("best" in row["in"] for row in data_of(page)) == 2, "one of training, one of evaluations"
    assert cli("report", tmp_path).output.startswith(f"Error: {tmp_path} is no run directory")


def test_the_cost_is_left_out_where_nobody_bills(tmp_path: Path) -> None:
    for number, (backend, shown) in enumerate((("local", False), ("tinker", True), ("my_backend", True))):
        files = RunDir.create(tmp_path / str(number), f'{CONFIG}[plugins]\nenable = ["grpo", "{backend}"]\n')
        files.append("steps.jsonl", {**step(1), "usd": None})
        assert ("<dt>cost</dt><dd>not known</dd>" in page_of(files)) == shown, backend


def test_a_finding_leads_with_words_and_its_numbers_follow() -> None:
    shown = finding_text("few responses think: thinking_rate = 0.5 is below 0.6; go back", "thresholds")
    assert shown == (
        "<b>few responses think</b><small>thinking_rate = 0.5 is below 0.6; go back "
        '<span class="monitor">(monitor thresholds)</span></small>'
    )
    assert finding_text("a <b>", "") == "<b>a &lt;b&gt;</b><small></small>"


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        ({"rung": "rational", "reason": ""}, "equal as numbers"),
        ({"rung": "rational", "reason": "a different number"}, "a different number"),
        (
            {"rung": "string (####)", "reason": ""},
            "written like the expected answer; read after '####', not from a box",
        ),
        ({"rung": "3 of 5 tests", "reason": "test 4: wrong"}, "3 of 5 tests: test 4: wrong"),
        ({"rung": "5 of 5 tests", "reason": ""}, "5 of 5 tests"),
        ({"rung": "extract boxed", "reason": "the last box is empty"}, "the last box is empty"),
        ({"rung": "http", "reason": ""}, "decided by http"),
        ({}, ""),
    ],
)
def test_why_a_verdict_is_what_it_is(verdict: dict[str, str], why: str) -> None:
    assert why_of(verdict) == why


def test_what_is_constantly_zero_is_a_sentence(tmp_path: Path) -> None:
    files = RunDir.create(tmp_path / "run", CONFIG)
    for number in (1, 2):
        files.append("steps.jsonl", step(number, redundancy_score=0.0))
    assert "Constantly zero in this run: Redundancy. Not measured in this run: Evaluation, Thinking" in page_of(files)


def test_a_small_negative_mean_is_not_minus_zero() -> None:
    assert [mean([value], "weighted") for value in (-0.00004, -0.0012, 0.0)] == ["-4e-5", "-0.001", "0.000"]
    assert mean([0.711], "applies") == "71.1"


@pytest.mark.parametrize(
    ("points", "percent", "rows"),
    [
        (((1, 0.37), (9, 0.94)), True, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (((1, 0.95), (9, 0.998)), True, [0.95, 0.96, 0.97, 0.98, 0.99, 1]),
        (((1, 0.01), (9, 0.07)), True, [0, 0.02, 0.04, 0.06, 0.08]),
        (((1, 1.0), (9, 1.0)), True, [0.95, 0.96, 0.97, 0.98, 0.99, 1]),
        (((1, 0.4), (9, 1.52)), False, [0, 0.5, 1, 1.5, 2]),
        (((1, 3602.0), (9, 4060.0)), False, [3600, 3700, 3800, 3900, 4000, 4100]),
        (((1, -2.0), (9, 3.0)), False, [-2, -1, 0, 1, 2, 3]),
    ],
)
def test_an_axis_goes_from_a_round_number_to_another(
    points: tuple[tuple[int, float], ...], percent: bool, rows: list[float]
) -> None:
    assert svg.axes_for(Panel("t", (Series("s", points),), percent), (1, 9)).rows == pytest.approx(rows)


def test_a_line_ends_with_its_value_and_labels_do_not_overlap() -> None:
    near = tuple(Series(name, ((1, 0.9), (9, value))) for name, value in (("a", 0.999), ("b", 1.0), ("c", 0.998)))
    drawn = svg.picture(Panel("t", near, percent=True), (1, 9), [])
    found = re.findall(r'<text class="end f(\d)" x="[\d.]+" y="([\d.]+)">([^<]+)', drawn)
    assert [(colour, words) for colour, _, words in found] == [("1", "100.0 %"), ("0", "99.9 %"), ("2", "99.8 %")]
    heights = [float(y) for _, y, _ in found]
    assert all(below - above >= svg.LINE for above, below in itertools.pairwise(heights))
    assert "a ends at 99.9 %, b ends at 100.0 %" in drawn, "for those who cannot see it"


def test_the_best_has_a_marker_unless_it_is_the_only_evaluation() -> None:
    for points, drawn in ((((0, 0.2), (5, 0.4), (9, 0.3)), 1), (((0, 0.2), (9, 0.4)), 1), (((9, 0.4),), 0)):
        series = Series("held", points, evaluated=True)
        assert svg.picture(Panel("t", (series,), True, milestones=True), (0, 9), []).count('class="best"') == drawn


def test_every_point_can_be_read() -> None:
    held = Series("held", ((0, 0.2), (9, 0.4)), ((0.1, 0.3), (0.35, 0.45)), evaluated=True)
    trained = Series("training", tuple((n, n / 50) for n in range(50)))
    values = svg.hover_values(Panel("t", (held, trained), percent=True), (0, 49))
    assert values["series"][0] == {"name": "held", "at": [(0, "20.0 % (10 to 30)"), (9, "40.0 % (35 to 45)")]}
    assert values["series"][1]["at"][20] == (20, "40.0 % (mean 40.0 %)")


@pytest.mark.parametrize("low,high", [(0, 1), (-3, 17), (0.02, 0.021), (1e-7, 3e-6), (4000, 9000)])  # noqa: PT006
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = svg.ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    assert all(len(svg.tick_label(tick)) <= 6 for tick in found)


def test_flat_short_and_long_series_can_be_drawn() -> None:
    for points in (((1, 0.0),), tuple((i, 5.0) for i in range(90)), ((1, -2.0), (9, 3.0))):
        drawn = svg.picture(Panel("t", (Series("s", points),), percent=False), (1, 90), [(5, "stop")])
        assert "nan" not in drawn
        assert drawn.count('class="mark stop"') == 2
        assert ">■ 5</text>" in drawn, "not by colour alone"
    assert len(thinned([(i, float(i)) for i in range(4001)])) <= 1000


# In a real browser.

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")


def seen(page: Path, folder: Path, width: int = 1400) -> str:
    """The page's document after its scripts have run."""
    quiet = ("gpu", "quic", "background-networking", "component-update", "sync", "extensions")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in quiet),
        f"--user-data-dir={folder / 'profile'}", f"--window-size={width},1000", "--virtual-time-budget=3000",
        "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout


@browser
def test_markup_and_scripts_of_a_model_do_nothing(recorded: RunDir, tmp_path: Path) -> None:
    page = write_page(recorded, Selection(), "finished")
    document = seen(page, tmp_path)
    assert "<title>a &lt;b&gt;name&lt;/b&gt;</title>" in document, "no script has changed it"
    assert document.count('class="rollout"') == 15, "and the page's own script has run"
    assert "&lt;/script&gt;&lt;script&gt;document.title='pwned'" in document, "it is there, as text"
    assert "<img" not in document
    assert document.count("<style>") == 1


@browser
def test_the_browser_would_show_an_attack_that_works(recorded: RunDir, tmp_path: Path) -> None:
    """The test above can fail: without the walls the same text does run."""
    page = recorded.path / "open.html"
    text = page_of(recorded)
    text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", text)
    page.write_text(text.replace("\\u003c", "<"), encoding="utf-8", errors="backslashreplace")
    assert "<title>pwned</title>" in seen(page, tmp_path)


@browser
def test_a_closed_rollout_shows_verdict_answer_and_gold(recorded: RunDir, tmp_path: Path) -> None:
    document = seen(write_page(recorded, Selection(), "finished"), tmp_path)
    heads = [re.sub(r"<[^>]+>", "|", head) for head in re.findall(r'<div class="head">(.*?)</div>', document)]
    lines = [re.sub(r"\|+", "|", head).strip("|") for head in heads]
    assert lines[1] == (
        "✗ incorrect|answer |41|expected |42|reward |0|advantage |-0.5|5 tokens|"
        "training, step 1, problem 1, rollout 1 of 2"
    )
    assert lines[2].startswith("✓ correct|answer |42|expected |42|reward |1|")
    assert any(line.startswith("? unscored|") for line in lines)
    assert "justtinker show RUN_DIR --step 2 --eval held --rollout 0.0" in document


@browser
def test_pointing_at_a_curve_shows_the_values_of_a_step(recorded: RunDir, tmp_path: Path) -> None:
    page = recorded.path / "open.html"
    probe = (
        "const svg = document.querySelectorAll('svg')[1], box = svg.getBoundingClientRect();"
        "svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2}));"
        "const tip = document.querySelectorAll('.tip')[1], at = tip.getBoundingClientRect();"
        "document.title = tip.innerText + ' ' + (at.top > box.top && at.left > box.left && at.right < box.right);"
    )
    text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", page_of(recorded))
    page.write_text(text.replace("</body>", f"<script>{probe}</script></body>"), encoding="utf-8")
    assert "<title>step 2\n60.0 % (50 to 70) true</title>" in seen(page, tmp_path)


@browser
@pytest.mark.parametrize("width", [420, 1400])
def test_no_sideways_scrolling(recorded: RunDir, tmp_path: Path, width: int) -> None:
    long = [
        group(5, 0, ("x" * 3000, "incorrect", 0.0), ("$" * 3000, "correct", 1.0), a_long_measure_of_things=0.123456)
    ]
    recorded.write_groups("step_000005", [replace(g, problem=replace(g.problem, id="i" * 300)) for g in long])
    page = recorded.path / "open.html"
    probe = (
        "document.querySelectorAll('details').forEach(d => d.open = true);"
        "document.title = document.documentElement.scrollWidth - innerWidth + ' of ' + innerWidth;"
    )
    text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", page_of(recorded))
    page.write_text(text.replace("</body>", f"<script>{probe}</script></body>"), encoding="utf-8")
    found = re.search(r"<title>(-?\d+) of (\d+)</title>", seen(page, tmp_path, width))
    assert found is not None
    assert int(found[1]) <= 0
    assert int(found[2]) <= max(width, 500)
