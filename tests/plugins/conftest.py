from tests.core.conftest import run_with

__all__ = ["run_with"]
