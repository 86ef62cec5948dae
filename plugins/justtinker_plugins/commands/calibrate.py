"""``justtinker calibrate``: fit a plugin's coefficients to your own texts. It prints them and changes no file."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import click

from justtinker_plugins.commands._cli.texts import read_texts
from justtinker_plugins.shared.terminal import count_of


@click.group()
def calibrate() -> None:
    """Fit a plugin's coefficients to your own texts."""


@calibrate.command()
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
def redundancy(texts: tuple[Path, ...]) -> None:
    """Fit method "flat" of the redundancy reward to healthy TEXTS and print the keys to paste into your config.

    TEXTS are files of JSON lines (.zst too): strings, objects with a "text", or a run's rollouts/*.jsonl.zst. Take a
    few hundred correct responses of all lengths that you would not call repetitive.
    """
    import tomli_w

    from justtinker_plugins.shared.redundancy.flat import MATHEMATICS, fined_share, fit

    healthy = [text for path in texts for text in read_texts(path)]
    fitted = fit(healthy)
    choices = {
        "the defaults": MATHEMATICS,
        "these": fitted,
        "these with mask_digits = false": replace(fitted, mask_digits=False),
        "these with vocabulary = false": replace(fitted, vocabulary=False),
    }
    shares = (f"{fined_share(healthy, choice):.1%} by {name}" for name, choice in choices.items())
    click.echo(f"# {count_of(len(healthy), 'text')}; fined: {', '.join(shares)}")
    click.echo(tomli_w.dumps({"plugins": {"redundancy": asdict(fitted)}}), nl=False)
