from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tinker", reason="the tinker backend needs the tinker SDK")
import tinker

from justtinker_core import PluginError
from justtinker_core.options import configure
from justtinker_plugins.backends._tinker import billing
from justtinker_plugins.backends._tinker.billing import LONGEST, replies
from justtinker_plugins.backends._tinker.server import Server
from justtinker_plugins.backends.tinker import Tinker
from justtinker_plugins.commands.bill import meter
from tests.core.conftest import cli
from tests.plugins.tinker_fixtures import server, tokenizer_directory, wire_config  # noqa: F401
from tests.plugins.tinker_server import MODEL, TinkerServer

has_bills = pytest.mark.skipif(not hasattr(tinker, "AdminClient"), reason="this SDK cannot ask for the bill")


def event(session: str, info: dict[str, Any], usd: float | None = None) -> dict[str, Any]:
    hour = datetime(2026, 11, 30, 12, tzinfo=UTC)
    start, end = hour.isoformat(), (hour + timedelta(hours=1)).isoformat()
    common = {"bucket_start": start, "bucket_end": end, "base_model": MODEL, "session_id": session}
    return common | {"event_info": info, "estimated_cost_usd": usd}


def marks_of(server: TinkerServer) -> dict[str, str]:  # noqa: F811
    """What the run has told the server of itself."""
    [*_, body] = server.bodies("create_session")
    return dict(body["user_metadata"])


@pytest.fixture
def run(server: TinkerServer, tmp_path: Path) -> Path:  # noqa: F811
    config = tmp_path / "wire.toml"
    config.write_text(wire_config(server.url).replace("steps = 4", "steps = 1"))
    result = cli("train", config, "--dir", tmp_path / "run")
    assert result.exit_code == 0, result.output
    return tmp_path / "run"


@has_bills
def test_what_is_billed_stands_beside_what_is_recorded(
    server: TinkerServer,  # noqa: F811
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "The service has billed nothing under this run's name." in cli("bill", run).output
    tokens, _ = meter(run)
    assert tokens["trained"] > 0
    assert tokens["sampled"] > 0
    marks = marks_of(server)
    assert (marks["run"], marks["directory"]) == ("wire", "run")
    server.bill = {
        "data": [
            event("mine", {"type": "training", "token_count": tokens["trained"]}, 1.25),
            event("mine", {"type": "sampling_sample", "token_count": 2 * tokens["sampled"]}, 0.5),
            event("mine", {"type": "sampling_prefill", "cached": True, "token_count": 7}),
            event("mine", {"type": "checkpoint", "count": 3}),
            event("other", {"type": "training", "token_count": 10**9}, 1000.0),
            event("unknown", {"type": "training", "token_count": 10**9}, 1000.0),
        ],
        "sessions": {"mine": {"user_metadata": marks}, "other": {"user_metadata": marks | {"directory": "run-2"}}},
    }
    result = cli("bill", run)
    assert result.exit_code == 0, result.output
    rows = {" ".join(words[:-4]): words[-4:] for line in result.output.splitlines() if len(words := line.split()) > 4}
    assert rows["trained"] == [f"{tokens['trained']:,}", f"{tokens['trained']:,}", "+0.0%", "1.25"]
    assert rows["sampled"] == [f"{tokens['sampled']:,}", f"{2 * tokens['sampled']:,}", "+100.0%", "0.50"]
    assert rows["cached prefill"][1:] == ["7", rows["cached prefill"][2], "0.00"]
    assert "USD: 0.00 recorded, 1.75 billed" in result.output
    assert "The service gives no cost for 1 of its hourly entries yet." in result.output
    monkeypatch.delenv("TINKER_API_KEY")
    assert "Error: TINKER_API_KEY is not set" in cli("bill", run).output


@has_bills
def test_long_runs_are_asked_for_in_windows_of_whole_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[datetime, datetime]] = []

    class Admin:
        def get_billing_usage(self, start: datetime, end: datetime) -> str:
            asked.append((start, end))
            return "reply"

    monkeypatch.setattr(billing, "client", lambda _: Admin())
    backend = Server(MODEL, configure(Tinker, "plugins.tinker", {}), seed=0)
    since = datetime(2026, 10, 1, 5, 59, tzinfo=UTC)
    assert list(replies(backend, since, since + timedelta(days=30))) == ["reply"] * 3
    backend.close()
    assert asked[0][0] == datetime(2026, 10, 1, 5, tzinfo=UTC)
    assert asked[-1][1] == datetime(2026, 10, 31, 6, tzinfo=UTC)
    assert all(end - start <= LONGEST for start, end in asked)
    assert [start for start, _ in asked[1:]] == [end for _, end in asked[:-1]]


def test_an_sdk_that_cannot_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tinker, "AdminClient", raising=False)
    backend = Server(MODEL, configure(Tinker, "plugins.tinker", {}), seed=0)
    with pytest.raises(PluginError, match=r"the tinker SDK [\d.]+ cannot ask for the bill: pip install --upgrade"):
        billing.client(backend)
    backend.close()
