"""What the core's tests have made for themselves serves those of the plugins too."""

from tests.core.conftest import run_of, site, written
from tests.plugins.tinker_fixtures import opened, server, tokenizer_directory

__all__ = ["opened", "run_of", "server", "site", "tokenizer_directory", "written"]
