from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.core.conftest import cli


def test_every_plugin_is_listed_with_role_and_package() -> None:
    result = cli("plugins")
    assert result.exit_code == 0
    assert re.search(r"^redundancy +rewards +justtinker \d", result.output, re.MULTILINE)
    assert re.search(r"^train +commands +justtinker \d", result.output, re.MULTILINE)


def test_active_ones_are_marked() -> None:
    result = cli("plugins", "--config", "quickstart-sft")
    rows = {line.split()[0]: line.rstrip().endswith("yes") for line in result.output.splitlines()[1:]}
    assert (rows["sft"], rows["arithmetic"], rows["grpo"]) == (True, True, False)


def test_check_finds_the_broken_ones(site: Callable[..., Path]) -> None:
    assert cli("plugins", "--check").exit_code == 0
    site("broken", {"rewards": {"my_reward": "no_such_module:Reward"}})
    assert cli("plugins").exit_code == 0, "listing imports nothing"
    result = cli("plugins", "--check")
    assert result.exit_code == 1
    assert "No module named 'no_such_module'" in " ".join(result.output.split())


def test_one_explained() -> None:
    text = " ".join(cli("plugins", "redundancy").output.split())
    for part in ("one of the rewards, from justtinker", "Hooks: measure, score", "[plugins.redundancy]"):
        assert part in text
    assert "threshold = 0.3" in text
    assert "weight = 0.3" in text, "the plugin's own default weight"
    assert 'mode = "on"' in text


def test_one_that_there_is_not() -> None:
    result = cli("plugins", "redundncy")
    assert result.exit_code == 1
    assert "no plugin called 'redundncy'; did you mean 'redundancy'?" in result.output
