"""``justtinker new KIND NAME``: a plugin to start from, in one file or as a package. It runs as it is made.

The templates are real plugins, in ``templates/KIND``, in which this puts another name. It overwrites nothing and
changes no config.
"""

from __future__ import annotations

import json
import keyword
import re
import shlex
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import click

from justtinker_core.discovery import COMMANDS, ROLES, find, load_file, snake_case
from justtinker_core.errors import PluginError, nearest
from justtinker_plugins.commands._cli.describe import described_plugin, example

TEMPLATES = files("justtinker_plugins.commands") / "templates"
KINDS = tuple(sorted(folder.name for folder in TEMPLATES.iterdir() if (folder / "plugin.py").is_file()))
TRY = "justtinker train quickstart-rl --set run.steps=2 --set data.eval.held_out.limit=20"
UNTRAINED = """\
Its model is untrained, so no answer will be correct. To begin with one that knows the form, run `justtinker train` once
and add --set run.start_from=DIR with the directory of its first stage, .../1-quickstart-sft."""
INSTEAD = {"verifier": "math_verify", "advantage": "group_mean", "prompt": "chatml_think", "algorithm": "grpo"}
"""Kinds of which a run takes one, or asks one first, and what the quickstart has in its place."""
DATA = ("dataset", "environment")
BACKEND = (
    "a backend is too big for a template. Start from one that works (ScriptedBackend in justtinker_core.testing has "
    "one weight and 100 lines), read what it has to do (Backend in justtinker_core.types), and let it pass what every "
    "backend has to pass (BackendConformance in justtinker_core.testing)"
)


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
    environment, executor.
    """
    check_kind(kind)
    check_name(kind, name, package)
    if package:
        write_package(kind, name, directory / package_name(name))
    else:
        write_file(kind, name, directory / f"{name}.py")


def check_kind(kind: str) -> None:
    """A wrong command line if there is no template of that kind."""
    if kind == "backend":
        raise PluginError(BACKEND)
    if kind not in KINDS:
        raise click.UsageError(f"there is no kind of plugin called {kind!r}{nearest(kind, KINDS)}")


def check_name(kind: str, name: str, package: bool) -> None:
    """PluginError unless the name can be a plugin's and is nobody's yet."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        better = re.sub(r"\W+", "_", snake_case(name)).strip("_")
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


def rendered(file: str, kind: str, name: str) -> str:
    """A template with the plugin's names in it."""
    names = {
        "from plugin import": f"from justtinker_{name} import",
        "my_plugin:MyPlugin": f"{name}:{name if kind == 'command' else class_name(name)}",
        "justtinker-my-plugin": package_name(name),
        "MY_KIND": with_article(kind),
        "MY_ROLE": f"{kind}s",
        "my_plugin": name,
        "MyPlugin": class_name(name),
    }
    text = TEMPLATES.joinpath(file).read_text(encoding="utf-8")
    for old, mine in names.items():
        text = text.replace(old, mine)
    return text


def class_name(name: str) -> str:
    """``last_word`` -> ``LastWord``."""
    return "".join(part.capitalize() for part in name.split("_"))


def package_name(name: str) -> str:
    """``last_word`` -> ``justtinker-last-word``."""
    return f"justtinker-{name.replace('_', '-')}"


def with_article(kind: str) -> str:
    """``reward`` -> ``a reward``."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


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
    click.echo(f"{path} is {with_article(kind)} that works as it is.\n")
    if kind == "command":
        click.echo(f"Try it:\n\n  python {shlex.quote(str(path))} --help\n")
        click.echo(f"In a package (--package) it is `justtinker {name}`.")
        return
    reference = f"{path}:{class_name(name)}"
    click.echo(f"In a config{of_use(kind, name)}:\n\n{table_of(name, path)}\n")
    click.echo(f"[local_plugins]\n{name} = {json.dumps(reference)}\n")
    click.echo(f"Its options in words:\n\n  justtinker plugins {shlex.quote(reference)}\n")
    click.echo(f"A short run with it (extra `local`):\n\n{trial(kind, name, path)}\n")
    click.echo(UNTRAINED)


def of_use(kind: str, name: str) -> str:
    """What a config must say besides the plugin's table."""
    if kind in DATA:
        return ""
    place = f", in place of {INSTEAD[kind]} or the like" if kind in INSTEAD else ""
    return f', with "{name}" in the list `enable` of [plugins]{place}'


def table_of(name: str, path: Path) -> str:
    """The plugin's table for a config."""
    cls = load_file(f"{path}:{class_name(name)}")
    return example(name, cls, described_plugin(cls))


def trial(kind: str, name: str, path: Path) -> str:
    """A short run with the plugin in it, as a command."""
    lines = [TRY]
    if kind != "algorithm":
        lines.append("--set plugins.grpo.problems_per_step=8")
    lines.append("--set " + shlex.quote(f"local_plugins.{name}={path.resolve()}:{class_name(name)}"))
    if kind in DATA:
        lines.append(f"--set data.train.use={name}")
    else:
        lines.append((f"-p no:{INSTEAD[kind]} " if kind in INSTEAD else "") + f"-p {name}")
    return "  " + " \\\n    ".join(lines)


def write_package(kind: str, name: str, folder: Path) -> None:
    """A whole package, and word of what to do with it."""
    try:
        (folder / "tests").mkdir(parents=True)
    except FileExistsError:
        raise PluginError(f"{folder} is there already; nothing was changed") from None
    parts = {
        "pyproject.toml": "package/pyproject.toml",
        ".gitignore": "package/gitignore",
        f"justtinker_{name}.py": f"{kind}/plugin.py",
        f"tests/test_{name}.py": f"{kind}/test.py",
    }
    for path, template in parts.items():
        write_new(folder / path, rendered(template, kind, name))
    readme = rendered("package/README.md", kind, name)
    if kind == "command":
        readme = readme.replace(f"plugins {name}", f"{name} --help").replace("MY_USE\n", "")
    else:
        table = table_of(name, folder / f"justtinker_{name}.py")
        readme = readme.replace("MY_USE", f"In a config{of_use(kind, name)}:\n\n```toml\n{table}\n```\n")
    write_new(folder / "README.md", readme)
    click.echo(f"{folder} is a package:\n")
    click.echo("".join(f"  {path}\n" for path in (*parts, "README.md")))
    last = f"{name} --help" if kind == "command" else f"plugins {name}"
    steps = (f"cd {shlex.quote(str(folder))}", "pip install -e '.[dev]'", "python -m pytest", f"justtinker {last}")
    click.echo("Try it:\n\n" + "\n".join(f"  {step}" for step in steps))
