"""What the core's tests have made for themselves serves those of the plugins too."""

from tests.core.conftest import run_of, site, written

__all__ = ["run_of", "site", "written"]
