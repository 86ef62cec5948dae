"""The options that every judge has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field

from justtinker_core import plugin
from justtinker_core.paths import Written
from justtinker_plugins.shared.connections import check_address

Count = Annotated[int, Field(ge=1)]
NoLimit = Annotated[int, Field(ge=0)]
Usd = Annotated[float, Field(ge=0)]
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@plugin
class JudgeOptions:
    """Which model judges, how it is asked, and what it may cost."""

    model: str
    """The judge, by the name that the endpoint gives it."""
    base_url: str = "http://127.0.0.1:8000/v1"
    """The endpoint, up to ``/v1``. The default is vLLM's on this machine."""
    key_variable: str = "JUDGE_API_KEY"
    """The name of the environment variable that holds the key; '' if there is no key. An endpoint on this machine
    needs none."""
    prompt: Path | None = None
    """A file with a prompt of your own, relative to the config. Default: the bundled one."""
    structured: bool = True
    """Ask for JSON of a certain schema (``response_format``); a server that refuses that is asked in words."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """0 is greedy. Votes differ little at 0."""
    max_tokens: Count = 512
    """The longest reply. A judge that thinks needs more."""
    votes: Count = 1
    """How often to ask the same. More than half of all votes must agree, else there is no verdict."""
    max_chars: Count = 8000
    """A longer answer is not shown to the judge and earns nothing."""
    in_flight: Count = 256
    """Requests under way at once."""
    requests_per_minute: NoLimit = 0
    """0: no limit. Of this process."""
    tokens_per_minute: NoLimit = 0
    """Prompts and replies; 0: no limit. Of this process."""
    timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds for one request."""
    tries: Count = 5
    """How often to send a request that is answered 429 or 5xx, or whose connection fails."""
    backoff: Annotated[float, Field(ge=0)] = 1.0
    """Seconds before the second try, twice as many before each further one; more if the server says Retry-After."""
    cache: Annotated[Path | bool, Written()] = True
    """Where replies are kept, so that nothing is asked twice: a file, true (in the user's cache folder) or false."""
    budget_usd: Usd | None = None
    """Ask nothing more that could cost more than this in all, and stop the run. Needs both prices."""
    budget_calls: Count | None = None
    """Send no more requests than this in all, and stop the run. Every try counts."""
    usd_per_million_input: Usd | None = None
    """The price of a million tokens of prompts."""
    usd_per_million_output: Usd | None = None
    """The price of a million tokens of replies."""

    def __post_init__(self) -> None:
        check_address("base_url", self.base_url, "/v1", "the variable that key_variable names")
        self.base_url = self.base_url.rstrip("/")
        if self.key_variable and not VARIABLE.fullmatch(self.key_variable):
            raise ValueError(
                "key_variable: expected the name of an environment variable, such as JUDGE_API_KEY; never put the key "
                "itself into a config"
            )
        prices = (self.usd_per_million_input, self.usd_per_million_output)
        if self.budget_usd is not None and None in prices:
            raise ValueError(
                f"budget_usd = {self.budget_usd:g} needs prices: set usd_per_million_input and usd_per_million_output "
                "(0 if it is free), or budget_calls instead"
            )
        if (prices[0] is None) != (prices[1] is None):
            raise ValueError("set both usd_per_million_input and usd_per_million_output, or none of them")
