"""The tables of docs/health.md: false alarms on healthy runs, and how long a collapse goes unseen. Minutes.

    python -m benchmarks.health_tables

Runs are resampled from the healthy part of the one collapse that was published (see tests/plugins/health_runs.py).
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import product

import numpy as np

from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_plugins.commands._cli.replay import active_monitors, default_config, replay
from justtinker_plugins.monitors.drift import Drift
from justtinker_plugins.monitors.thresholds import Thresholds
from tests.plugins.health_runs import ACCURACY, LENGTH, THINKING, resampled, told

RUNS = 200
ONSETS = (50, 100, 200, 400)
COLLAPSES = {
    "all three": (LENGTH, THINKING, ACCURACY),
    "length alone": (LENGTH,),
    "thinking alone": (THINKING,),
    "accuracy alone": (ACCURACY,),
}
COLUMNS = ("warning", "stop", "recipe's warning")


@cache
def default_monitors() -> Plugins:
    """Set up once a process."""
    return Plugins(active_monitors(default_config((), ())))


def false_alarms(seed: int, block: int) -> list[tuple[str, str]]:
    """Level and monitor of each alarm in 1,000 healthy steps."""
    said = replay(resampled(seed, block=block), default_monitors())
    return [(s.finding.level, s.finding.source) for s in said if s.finding.level != "info"]


def delays(case: tuple[int, int], ramp: int, parts: tuple[str, ...]) -> tuple[float, float, float]:
    """Steps from the onset, its own included, to drift's warning (or stop), to its stop, to the recipe's warning."""
    seed, onset = case
    records = resampled(seed, onset + ramp + 200, onset=onset, ramp=ramp, parts=parts)
    drift = [(s, f.level) for s, f in told(configure(Drift, "plugins.drift", {}), records) if s >= onset]
    lines = told(configure(Thresholds, "plugins.thresholds", {"steps": 1}), records)
    found = (
        [step for step, level in drift if level != "info"],
        [step for step, level in drift if level == "stop"],
        [step for step, _ in lines if step >= onset],
    )
    warning, stop, recipe = (min(steps, default=np.inf) - onset + 1 for steps in found)
    return warning, stop, recipe


def main() -> None:
    """Print both tables."""
    with ProcessPoolExecutor() as workers:
        print("| block | alarms in 1,000 steps | what |\n|---|---|---|")
        for block in (5, 10, 20):
            found = list(workers.map(partial(false_alarms, block=block), range(RUNS), chunksize=5))
            counts = Counter(alarm for run in found for alarm in run)
            what = ", ".join(f"{n} x {source} {level}" for (level, source), n in counts.items())
            print(f"| {block} | {sum(counts.values()) / RUNS:.3f} | {what} |", flush=True)
        print("\n| what collapses | within | " + " | ".join(COLUMNS) + " |\n|---|---|---|---|---|")
        cases = list(product(range(25), ONSETS))
        for parts, ramps in ((name, (10, 20, 50, 100, 200) if name == "all three" else (50,)) for name in COLLAPSES):
            for ramp in ramps:
                work = partial(delays, ramp=ramp, parts=COLLAPSES[parts])
                columns = zip(*workers.map(work, cases, chunksize=5), strict=True)
                print(f"| {parts} | {ramp} | " + " | ".join(map(told_quantiles, columns)) + " |", flush=True)


def told_quantiles(steps: tuple[float, ...]) -> str:
    """Median and 10 % to 90 % of the delays, and how many never came."""
    low, middle, high = np.quantile(steps, [0.1, 0.5, 0.9], method="inverted_cdf")
    never = sum(np.isinf(steps))
    often = f"{middle:g} ({low:g}-{high:g})" if never < 0.1 * len(steps) else ""
    return often + (f"never in {never} of {len(steps)}" if never else "")


if __name__ == "__main__":
    main()
