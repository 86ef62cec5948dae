"""The token that `justtinker serve` asks for and `http_verifier` shows. It comes from the environment alone."""

from __future__ import annotations

import os

from justtinker_core import PluginError

TOKEN = "JUSTTINKER_SERVE_TOKEN"
"""The environment variable that holds it."""


def token_of(variable: str = TOKEN) -> str:
    """Return the token in a variable, '' if there is none. PluginError, without it, if it cannot stand in a header."""
    token = os.environ.get(variable, "").strip()
    if not (token.isascii() and token.isprintable()):
        raise PluginError(f"{variable}: expected visible ASCII characters only")
    return token
