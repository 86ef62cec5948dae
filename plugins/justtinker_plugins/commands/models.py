"""``justtinker models``: list the models that a backend offers, their prices, and what a config would cost on each.

The backend's plugin says what it offers (`justtinker_plugins.shared.models`). Nothing is opened and nothing is spent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from justtinker_core import PluginError
from justtinker_core.config import RunConfig
from justtinker_core.enabling import check_roles, open_plugins
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._preflight.assumed import with_assumptions
from justtinker_plugins.commands._preflight.estimate import TYPICAL_SHARE, expected_tokens
from justtinker_plugins.shared.models import ListedModel, ModelList, usd
from justtinker_plugins.shared.terminal import plain_table

PRICES = {"prefill": "prefill", "sample": "sampled", "train": "trained"}
"""Column -> kind of tokens."""
UNKNOWN = "?"
LEGEND = (
    "Prices: USD per million tokens. thinks: who opens the thinking of a model that thinks without training, "
    "the prompt or the model itself (yes: one of them). ?: not known."
)


@click.command()
@click.argument("config", required=False, default="justrl-medium", metavar="[CONFIG]")
@set_option
@plugin_option
@click.option("--all", "show_all", is_flag=True, help="Show retired models too, and what replaces them.")
def models(config: str, sets: tuple[str, ...], switches: tuple[str, ...], show_all: bool) -> None:
    """List the models that the backend of CONFIG offers, and what CONFIG would cost on each.

    Without a CONFIG, that is the preset justrl-medium. With a key, the server is asked what it offers.
    """
    read = read_config(config, sets, switches)
    plugins = open_plugins(read)
    check_roles(read, plugins)
    listed, (costs, assumed) = list_models(config, read, plugins), estimate(read, plugins)
    console = Console()
    console.print(offered_table(listed, costs))
    if show_all:
        console.print()
        console.print(other_table(listed))
    console.print()
    for line in (LEGEND, *assumed, *listed.notes):
        console.print(escape(line), style="dim", highlight=False)
    own, use = describe_own(config, listed, read.run.model)
    console.print(f"\n{escape(own)}", highlight=False)
    console.print(escape(use), highlight=False, soft_wrap=True)


def list_models(source: str, config: RunConfig, plugins: Plugins) -> ModelList:
    """Ask the config's backend for its models. PluginError if it has no list."""
    name = plugins.who("open_backend")[0]
    ask = getattr(plugins.active[name].instance, "models", None)
    if ask is None:
        raise PluginError(
            f"the backend {name!r} of {source} has no list of models: "
            "name a config whose backend has one, e.g. justtinker models justrl-medium"
        )
    listed: ModelList = ask(config.run.model)
    return listed


def estimate(config: RunConfig, plugins: Plugins) -> tuple[tuple[Counter[str], ...], tuple[str, ...]]:
    """The tokens of all steps and evaluations, if responses are typical and if they are long, and what that assumes.

    The tokens are empty if the algorithm gives no estimate.
    """
    run, assumed = with_assumptions(Run(config, plugins, RunDir(Path())))
    try:
        parts = [expected_tokens(run, share) for share in (TYPICAL_SHARE, 1.0)]
    except PluginError as error:
        return (), (f"No cost is shown: {error}.",)
    if not all(parts):
        return (), (f"No cost is shown: {' and '.join(plugins.who('collect_batch'))} does not estimate its tokens.",)
    counts = " and ".join(part for part in parts[0] if part[0].isdigit())
    said = (
        f"USD in all: {config.run.name}, {counts}, with responses of {TYPICAL_SHARE:.0%} of max_tokens "
        f"and of all of it; assumed: {', '.join(assumed)}."
    )
    return tuple(part["in all"] for part in parts), (said,)


def offered_table(listed: ModelList, costs: tuple[Counter[str], ...]) -> Table:
    """A table of the models that are offered; contexts only if one is known."""
    offered = [model for model in listed.models if model.offered]
    contexts = any(model.context for model in offered)
    table = plain_table(
        "model", "chat", "thinks", *(["context"] if contexts else []), *PRICES, *(["USD in all"] if costs else [])
    )
    table.collapse_padding = True
    for column in table.columns[3:]:
        column.justify = "right"
    for model in offered:
        prices = model.prices or {}
        cells = [model.chat or UNKNOWN, thinking(model), *([size(model.context)] if contexts else [])]
        cells += [f"{prices[kind]:.5g}" if kind in prices else UNKNOWN for kind in PRICES.values()]
        table.add_row(escape(model.name), *cells, *([cost(costs, model.prices)] if costs else []))
    return table


def other_table(listed: ModelList) -> Table:
    """A table of the models that are not offered, and what to use instead."""
    table = plain_table("model", "retired", "use instead")
    for model in listed.models:
        if not model.offered:
            instead = f"{model.replacement} ({model.how})" if model.how else model.replacement
            table.add_row(escape(model.name), str(model.retired or "not offered"), escape(instead or UNKNOWN))
    return table


def thinking(model: ListedModel) -> str:
    """Who opens the thinking of a model that thinks by itself."""
    return {None: UNKNOWN, False: "no", True: model.opens_think or "yes"}[model.thinks]


def size(tokens: int | None) -> str:
    """A context length, short."""
    if tokens is None:
        return UNKNOWN
    return f"{tokens // 1024}K" if tokens % 1024 == 0 else f"{tokens:,}"


def cost(tokens: tuple[Counter[str], ...], prices: Mapping[str, float] | None) -> str:
    """What tokens cost at least and at most, as ``757-1504``."""
    if prices is None:
        return UNKNOWN
    low, high = (dollars(usd(each, prices)) for each in tokens)
    return low if low == high else f"{low}-{high}"


def dollars(amount: float) -> str:
    """An amount in few characters: ``1.23``, ``12.3``, ``1234``, ``12k``."""
    if amount >= 10_000:
        return f"{amount / 1000:.0f}k"
    return f"{amount:.{0 if amount >= 100 else 1 if amount >= 10 else 2}f}"


def describe_own(source: str, listed: ModelList, name: str) -> tuple[str, str]:
    """Say whether the config's own model is offered, and how to use another."""
    model = next((each for each in listed.models if each.name == name), None)
    if model and model.offered:
        return f"{source} names {name}. Another model:", f"  justtinker models {source} --set run.model=NAME"
    gone = f"was retired on {model.retired}" if model and model.retired else "is not offered"
    instead = model.replacement if model else ""
    how = f" ({model.how})" if model and model.how else ""
    said = f"{source} names {name}, which {gone}. "
    said += f"Use {instead}{how} instead:" if instead else "Choose another:"
    return said, f"  justtinker check {source} --set run.model={instead or 'NAME'}"
