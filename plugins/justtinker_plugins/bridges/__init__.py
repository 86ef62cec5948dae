"""Reward stacks in other toolkits: one file each, a thin shape around `justtinker_core.Scorer`.

Each module is importable without its toolkit, which is imported when something is called. docs/bridges.md has an
example of each. What comes in from other toolkits is an ordinary plugin in its role's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STANDARD: Mapping[str, Any] = {"plugins": {"enable": ["math_verify", "correct", "format", "redundancy"]}}
"""The rewards if none are named: the strict math verifier and the standard terms."""
