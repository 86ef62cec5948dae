"""Files that a reward stack needs travel with it: local plugins, what they import beside them, files that options name.

Ray's own way, a `working_dir`, would upload the user's whole folder, checkpoints included, and would not change the
absolute paths of the config. So the files go as bytes with the config. A node that already has them at the same place
(one machine, a shared disk) uses those; otherwise they are laid into a folder of its own, and paths changed.
"""

from __future__ import annotations

import atexit
import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from justtinker_core import PluginError
from justtinker_core.config import RunConfig
from justtinker_core.discovery import look_up
from justtinker_core.enabling import installed
from justtinker_core.paths import written
from justtinker_core.plugins import locate_all
from justtinker_core.scorer import judging

MOST_BYTES = 32 << 20
"""Of all files together; larger ones must be on the nodes."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A config with its files."""

    config: RunConfig
    """It enables only plugins that judge."""
    files: Mapping[str, bytes]
    """Absolute path here -> content."""
    on_path: tuple[str, ...] = ()
    """Folders of files from which Python imports here."""
    too_large: Mapping[str, int] = field(default_factory=dict)
    """Files that stay here -> bytes."""


def pack(config: RunConfig) -> Parcel:
    """Pack a config. PluginError if the file of a local plugin cannot travel."""
    config, read = located(judging(config))
    config = replace(config, local_plugins={n: r for n, r in config.local_plugins.items() if n in config.enable})
    files: dict[str, bytes] = {}
    for name, reference in config.local_plugins.items():
        path = Path(reference.rpartition(":")[0])
        try:
            add_source(path, files)
        except OSError as error:
            raise PluginError(
                f"[local_plugins] {name}: {path} cannot be sent to the nodes: {error.strerror or error}"
            ) from None
        if (size := sum(map(len, files.values()))) > MOST_BYTES:
            raise PluginError(
                f"[local_plugins] {name}: {path} cannot be sent to the nodes: with the files beside it that it names "
                f"it has {size >> 20} MiB, more than {MOST_BYTES >> 20}; make it a package and install it there"
            )
    too_large: dict[str, int] = {}
    for path in sorted(set(paths_in(read))):
        if str(path) in files:
            continue
        if path.stat().st_size + sum(map(len, files.values())) > MOST_BYTES:
            too_large[str(path)] = path.stat().st_size
        elif path.suffix == ".py":
            add_source(path, files)
        else:
            files[str(path)] = path.read_bytes()
    folders = {str(Path(path).parent) for path in files}
    on_path = {str(Path(entry or ".").resolve()) for entry in sys.path}
    return Parcel(config, files, tuple(sorted(folders & on_path)), too_large)


def add_source(path: Path, files: dict[str, bytes]) -> None:
    """Add a Python file and, in turn, the files and packages beside it that its text names."""
    if str(path) in files:
        return
    content = files[str(path)] = path.read_bytes()
    if path.suffix != ".py":
        return
    words = set(re.findall(r"[\w.-]+", content.decode("utf-8", "replace")))
    stems = {word.split(".")[0] for word in words} | {part for word in words for part in word.split(".")}
    for beside in sorted(path.parent.iterdir()):
        if beside.is_file() and (beside.name in words or (beside.suffix == ".py" and beside.stem in stems)):
            add_source(beside, files)
        elif beside.name in stems and (beside / "__init__.py").is_file():
            for inner in sorted(beside.rglob("*.py")):
                files.setdefault(str(inner), inner.read_bytes())


def located(config: RunConfig) -> tuple[RunConfig, list[Any]]:
    """Return the config with absolute paths, and what its options hold but for files to which a plugin writes.

    Such a file stays where it is: it would not be the same for long, and what is written to a copy is lost.
    """
    found, read = installed(config), []

    def locate(name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        if name not in config.enable:
            return options
        cls = look_up(name, found).load()
        options, kept = locate_all(cls, options), written(cls)
        read.append([value for key, value in options.items() if key not in kept])
        return options

    own = {name: locate(name, options) for name, options in config.plugin_options.items()}
    data = tuple(replace(spec, options=locate(spec.use, spec.options)) for spec in config.data)
    return replace(config, plugin_options=own, data=data), read


def paths_in(value: Any) -> Iterator[Path]:
    """Yield the files that texts within a value name, as ``/path`` or ``/path/file.py:name``."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from paths_in(inner)
    elif isinstance(value, str) and value.startswith("/") and "\n" not in value:
        for text in (value, value.rpartition(":")[0]):
            try:
                if Path(text).is_file():
                    yield Path(text)
                    return
            except OSError:  # too long for a path
                return


def unpack(parcel: Parcel) -> RunConfig:
    """Return the config as it holds on this machine; lay its files down if they are not here.

    PluginError if a file that was too large to travel is not here.
    """
    for path, size in parcel.too_large.items():
        if not Path(path).is_file():
            raise PluginError(
                f"{path} ({size >> 20} MiB) is too large to be sent to the nodes: put it at the same path on every one"
            )
    moved: dict[str, str] = {}
    if not all(is_here(Path(path), content) for path, content in parcel.files.items()):
        root = Path(tempfile.mkdtemp(prefix="justtinker-"))
        atexit.register(shutil.rmtree, root, ignore_errors=True)
        moved = {path: str(root / folder_of(path) / Path(path).name) for path in parcel.files}
        moved |= packages(parcel.files, root)
        for path, content in parcel.files.items():
            Path(moved[path]).parent.mkdir(parents=True, exist_ok=True)
            Path(moved[path]).write_bytes(content)
    at = {str(Path(path).parent): str(Path(moved.get(path, path)).parent) for path in sorted(parcel.files)}
    for folder in parcel.on_path:
        if at[folder] not in sys.path:
            sys.path.append(at[folder])
    return relocated(parcel.config, moved)


def packages(files: Mapping[str, bytes], root: Path) -> dict[str, str]:
    """Where the files within packages go: below the folder of the files beside the package."""
    moved = {}
    for path in files:
        top = Path(path).parent
        while str(top / "__init__.py") in files:
            top = top.parent
        if top != Path(path).parent:
            moved[path] = str(root / folder_of(str(top / "x")) / Path(path).relative_to(top))
    return moved


def folder_of(path: str) -> str:
    """A name for the folder that a path is in."""
    return hashlib.sha256(str(Path(path).parent).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def is_here(path: Path, content: bytes) -> bool:
    """Return whether a file of this content is at this path."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def relocated(config: RunConfig, moved: Mapping[str, str]) -> RunConfig:
    """Return the config with other paths."""

    def change(text: str) -> str:
        path, colon, name = text.rpartition(":")
        return moved[text] if text in moved else f"{moved[path]}{colon}{name}" if path in moved else text

    if not moved:
        return config
    return replace(
        config,
        local_plugins=everywhere(dict(config.local_plugins), change),
        plugin_options=everywhere(dict(config.plugin_options), change),
        data=tuple(replace(spec, options=everywhere(dict(spec.options), change)) for spec in config.data),
    )


def everywhere(value: Any, change: Callable[[str], str]) -> Any:
    """Change every text within a value."""
    if isinstance(value, Mapping):
        return {key: everywhere(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(everywhere(inner, change) for inner in value)
    return change(value) if isinstance(value, str) else value
