"""The mark of tests that need bubblewrap. Where JUSTTINKER_SANDBOX=required they fail without it, and never skip."""

from __future__ import annotations

import os

import pytest

from justtinker_plugins.shared.sandbox.commands import trouble

REQUIRED = os.environ.get("JUSTTINKER_SANDBOX") == "required"
needs_sandbox = pytest.mark.skipif(not REQUIRED and bool(trouble()), reason=trouble())
