"""What a run is, in a few lines, before it begins: its steps, model, backend and directory, and its rewards."""

from __future__ import annotations

from contextlib import suppress

import click

from justtinker_core.checkpoints import FILE, newest_first
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.weights import Ramp, RewardOptions


def print_header(run: Run) -> None:
    """Print what the run will do and where, and the weights of its rewards. A closed pipe or terminal is ignored."""
    section, saved = run.config.run, newest_first(run.files.read(FILE))
    backend = " and ".join(run.plugins.who("open_backend")) or "no backend"
    begun = f", from step {saved[0]['step']:,}" if saved else ""
    with suppress(OSError):
        click.echo(f"{section.name}: {section.steps:,} steps of {section.model} on {backend}{begun}, in {run.dir}")
        if text := describe_rewards(run.plugins):
            click.echo(f"rewards: {text}")


def describe_rewards(plugins: Plugins) -> str:
    """The reward plugins with their weights: ``correct 1, redundancy 0 to 0.3 over 100 steps; observed: length``."""
    rewards = {name: active.reward for name, active in plugins.active.items() if active.reward is not None}
    paid = ", ".join(f"{name} {describe_weight(reward)}" for name, reward in rewards.items() if reward.mode == "on")
    observed = ", ".join(name for name, reward in rewards.items() if reward.mode == "observe")
    return "; ".join(filter(None, (paid, observed and f"observed: {observed}")))


def describe_weight(reward: RewardOptions) -> str:
    """A weight as a number, or as the numbers between which it moves."""
    weight = reward.weight
    if isinstance(weight, Ramp):
        return f"{weight.start:g} to {weight.to:g} over {weight.steps:,} steps"
    return f"{weight:g}" if weight else "0 (off)"
