"""`justtinker models`: what a backend offers, what it costs, and what a config would cost on each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.conftest import cli
from tests.plugins.test_tinker_prices import CLOSED, MODEL, PRICED, shop
from tests.plugins.tinker_server import KEY, served

OFF = ("--set", "plugins.tinker.price_file=")
LISTED = '''
from datetime import date
from justtinker_core import hookimpl, plugin
from justtinker_plugins.shared.models import ListedModel, ModelList

@plugin
class Mine:
    """A backend with a list of its own."""

    @hookimpl
    def open_backend(self):
        return None

    def models(self, model):
        own = ListedModel(model, thinks=False, context=5000, prices=dict(prefill=0.0, cached_prefill=0.0, sampled=1.0,
                                                                         trained=1.0))
        return ModelList((own, ListedModel("old", offered=False, retired=date(2026, 1, 2), replacement=model)),
                         ("Prices: made up.",))
'''
CONFIG = """
[run]
name = "mine"
model = "tiny"
steps = 10
[sampling]
max_tokens = 1000
[data.train]
use = "arithmetic"
[plugins]
enable = ["mine", "chatml_think", "grpo", "numeric", "correct", "group_mean"]
[local_plugins]
mine = "mine.py:Mine"
[plugins.grpo]
problems_per_step = 10
rollouts_per_problem = 10
"""


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINKER_API_KEY", raising=False)
    monkeypatch.delenv("TINKER_BASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def models(*arguments: object) -> str:
    result = cli("models", *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def row(output: str, model: str) -> list[str]:
    (line,) = [line for line in output.splitlines() if line.split()[:1] == [model]]
    return line.split()


def test_without_a_key_the_list_and_the_cost_are_shown() -> None:
    output = models(*OFF)
    head = output.splitlines()[0].split()
    assert head == ["model", "chat", "thinks", "prefill", "sample", "train", "USD", "in", "all"]
    _, chat, thinks, *prices, cost = row(output, MODEL)
    assert (chat, thinks, prices) == ("chatml", "model", ["0.195", "0.6", "0.44"])
    low, high = map(int, cost.split("-"))
    assert 1.9 * low < high < 2.1 * low, "responses of half of max_tokens, or of all of it"
    assert row(output, "Qwen/Qwen3.5-4B") == ["Qwen/Qwen3.5-4B", "chatml", "prompt", "?", "?", "?", "?"]
    words = " ".join(output.split())
    assert "USD in all: justrl-medium, 800 steps and 81 evaluations, with responses of 50% of max_tokens" in words
    assert "assumed: 4 characters a token" in words
    assert "as the service's docs listed them on 2026-11-29; with TINKER_API_KEY set, the server itself" in words
    assert "Prices: the few that came with this package on 2026-11-29; the console has them all." in words
    assert "Qwen/Qwen3-4B-Instruct-2507" not in output, "it is retired"


def test_every_row_fits_80_columns() -> None:
    output = models("--all", *OFF)
    table = output[: output.index("Prices: ")]
    assert max(map(len, output.splitlines())) <= 80
    assert all(len(line.split()) > 2 for line in table.splitlines() if line.strip()), "no row is folded"


def test_all_shows_retired_models_and_what_replaces_them() -> None:
    output = models("--all", *OFF)
    assert row(output, "Qwen/Qwen3-32B") == ["Qwen/Qwen3-32B", "2026-06-12", "Qwen/Qwen3.8-27B"]
    retired = row(output, "Qwen/Qwen3-4B-Instruct-2507")
    assert retired[1:] == ["2026-06-12", "Qwen/Qwen3.5-4B", "(thinking", "off)"]


def test_the_configs_own_model_is_told_of() -> None:
    retired = "run.model=Qwen/Qwen3-4B-Instruct-2507"
    *said, command = models("justrl-quick", "--set", retired, *OFF).splitlines()
    assert " ".join(said[-2:]).replace("  ", " ") == (
        "justrl-quick names Qwen/Qwen3-4B-Instruct-2507, which was retired on 2026-06-12. "
        "Use Qwen/Qwen3.5-4B (thinking off) instead:"
    )
    assert command == "  justtinker check justrl-quick --set run.model=Qwen/Qwen3.5-4B"
    *_, said, command = models("justrl-quick", "--set", "run.model=nobody/nothing", *OFF).splitlines()
    assert said == "justrl-quick names nobody/nothing, which is not offered. Choose another:"
    *_, said, command = models("justrl-quick", "--set", f"run.model={MODEL}", *OFF).splitlines()
    assert (said, command) == (
        f"justrl-quick names {MODEL}. Another model:",
        "  justtinker models justrl-quick --set run.model=NAME",
    )


def test_prices_of_the_config_are_for_its_own_model_only() -> None:
    prices = [f"plugins.tinker.prices.{kind}=1" for kind in ("prefill", "sampled", "trained")]
    sets = [argument for price in [*prices, "run.model=Qwen/Qwen3.5-4B"] for argument in ("--set", price)]
    output = models("justrl-quick", *sets, *OFF)
    assert row(output, "Qwen/Qwen3.5-4B")[3:6] == ["1", "1", "1"]
    assert row(output, "Qwen/Qwen3.5-9B")[3:6] == ["?", "?", "?"]


def test_the_price_file_is_read_when_it_can_be_reached() -> None:
    with shop([PRICED]) as (url, asked):
        output = models("justrl-quick", "--set", f"plugins.tinker.price_file={url}")
        assert row(output, "Qwen/Qwen3.5-4B")[3:7] == ["32K", "0.33", "1", "0.7"]
        assert row(output, MODEL)[3:7] == ["?", "0.195", "0.6", "0.44"], "the file does not have it"
        assert f"Prices: as read from {url} now." in " ".join(output.split())
    assert len(asked) == 1
    words = " ".join(models("--set", f"plugins.tinker.price_file={CLOSED}").split())
    assert f"the console has them all. {CLOSED} cannot be read: [Errno 111]" in words


def test_the_servers_own_list_decides_what_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tinker", reason="the server's list is asked for through the SDK")
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    monkeypatch.setenv("TINKER_TELEMETRY", "0")
    with served(tmp_path) as server:
        server.context_length = 32_768
        server.models = ("Qwen/Qwen3-32B", f"{MODEL}:peft:32768", "some/new-model")
        output = models("justrl-quick", "--set", f"plugins.tinker.base_url={server.url}", "--all")
        assert not [path for path, _ in server.seen if path == "create_model"], "nothing is opened"
    assert row(output, "Qwen/Qwen3-32B")[3] == "32K", "retired by the service, but offered here"
    assert row(output, f"{MODEL}:peft:32768")[1:4] == ["chatml", "model", "32K"]
    assert row(output, "some/new-model")[1:] == ["?", "?", "32K", "?", "?", "?", "?"]
    assert row(output, MODEL)[1:] == ["not", "offered", "?"]
    words = " ".join(output.split())
    assert f"Models: as {server.url} lists them now." in words
    assert "Prices: the service's are not this server's; set your own in [plugins.tinker] prices." in words


def test_a_server_that_is_silent_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tinker", reason="without the SDK, no server is asked")
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    words = " ".join(models("justrl-quick", "--set", f"plugins.tinker.base_url={CLOSED}").split())
    assert f"as the service's docs listed them on 2026-11-29; no server answers at {CLOSED}" in words


def test_any_backend_may_list_its_models(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LISTED)
    (tmp_path / "mine.toml").write_text(CONFIG)
    output = models(tmp_path / "mine.toml", "--all")
    # 10 steps of 100 rollouts sample 500 or 1,000 tokens each, and half of them are trained, prompts included
    name, chat, thinks, context, *_, cost = row(output, "tiny")
    assert (name, chat, thinks, context) == ("tiny", "?", "no", "5,000")
    low, high = map(float, cost.split("-"))
    assert 0.75 < low < 0.85
    assert 1.50 < high < 1.60
    assert row(output, "old") == ["old", "2026-01-02", "tiny"]
    assert "Prices: made up." in output


def test_a_backend_without_a_list_says_so() -> None:
    result = cli("models", "quickstart-rl")
    assert result.exit_code == 1
    assert result.output == (
        "Error: the backend 'local' of quickstart-rl has no list of models: name a config whose backend has one, e.g. "
        "justtinker models justrl-medium\n"
    )
