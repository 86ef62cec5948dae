"""The reward term for partly right programs: the share of the tests that they pass."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from justtinker_core import Group, RunContext, hookimpl, plugin

log = logging.getLogger("justtinker")


@plugin
class TestsPassed:
    """Pays the share of the tests that a program passes, as the verifier `code` measures it.

    Set ``[plugins.code] stop_early = false``, or only the tests before the first failure count. A program that passes
    some tests by always giving the same answer is paid for them: watch the term, or keep its weight below `correct`'s.
    """

    __test__ = False

    @hookimpl
    def preflight(self, run: RunContext) -> None:
        """Warn if not all tests are run."""
        if run.config.plugin_options.get("code", {}).get("stop_early", True):
            log.warning(
                "tests_passed: pays the tests before the first failed one; set [plugins.code] stop_early = false"
            )

    @hookimpl
    def score(self, group: Group) -> Mapping[str, Sequence[float | None]] | None:
        """The share, in [0, 1], for each rollout (G,); nothing for problems that `code` does not judge."""
        found = group.measures.get("tests_passed")
        return None if found is None else {"tests_passed": list(found)}
