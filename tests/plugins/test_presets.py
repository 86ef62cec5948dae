from __future__ import annotations

from click.testing import CliRunner

from justtinker_core.cli import main
from justtinker_core.config import presets
from justtinker_plugins.commands.presets import first_comment


def test_every_preset_is_listed_with_what_it_is() -> None:
    result = CliRunner().invoke(main, ["presets"], terminal_width=200)
    assert result.exit_code == 0
    for name, path in presets().items():
        assert name in result.output
        assert len(first_comment(path.read_text())) > 40, f"{name} begins with a comment that says what it is"


def test_the_first_comment_ends_with_the_first_line_of_toml() -> None:
    assert first_comment("# one\n# two\n[run]\n# three\n") == "one two"
    assert first_comment("[run]\n") == ""
    assert first_comment("") == ""
