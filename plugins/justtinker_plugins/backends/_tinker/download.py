"""Bring an adapter home from a Tinker server, through the SDK.

A training checkpoint cannot be downloaded itself. It is loaded into a new training session, which saves a copy that
can be: "external weights", one signed URL a file (SDK 0.36 and newer), or a sampler checkpoint, which older SDKs
and self-hosted servers hand out as a tar archive. The copy is deleted afterwards. Read from the SDK 0.24.1 to 0.38.0
and SkyRL 0.3.0; the service itself has not been seen.
"""

from __future__ import annotations

import tarfile
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree
from typing import Any
from urllib.parse import urlsplit

from justtinker_core import PluginError
from justtinker_plugins.backends._tinker.server import SERVICE, Server
from justtinker_plugins.shared.exports import Progress

DAY = 24 * 3600
"""Seconds after which the copy expires if it could not be deleted."""
NAME = "justtinker-export"
FILES = ("adapter_config.json", "adapter_model.safetensors")
KINDS = ("weights", "sampler_weights", "external_weights")
PIECE = 2**20
"""Bytes to read at a time."""
TRIES = 3


def download(server: Server, path: str, directory: Path, progress: Progress) -> None:
    """Write the adapter of a checkpoint, as the server hands it out, into a directory.

    Raises FileNotFoundError if the server does not have the checkpoint, PluginError for all else.
    """
    _, _, kind, _ = parts_of(path)
    if kind == "external_weights":
        fetch_files(server, path, directory, progress)
    elif kind == "sampler_weights":
        fetch_archive(server, path, directory, progress)
    else:
        progress("loading the checkpoint into a training session of its own", 0, 0)
        server.calls.submit(lambda: server.restore(path, False), lambda _: None).result()
        progress("saving a copy that can be downloaded", 0, 0)
        copy = saved_copy(server)
        try:
            download(server, copy, directory, progress)
        finally:
            with suppress(PluginError):  # it expires
                ask(server, "delete_checkpoint_from_tinker_path", copy)
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        raise PluginError(f"what {server.url} hands out for {path} is no adapter: it has no {' and no '.join(missing)}")


def parts_of(path: str) -> tuple[str, str, str, str]:
    """Split ``tinker://RUN/KIND/NAME``."""
    scheme, _, rest = path.partition("://")
    parts = rest.split("/")
    if scheme != "tinker" or len(parts) != 3 or parts[1] not in KINDS:
        raise PluginError(f"expected a checkpoint tinker://RUN/weights/NAME, got {path!r}")
    return scheme, parts[0], parts[1], parts[2]


def saved_copy(server: Server) -> str:
    """Have the training session save what can be downloaded; return its path."""

    def save() -> Any:
        client, rest = server.training(), server.rest()
        archives = hasattr(rest, "get_checkpoint_archive_url_from_tinker_path")
        if hasattr(client, "save_weights_external") and (server.url == SERVICE or not archives):
            return client.save_weights_external(NAME, ttl_seconds=DAY)
        return client.save_weights_for_sampler(NAME, ttl_seconds=DAY)

    try:
        return str(server.calls.submit(save, lambda reply: reply.path).result())
    except PluginError as error:
        if "Tinker (404)" not in str(error) or server.url == SERVICE:
            raise
        raise PluginError(
            f"{server.url} cannot save weights in the form that the installed tinker {version('tinker')} downloads; a "
            f"self-hosted server hands them out to the SDK version that it was made for (docs/self-hosting.md): {error}"
        ) from None


def ask(server: Server, method: str, *arguments: str) -> Any:
    """Call a method of the SDK's REST client and wait for the answer."""
    return server.calls.submit(lambda: getattr(server.rest(), method)(*arguments), lambda answer: answer).result()


def fetch_files(server: Server, path: str, directory: Path, progress: Progress) -> None:
    """Download every file of external weights; URLs that are about to expire are signed anew."""
    signed = ask(server, "get_external_weights_urls", path)
    for name in sorted(signed.urls):
        file = (directory / name).resolve()
        if not file.is_relative_to(directory.resolve()):
            raise PluginError(f"{path} names a file outside its directory: {name!r}; nothing was written")
        if datetime.now(UTC) > signed.expires - timedelta(minutes=5):
            signed = ask(server, "get_external_weights_urls", path)
        file.parent.mkdir(parents=True, exist_ok=True)
        fetch(signed.urls[name], file, name, progress)


def fetch_archive(server: Server, path: str, directory: Path, progress: Progress) -> None:
    """Download the archive of a sampler checkpoint and take the adapter out of it."""
    progress("waiting for the server to pack an archive", 0, 0)
    try:
        answer = ask(server, "get_checkpoint_archive_url_from_tinker_path", path)
    except PluginError as error:
        if "Tinker (404)" not in str(error):
            raise
        _, run, _, name = parts_of(path)
        answer = ask(server, "get_checkpoint_archive_url", run, name)  # SkyRL's address has no kind in it
    archive, unpacked = directory / ".archive", directory / ".unpacked"
    fetch(answer.url, archive, "the archive", progress)
    unpack(archive, unpacked)
    for name in FILES:
        found = sorted(unpacked.rglob(name), key=lambda file: len(file.parts))
        if found and found[0].is_file() and not found[0].is_symlink():
            found[0].rename(directory / name)
    archive.unlink()
    rmtree(unpacked)


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a tar archive. PluginError if it is none, or if a member would be written outside the directory."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise PluginError(f"the server's archive is damaged or unsafe: {error}; nothing was kept") from error


def fetch(url: str, file: Path, what: str, progress: Progress) -> None:
    """Download a file, with new tries if the connection fails. A signed URL is a secret: no error shows it."""
    place = urlsplit(url)
    if place.scheme not in ("http", "https"):
        raise PluginError(f"the server wants {what} to be read from {place.scheme}://, expected https://")
    for attempt in range(1, TRIES + 1):
        try:
            return copy_reply(url, file, what, progress)
        except urllib.error.HTTPError as error:
            reason, final = f"{place.hostname} answers {error.code}", error.code < 500
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            reason, final = f"{place.hostname}: {getattr(error, 'reason', None) or error}", False
        if final or attempt == TRIES:
            raise PluginError(f"cannot download {what} ({reason}); try again")
        progress(f"downloading {what} again ({reason})", 0, 0)
    return None


def copy_reply(url: str, file: Path, what: str, progress: Progress) -> None:
    """Copy one HTTP reply to a file. ConnectionError if it is shorter than it should be."""
    done = 0
    with urllib.request.urlopen(url, timeout=60) as reply, file.open("wb") as copy:
        total = int(reply.headers.get("Content-Length") or 0)
        progress(f"downloading {what}", 0, total)
        while piece := reply.read(PIECE):
            copy.write(piece)
            done += len(piece)
            progress(f"downloading {what}", done, total)
    if done < total:
        raise ConnectionError(f"only {done:,} of {total:,} bytes came")
