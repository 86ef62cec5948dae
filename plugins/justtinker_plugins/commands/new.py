"""``justtinker new KIND NAME``: a plugin to start from, in one file or as a package. It runs as it is made.

The templates are real plugins, in ``templates/KIND``, in which this puts another name. It overwrites nothing and changes
no config.
"""

from __future__ import annotations

import keyword
import re
import shlex
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import click

from justtinker_core.options import PluginError, nearest
from justtinker_core.plugins import COMMANDS, ROLES, find

TEMPLATES = files("justtinker_plugins.commands") / "templates"
KINDS = tuple(sorted(folder.name for folder in TEMPLATES.iterdir() if (folder / "plugin.py").is_file()))
TRY = "justtinker train quickstart-rl --set run.steps=2 --set data.eval.held_out.limit=20"
INSTEAD = {"verifier": "math_verify", "advantage": "group_mean", "prompt": "chatml_think", "algorithm": "grpo"}
"""Kinds of which a run takes one, or asks one first, and what the quickstart has in its place."""
BACKEND = """a backend is too big for a template. Start from one that works: ScriptedBackend in justtinker_core.testing
(one weight, 100 lines) or the bundled `local`; the protocol is Backend in justtinker_core/types.py, and the suite that
every backend has to pass is tests/plugins/backend_conformance.py in the source"""


@click.command()
@click.argument("kind")
@click.argument("name")
@click.option("--package", is_flag=True, help="A package with tests, to install and to publish, instead of one file.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Where to; default: here.",
)
def new(kind: str, name: str, package: bool, directory: Path) -> None:
    """Make a plugin of a KIND, called NAME, that runs as it is and is yours to change.

    KIND is one of verifier, reward, dataset, monitor, metric, advantage, prompt, algorithm, reporter, command,
    environment.
    """
    check_kind(kind)
    check_name(kind, name, package)
    if package:
        write_package(kind, name, directory / f"justtinker-{name.replace('_', '-')}")
    else:
        write_file(kind, name, directory / f"{name}.py")


def check_kind(kind: str) -> None:
    """A wrong command line if there is no template of that kind."""
    if kind == "backend":
        raise PluginError(" ".join(BACKEND.split()))
    if kind not in KINDS:
        raise click.UsageError(f"there is no kind of plugin called {kind!r}{nearest(kind, KINDS)}")


def check_name(kind: str, name: str, package: bool) -> None:
    """PluginError unless the name can be a plugin's and is nobody's yet."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        better = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).strip("_").lower()
        good = re.fullmatch("[a-z][a-z0-9_]*", better) and not keyword.iskeyword(better)
        hint = f"; take {better!r}" if good else ""
        raise PluginError(f"{name!r} is no name for a plugin: lower-case letters, digits and '_', no keyword{hint}")
    if taken := find(COMMANDS if kind == "command" else ROLES).get(name):
        raise PluginError(
            f"package {taken.package} {taken.version} has a plugin {name!r} already, one of the {taken.role}; "
            "choose another name"
        )
    if not package and not Path(f"{name}.py").exists() and find_spec(name) is not None:
        raise PluginError(f"a file {name}.py would hide the Python module {name!r}; choose another name, or --package")


def class_name(name: str) -> str:
    """``last_word`` -> ``LastWord``."""
    return "".join(part.capitalize() for part in name.split("_"))


def role_of(kind: str) -> str:
    """The entry-point group of a kind, without what comes before the dot."""
    return f"{kind}s"


def attribute_of(kind: str, name: str) -> str:
    """What the entry point refers to: commands are functions."""
    return name if kind == "command" else class_name(name)


def rendered(file: str, kind: str, name: str) -> str:
    """A template with the plugin's names in it."""
    text = TEMPLATES.joinpath(file).read_text(encoding="utf-8")
    article = "an" if kind[0] in "aeiou" else "a"
    names = {
        "from plugin import": f"from justtinker_{name} import",
        "MY_USE\n": use(kind, name) + "\n" if "MY_USE" in text else "",
        "MY_DESCRIPTION": f"The {kind} {name}." if "MY_DESCRIPTION" in text else "",
        "MY_ARTICLE": f"{article} {kind}".capitalize(),
        "MY_ROLE": role_of(kind),
        "MY-PLUGIN": name.replace("_", "-"),
        "my_plugin:MyPlugin": f"{name}:{attribute_of(kind, name)}",
        "my_plugin": name,
        "MyPlugin": class_name(name),
    }
    for old, new_name in names.items():
        text = text.replace(old, new_name)
    return text


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise PluginError(f"{path} is there already; nothing was changed") from None


def write_file(kind: str, name: str, path: Path) -> None:
    """The plugin in one file, and word of how to use it."""
    write_new(path, rendered(f"{kind}/plugin.py", kind, name))
    click.echo(f"{path} is {'an' if kind[0] in 'aeiou' else 'a'} {kind} that works as it is. ", nl=False)
    if kind == "command":
        click.echo(f"Try it:\n\n  python {shlex.quote(str(path))} --help\n")
        click.echo(f"`justtinker {name}` it is once it is in a package: make one with --package.")
        return
    reference = f"{path}:{class_name(name)}"
    click.echo(f"In your config:\n\n{use(kind, name)}\n[local_plugins]\n{name} = {toml_text(reference)}\n")
    click.echo(f"What it can be told:\n\n  justtinker plugins {shlex.quote(reference)}\n")
    click.echo(f"A run that tries it at once (extra `local`):\n\n  {trial(kind, name, path)}\n")


def toml_text(text: str) -> str:
    """A text as TOML writes it."""
    return f"'{text}'" if "\\" in text else f'"{text}"'


def use(kind: str, name: str) -> str:
    """How a config uses the plugin."""
    if kind == "command":
        return f"`justtinker {name} --help` says what it does."
    if kind in ("dataset", "environment"):
        return f'[data.train]\nuse = "{name}"\n'
    place = f" in place of {INSTEAD[kind]} or the like" if kind in INSTEAD else ""
    lines = f'# in [plugins], add "{name}" to enable{place}\n\n[plugins.{name}]  # its options\n'
    return lines + ("weight = 0.1\n" if kind == "reward" else "")


def trial(kind: str, name: str, path: Path) -> str:
    """A short run with the plugin in it."""
    local = shlex.quote(f"local_plugins.{name}={path.resolve()}:{class_name(name)}")
    if kind in ("dataset", "environment"):
        switch = f"--set data.train.use={name}"
    else:
        switch = (f"-p no:{INSTEAD[kind]} " if kind in INSTEAD else "") + f"-p {name}"
    few = "" if kind == "algorithm" else " --set plugins.grpo.problems_per_step=8"
    return f"{TRY}{few} \\\n    --set {local} {switch}"


def write_package(kind: str, name: str, folder: Path) -> None:
    """A whole package, and word of what to do with it."""
    try:
        (folder / "tests").mkdir(parents=True)
    except FileExistsError:
        raise PluginError(f"{folder} is there already; nothing was changed") from None
    parts = {
        "pyproject.toml": "package/pyproject.toml",
        "README.md": "package/README.md",
        ".gitignore": "package/gitignore",
        f"justtinker_{name}.py": f"{kind}/plugin.py",
        f"tests/test_{name}.py": f"{kind}/test.py",
    }
    for path, template in parts.items():
        write_new(folder / path, rendered(template, kind, name))
    click.echo(f"{folder} is a package with {len(parts)} files:\n")
    click.echo("".join(f"  {path}\n" for path in parts))
    last = f"{name} --help" if kind == "command" else f"plugins {name}"
    click.echo(f"Try it:\n\n  cd {shlex.quote(str(folder))}\n  pip install -e '.[dev]'\n  pytest\n  justtinker {last}")
