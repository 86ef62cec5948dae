"""Where the relative paths of a config begin: at its folder, or for ``--set`` at the working directory.

The tables of a config do not say which of their texts are paths; only the class that declares an option does. So a text
carries where it comes from, until the class is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any


class Text(str):
    """A text of a config, which knows the folder in which a relative path begins."""

    base: Path


@dataclass(frozen=True, slots=True)
class PathIfThere:
    """Marks an option of type `str` that is a path if something lies there, and else a name."""

    holds: tuple[str, ...] = ()
    """Patterns; a path must be a file that matches one of them, or a directory with such a file."""

    def fits(self, path: Path) -> bool:
        """Return whether there is what a path would lead to."""
        if path.is_file():
            return not self.holds or any(map(path.match, self.holds))
        return any(any(path.glob(pattern)) for pattern in self.holds) if self.holds else path.exists()


@dataclass(frozen=True, slots=True)
class Written:
    """Marks an option of type `Path` to which the plugin writes, such as a cache: nobody sends that file elsewhere."""


NameOrPath = Annotated[str, PathIfThere()]
"""The type of an option that is the name of something, or a path if something lies there."""


def with_base(value: Any, base: Path) -> Any:
    """Let every text in a value of a config begin its path at `base`, but those that begin elsewhere already."""
    if isinstance(value, dict):
        return {key: with_base(inner, base) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_base(inner, base) for inner in value]
    if isinstance(value, str) and not isinstance(value, Text):
        value = Text(value)
        value.base = base
    return value


def locate(cls: type[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a class with absolute paths: those of type `Path`, and names that are paths."""
    found = dict(options)
    for name, field in getattr(cls, "__pydantic_fields__", {}).items():
        key = field.alias or name
        mark = next((each for each in marks_of(field) if isinstance(each, PathIfThere)), None)
        if key in found and (mark or "Path" in str(field.annotation)):
            found[key] = absolute(found[key], mark)
    return found


def written(cls: type[Any]) -> set[str]:
    """Return the keys of a class's options that are marked `Written`."""
    fields = getattr(cls, "__pydantic_fields__", {})
    return {
        field.alias or name
        for name, field in fields.items()
        if any(isinstance(mark, Written) for mark in marks_of(field))
    }


def marks_of(field: Any) -> Iterator[Any]:
    """Yield the marks of an option, those within a type such as ``NameOrPath | None`` included."""
    yield from field.metadata
    for part in getattr(field.annotation, "__args__", ()):
        yield from getattr(part, "__metadata__", ())


def absolute(value: Any, mark: PathIfThere | None) -> Any:
    """Return the paths in a value as absolute ones. Addresses (``tinker://``) and texts of unknown origin stay.

    A file with weights may lie where we are, too.
    """
    if isinstance(value, list):
        return [absolute(inner, mark) for inner in value]
    if not isinstance(value, Text) or "://" in value:
        return value
    path = Path(os.path.abspath(value.base.resolve() / os.path.expanduser(value)))  # "~nobody" stays
    here = Path(value).absolute()  # a preset has no folder into which anybody puts a file
    if mark is not None and mark.holds and here.is_file() and mark.fits(here) and not mark.fits(path):
        return str(here)
    return str(path) if mark is None or mark.fits(path) else str(value)
