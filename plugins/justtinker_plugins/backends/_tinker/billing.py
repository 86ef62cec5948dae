"""A run's tokens on the service's own account. We know the SDK's call and reply, and have not seen the service's."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.backends._tinker.server import Server
from justtinker_plugins.backends._tinker.waiting import KEY, sdk
from justtinker_plugins.shared.bills import Bill

LONGEST = timedelta(days=14)
"""The service answers for no longer window at once."""
HOUR = timedelta(hours=1)
KINDS = {"training": "trained", "sampling_sample": "sampled"}


def ask_bill(server: Server, run: str, directory: str, since: datetime, until: datetime) -> Bill:
    """Sum what the service has counted for the sessions of a run, which `labels` has marked with its name."""
    tokens: Counter[str] = Counter()
    usd: defaultdict[str, float] = defaultdict(float)
    unpriced = 0
    for reply in replies(server, since, until):
        for event in reply.data:
            kind = kind_of(event.event_info)
            if kind and is_of(reply.sessions.get(event.session_id), run, directory):
                tokens[kind] += event.event_info.token_count
                cost = getattr(event, "estimated_cost_usd", None)  # newer SDKs have it
                usd[kind] += cost or 0.0
                unpriced += cost is None
    notes = [f"The service gives no cost for {unpriced} of its hourly entries yet."] if unpriced else []
    return Bill(tokens, usd, (*notes, "Its costs are estimates before credits; storage is not among them."))


def replies(server: Server, since: datetime, until: datetime) -> Iterator[Any]:
    """The service's answers for windows of whole hours that cover the time from `since` to `until`."""
    admin = client(server)
    start = since.replace(minute=0, second=0, microsecond=0)
    last = until.replace(minute=0, second=0, microsecond=0) + HOUR
    while start < last:
        end = min(start + LONGEST, last)
        ask = partial(admin.get_billing_usage, start, end)
        yield server.calls.submit(ask, lambda reply: reply, "the bill").result()
        start = end


def client(server: Server) -> Any:
    """The SDK's client that can ask for the bill. PluginError if this version has none."""
    tinker = sdk()
    kind = getattr(tinker, "AdminClient", None)
    if kind is None:
        raise PluginError(
            f"the tinker SDK {version('tinker')} cannot ask for the bill: pip install --upgrade tinker, "
            "or look at the console"
        )
    return kind(base_url=server.url, api_key=os.environ.get(KEY))


def kind_of(info: Any) -> str | None:
    """Our name for a kind of tokens; None for what is not counted in tokens."""
    if info.type == "sampling_prefill":
        return "cached_prefill" if info.cached else "prefill"
    return KINDS.get(info.type)


def is_of(session: Any, run: str, directory: str) -> bool:
    """Whether a session is of the run."""
    marks: Mapping[str, str] = (session and session.user_metadata) or {}
    return marks.get("run") == run and marks.get("directory") == directory
