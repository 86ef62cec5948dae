"""Replies on the disk: found again, by other processes too, and never a failure."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from justtinker_core import PluginError
from justtinker_plugins.shared.judge.cache import Cache, CacheError, key_of, usual_place

WRITER = """
import asyncio, sys
from pathlib import Path
from justtinker_plugins.shared.judge.cache import Cache
async def main():
    cache = Cache(Path(sys.argv[1]))
    for n in range(200):
        await cache.put(f"{n}", {"by": sys.argv[2]})
        assert (await cache.get(f"{n}"))["by"] in "ab"
    cache.close()
asyncio.run(main())
"""


def test_what_was_put_is_found(tmp_path: Path) -> None:
    async def check() -> None:
        cache = Cache(tmp_path / "deep" / "judge.sqlite")
        assert await cache.get("a") is None
        await cache.put("a", {"same": True})
        await cache.put("a", {"same": False})
        assert await cache.get("a") == {"same": True}, "the first one stays"
        cache.close()
        again = Cache(tmp_path / "deep" / "judge.sqlite")
        assert await again.get("a") == {"same": True}
        again.close()

    asyncio.run(check())


def test_processes_share_it(tmp_path: Path) -> None:
    path = tmp_path / "judge.sqlite"
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "ab"]
    assert [process.wait(60) for process in processes] == [0, 0]

    async def count() -> int:
        cache = Cache(path)
        found = [await cache.get(f"{n}") for n in range(200)]
        cache.close()
        return sum(reply is not None for reply in found)

    assert asyncio.run(count()) == 200


def test_a_file_that_breaks_later(tmp_path: Path) -> None:
    async def check() -> None:
        cache = Cache(tmp_path / "judge.sqlite")
        await cache._call(lambda: cache._file.execute("DROP TABLE replies"))
        with pytest.raises(CacheError, match=r"judge\.sqlite failed: no such table: replies"):
            await cache.get("a")
        cache.close()

    asyncio.run(check())


@pytest.mark.parametrize("make", ["garbage", "folder"])
def test_a_file_that_cannot_be_used(make: str, tmp_path: Path) -> None:
    path = tmp_path / "judge.sqlite"
    path.write_bytes(b"not a database" * 100) if make == "garbage" else path.mkdir()
    wanted = f"the cache of replies {path} cannot be used ("
    with pytest.raises(PluginError, match=re.escape(wanted)) as error:
        Cache(path)
    assert str(error.value).endswith(": name another file with cache, delete it, or set cache = false")


def test_the_usual_place_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert usual_place() == tmp_path / "justtinker" / "judge.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert usual_place() == tmp_path / ".cache" / "justtinker" / "judge.sqlite"


def test_keys_depend_on_everything_and_not_on_its_order() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert len({key_of({"a": 1}), key_of({"a": 2}), key_of({"b": 1}), key_of({})}) == 4
