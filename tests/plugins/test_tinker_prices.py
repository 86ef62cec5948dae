"""What is known of the service's models and prices: the dated file, its price file, the config's own prices."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core.errors import PluginError
from justtinker_core.options import configure
from justtinker_core.rundir import RunDir
from justtinker_plugins.backends._tinker import price_file
from justtinker_plugins.backends._tinker import server as servers
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends._tinker.catalog import catalog, dated_prices, read_file, retirement, successor
from justtinker_plugins.backends._tinker.preflight import setup_complaints
from justtinker_plugins.backends._tinker.price_file import Row, fetch, parse
from justtinker_plugins.backends._tinker.prices import RECORD, Prices, record_prices
from justtinker_plugins.backends.tinker import Tinker

MODEL = "Qwen/Qwen3-8B"
PRICED = {"tinker_id": "Qwen/Qwen3.5-4B", "context": "32K", "prefill": "$0.33", "cached_prefill": "$0.066",
          "sample": "$1.00", "train": "$0.70"}  # fmt: skip
READ = Row({"prefill": 0.33, "cached_prefill": 0.066, "sampled": 1.0, "trained": 0.7}, 32_768)
MILLION = dict.fromkeys(("prefill", "cached_prefill", "sampled", "trained"), 1_000_000)
CLOSED = "http://127.0.0.1:9"


class Shop(BaseHTTPRequestHandler):
    """Serves `content`, and counts how often."""

    content = b""
    status = 200
    asked: list[dict[str, str]]

    def do_GET(self) -> None:
        self.asked.append(dict(self.headers))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def shop(content: Any, status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A price file on a free port of this machine: its address, and the headers of each request."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    asked: list[dict[str, str]] = []
    handler = type("Bound", (Shop,), {"content": text, "status": status, "asked": asked})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}/models.json", asked
    finally:
        http.shutdown()
        http.server_close()


def backend(model: str = MODEL, **options: Any) -> TinkerBackend:
    """A backend of the service, which it never calls."""
    given = {"base_url": servers.SERVICE, "price_file": "", **options}
    return TinkerBackend(model, configure(Tinker, "plugins.tinker", given), seed=0)


# -- the dated file --------------------------------------------------------------------------------------------------


def test_every_model_is_offered_or_retired_and_replaced_by_one_that_is_offered() -> None:
    for name, model in catalog().items():
        assert model.offered == (model.retired is None), name
        assert not (model.offered and (model.replacement or model.how)), name
        if model.replacement:
            new = successor(name)
            assert new is not None, name
            assert catalog()[new.name].offered, name
        assert model.opens_think in (("prompt", "model", "") if model.thinks else ("",)), name


def test_every_price_is_of_an_offered_model_and_of_after_the_rise() -> None:
    priced = [name for name, row in read_file()["models"].items() if "prices" in row]
    assert MODEL in priced
    for name in priced:
        prices, day = dated_prices(name)
        assert {"prefill", "sampled", "trained"} <= set(prices), name
        assert day is not None
        assert date(2026, 7, 17) < day <= read_file()["date"], name
        assert catalog()[name].offered, name


def test_a_replacement_that_is_retired_too_is_followed() -> None:
    assert catalog()["Qwen/Qwen3-32B"].replacement == "Qwen/Qwen3.6-27B"
    assert retirement("Qwen/Qwen3-32B") == (
        "the Tinker service retired it on 2026-06-12; use Qwen/Qwen3.8-27B: --set run.model=Qwen/Qwen3.8-27B "
        "(and a run.start_from of that model, if any)"
    )
    assert retirement("Qwen/Qwen3-4B-Instruct-2507") == (
        "the Tinker service retired it on 2026-06-12; use Qwen/Qwen3.5-4B (thinking off): "
        "--set run.model=Qwen/Qwen3.5-4B (and a run.start_from of that model, if any)"
    )
    unreplaced = "the Tinker service retired it on 2026-07-12; see what it offers: justtinker models"
    assert retirement("moonshotai/Kimi-K2.5") == unreplaced
    assert retirement(MODEL) == retirement("nobody/nothing") == ""
    assert successor(MODEL) is None


# -- the service's price file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        [PRICED],
        {"models": [PRICED], "updated": "2026-10-07"},
        {PRICED["tinker_id"]: {key: value for key, value in PRICED.items() if key != "tinker_id"}},
        {"models": {"first": PRICED}},
        [PRICED | {"prefill": 0.33, "sample": 1, "train": " $0.70 ", "context": 32_768, "note": "half price"}],
    ],
)
def test_a_list_or_an_object_of_models_is_read(table: Any) -> None:
    assert parse(json.dumps(table).encode()) == ({"Qwen/Qwen3.5-4B": READ}, [])


def test_a_model_that_cannot_be_trained_has_no_price_for_it() -> None:
    rows, _ = parse(json.dumps([PRICED | {"train": "-", "cached_prefill": None, "context": "long"}]).encode())
    assert rows == {"Qwen/Qwen3.5-4B": Row({"prefill": 0.33, "sampled": 1.0}, None)}


def test_a_model_whose_price_cannot_be_read_leaves_the_others() -> None:
    rows, refused = parse(json.dumps([PRICED, {"tinker_id": "a/b", "prefill": "$1", "train": "soon"}]).encode())
    assert rows == {"Qwen/Qwen3.5-4B": READ}
    assert refused == ["expected train of a/b as a price like '$1.87', got \"soon\""]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("$1", "expected a list of objects, or an object of objects, got \"$1\""),
        (["Qwen/Qwen3-8B"], 'expected an object for model 0, got "Qwen/Qwen3-8B"'),
        ([{"prefill": "$1"}], 'expected the name of model 0 under tinker_id, id, model, name, got {"prefill": "$1"}'),
        ([PRICED | {"train": "free"}],
         "expected train of Qwen/Qwen3.5-4B as a price like '$1.87', got \"free\""),
        ([PRICED | {"train": -1}], "expected train of Qwen/Qwen3.5-4B as a price like '$1.87', got -1"),
        ([PRICED | {"train": True}], "expected train of Qwen/Qwen3.5-4B as a price like '$1.87', got true"),
        ([PRICED | {"sample": ["$1"]}], "expected sample of Qwen/Qwen3.5-4B as a price like '$1.87', got [\"$1\"]"),
        ([], "expected models with prices, got none"),
        ({"a": {"b": 1}}, "expected models with prices, got none"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_a_sentence(table: Any, complaint: str) -> None:
    with pytest.raises(PluginError) as error:
        parse(json.dumps(table).encode())
    assert str(error.value) == complaint


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["$1.5", "32K", "a/b", "-"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*PRICED, "models", "a/b"]), inner),
    max_leaves=6,
)


@settings(max_examples=50)
@given(values)
def test_any_json_is_read_or_refused(table: Any) -> None:
    check_read_or_refused(json.dumps(table).encode())


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    check_read_or_refused(content)


def check_read_or_refused(content: bytes) -> None:
    try:
        rows, _ = parse(content)
    except PluginError:
        return
    prices = [price for row in rows.values() for price in row.prices.values()]
    assert prices
    assert all(0 <= price < 10**7 for price in prices)


def test_the_file_is_fetched_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "tml-secret")
    with shop([PRICED]) as (url, asked):
        file = fetch(url)
    assert file.rows == {"Qwen/Qwen3.5-4B": READ}
    assert file.problem == ""
    (headers,) = asked
    assert headers["User-Agent"] == "justtinker"
    assert "tml-secret" not in str(headers)


def test_a_file_that_cannot_be_read_is_a_sentence() -> None:
    with shop([PRICED], status=404) as (url, _):
        assert fetch(url).problem == f"{url} cannot be read: Not Found"
    with shop(b"<!doctype html>") as (url, _):
        said = fetch(url).problem
        assert said.startswith(f"{url} is not a price file: expected JSON, got b'<!doctype html>'")
    assert "cannot be read: [Errno 111]" in fetch(CLOSED).problem
    assert fetch("nonsense").problem == "nonsense cannot be read: unknown url type: 'nonsense'"


def test_a_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_file, "SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        file = fetch(url)
    assert file.rows == {}
    assert file.problem.startswith(url)


# -- which prices hold -----------------------------------------------------------------------------------------------


def test_the_config_wins_over_the_price_file_and_that_over_the_dated_one() -> None:
    assert backend().usd(MILLION) == pytest.approx(0.195 * 1.2 + 0.60 + 0.44)
    assert backend().price_note == "Prices: the package's models.toml, 2026-10-07."
    with shop([PRICED | {"tinker_id": MODEL}]) as (url, asked):
        read = backend(price_file=url)
        assert read.usd(MILLION) == pytest.approx(0.33 + 0.066 + 1.0 + 0.7)
        assert read.price_note == f"Prices: {url}, {date.today()}."
        assert read.usd({"sampled": 1_000_000}) == pytest.approx(1.0)
        assert len(asked) == 1, "it is asked once"
        mixed = backend(price_file=url, prices={"prefill": 1.0, "sampled": 2.0})
        assert mixed.usd(MILLION) == pytest.approx(1.0 + 0.2 + 2.0 + 0.7), "20 % of the new prefill"
        assert mixed.price_note == f"Prices: [plugins.tinker] prices (prefill, sampled), {url}, {date.today()}."
    own = {"prefill": 1.0, "cached_prefill": 0.5, "sampled": 2.0, "trained": 3.0}
    assert backend("nobody/nothing", prices=own).usd(MILLION) == pytest.approx(6.5)
    with pytest.raises(PluginError, match=r"prices\.sample"):
        backend(prices={"sample": 1.0})


def test_a_price_file_without_the_model_or_out_of_reach_leaves_the_dated_prices() -> None:
    with shop([PRICED, {"tinker_id": MODEL, "prefill": "$9"}]) as (url, _):
        assert backend(price_file=url).usd({"prefill": 1_000_000}) == pytest.approx(0.195)
    assert backend(price_file=CLOSED).usd({"prefill": 1_000_000}) == pytest.approx(0.195)
    unknown = backend("nobody/nothing", price_file=CLOSED)
    assert unknown.usd(MILLION) is None
    assert unknown.price_note.startswith("No prices are known for nobody/nothing: the console and https://")
    with shop([PRICED]) as (url, _):
        note = backend("nobody/nothing", price_file=url).price_note
    assert note.startswith(f"No prices are known for nobody/nothing: {url} has none, the console may; set")


def test_a_server_of_ones_own_has_only_the_configs_prices() -> None:
    with shop([PRICED | {"tinker_id": MODEL}]) as (url, asked):
        own = backend(base_url=CLOSED, price_file=url)
        assert own.usd(MILLION) is None
        assert own.price_note == (
            f"No prices are known for {MODEL}: this server is not the service; set [plugins.tinker] prices, in USD per "
            "million tokens (prefill, sampled, trained)."
        )
        prices = {"prefill": 1.0, "sampled": 1.0, "trained": 1.0}
        assert backend(base_url=CLOSED, price_file=url, prices=prices).usd(MILLION) == pytest.approx(3.2)
    assert asked == []


def test_a_run_records_its_prices_each_time_they_change(tmp_path: Path) -> None:
    files = RunDir.create(tmp_path / "run", "")
    first = Prices({"prefill": 1.0}, "models.json", date(2026, 11, 1))
    record_prices(files, MODEL, first)
    record_prices(files, MODEL, Prices(first.usd, first.source, date(2026, 11, 2)))
    record_prices(files, MODEL, Prices({"prefill": 2.0}, first.source, date(2026, 11, 3)))
    assert files.read(RECORD) == [
        {"model": MODEL, "usd_per_million": {"prefill": 1.0}, "source": "models.json", "seen": "2026-11-01"},
        {"model": MODEL, "usd_per_million": {"prefill": 2.0}, "source": "models.json", "seen": "2026-11-03"},
    ]


# -- before a run ----------------------------------------------------------------------------------------------------


@pytest.fixture
def closed_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's address is one at which nobody answers."""
    monkeypatch.setattr(servers, "SERVICE", CLOSED)
    monkeypatch.delenv("TINKER_API_KEY", raising=False)
    monkeypatch.delenv("TINKER_BASE_URL", raising=False)
    monkeypatch.setitem(sys.modules, "tinker", None)  # its import takes long


@pytest.mark.usefixtures("closed_service")
def test_without_a_key_a_retired_model_is_still_named() -> None:
    *_, last = setup_complaints(backend("Qwen/Qwen3-4B-Instruct-2507"), None)
    assert last == (
        "[run] model = 'Qwen/Qwen3-4B-Instruct-2507': the Tinker service retired it on 2026-06-12; use Qwen/Qwen3.5-4B "
        "(thinking off): --set run.model=Qwen/Qwen3.5-4B (and a run.start_from of that model, if any)"
    )
    others = setup_complaints(backend(), None)
    assert not any("retired" in complaint for complaint in others)


@pytest.mark.usefixtures("closed_service")
def test_a_budget_needs_prices_and_says_where_they_are() -> None:
    assert not any("budget" in complaint for complaint in setup_complaints(backend(), 5.0))
    *_, last = setup_complaints(backend("Qwen/Qwen3.5-9B"), 5.0)
    assert last == (
        "[run] budget_usd = 5 cannot be kept. No prices are known for Qwen/Qwen3.5-9B: the console and "
        "https://tinker-docs.thinkingmachines.ai/tinker/models.json have them; set [plugins.tinker] prices, in USD per "
        "million tokens (prefill, sampled, trained)."
    )
