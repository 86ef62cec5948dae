"""``justtinker new KIND NAME``: write a plugin to start from, as one file or as a package. It runs as it is.

The templates in ``templates/KIND`` are real plugins; this command renames them. It overwrites nothing and changes no
config.
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
from justtinker_plugins.commands._cli.describe import example_table, plugin_option_rows

TEMPLATES = files("justtinker_plugins.commands") / "templates"
KINDS = tuple(sorted(folder.name for folder in TEMPLATES.iterdir() if (folder / "plugin.py").is_file()))
TRIAL = "justtinker train quickstart-rl --set run.steps=2 --set data.eval.held_out.limit=20"
UNTRAINED = """\
Its model is untrained, so no answer will be correct. To start from one that knows the format, run `justtinker train`
once and add --set run.start_from=DIR with the directory of its first stage, .../1-quickstart-sft."""
REPLACED = {"verifier": "math_verify", "advantage": "group_mean", "prompt": "chatml_think", "algorithm": "grpo"}
"""The quickstart's plugin that a new one replaces, for kinds of which a run has only one, or asks one first."""
DATA_KINDS = ("dataset", "environment")
PLURALS = {"curriculum": "curricula"}
"""Roles that are not called like their kind with an s."""
NO_BACKEND_TEMPLATE = (
    "there is no template for a backend: it would be too long. Start from one that works (ScriptedBackend in "
    "justtinker_core.testing has one weight and 100 lines), read what it must do (Backend in justtinker_core.types), "
    "and let it pass the tests for every backend (BackendConformance in justtinker_core.testing)"
)


@click.command()
@click.argument("kind")
@click.argument("name")
@click.option("--package", is_flag=True, help="Write a package with tests, to install and publish, not a single file.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Where to write it; default: here.",
)
def new(kind: str, name: str, package: bool, directory: Path) -> None:
    """Write a plugin of a KIND, called NAME, that runs as it is and is yours to change.

    KIND is one of verifier, reward, dataset, monitor, metric, advantage, prompt, algorithm, curriculum, reporter,
    command, environment, executor.
    """
    check_kind(kind)
    check_name(kind, name, package)
    if package:
        write_package(kind, name, directory / package_name(name))
    else:
        write_module(kind, name, directory / f"{name}.py")


def check_kind(kind: str) -> None:
    """Raise an error if there is no template of that kind."""
    if kind == "backend":
        raise PluginError(NO_BACKEND_TEMPLATE)
    if kind not in KINDS:
        raise click.UsageError(f"there is no kind of plugin called {kind!r}{nearest(kind, KINDS)}")


def check_name(kind: str, name: str, package: bool) -> None:
    """Raise a PluginError unless a plugin can have that name and none has it yet."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        better = re.sub(r"\W+", "_", snake_case(name)).strip("_")
        good = re.fullmatch("[a-z][a-z0-9_]*", better) and not keyword.iskeyword(better)
        hint = f"; try {better!r}" if good else ""
        raise PluginError(
            f"{name!r} cannot name a plugin: expected lower-case letters, digits and '_', a letter first, and no "
            f"Python keyword{hint}"
        )
    if taken := find(COMMANDS if kind == "command" else ROLES).get(name):
        raise PluginError(
            f"package {taken.package} {taken.version} already has a plugin {name!r}, one of the {taken.role}; "
            "choose another name"
        )
    if not package and not Path(f"{name}.py").exists() and find_spec(name) is not None:
        raise PluginError(f"a file {name}.py would hide the Python module {name!r}; choose another name, or --package")


def render(file: str, kind: str, name: str) -> str:
    """Read a template and put the plugin's names in it."""
    replacements = {
        "from plugin import": f"from justtinker_{name} import",
        "my_plugin:MyPlugin": f"{name}:{name if kind == 'command' else class_name(name)}",
        "justtinker-my-plugin": package_name(name),
        "MY_KIND": with_article(kind),
        "MY_ROLE": role_of(kind),
        "my_plugin": name,
        "MyPlugin": class_name(name),
    }
    text = TEMPLATES.joinpath(file).read_text(encoding="utf-8")
    for placeholder, replacement in replacements.items():
        text = text.replace(placeholder, replacement)
    return text


def role_of(kind: str) -> str:
    """``reward`` -> ``rewards``."""
    return PLURALS.get(kind, f"{kind}s")


def class_name(name: str) -> str:
    """``last_word`` -> ``LastWord``."""
    return "".join(word.capitalize() for word in name.split("_"))


def package_name(name: str) -> str:
    """``last_word`` -> ``justtinker-last-word``."""
    return f"justtinker-{name.replace('_', '-')}"


def with_article(kind: str) -> str:
    """``reward`` -> ``a reward``."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def write_new(path: Path, text: str) -> None:
    """Write a file; raise a PluginError if it exists."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise PluginError(f"{path} already exists; nothing was changed") from None


def write_module(kind: str, name: str, path: Path) -> None:
    """Write the plugin as one file, and print how to use it."""
    write_new(path, render(f"{kind}/plugin.py", kind, name))
    click.echo(f"{path} is {with_article(kind)} that works as it is.\n")
    if kind == "command":
        click.echo(f"Try it:\n\n  python {shlex.quote(str(path))} --help\n")
        click.echo(f"In a package (--package) it is `justtinker {name}`.")
        return
    reference = f"{path}:{class_name(name)}"
    click.echo(f"In a config{enable_hint(kind, name)}:\n\n{config_table(name, path)}\n")
    click.echo(f"[local_plugins]\n{name} = {json.dumps(reference)}\n")
    click.echo(f"To see its options:\n\n  justtinker plugins {shlex.quote(reference)}\n")
    click.echo(f"A short run with it (needs the extra `local`):\n\n{trial_command(kind, name, path)}\n")
    click.echo(UNTRAINED)


def enable_hint(kind: str, name: str) -> str:
    """What a config needs besides the plugin's table, in words."""
    if kind in DATA_KINDS:
        return ""
    instead = f", instead of {REPLACED[kind]} or the like" if kind in REPLACED else ""
    return f', with "{name}" in the list `enable` of [plugins]{instead}'


def config_table(name: str, path: Path) -> str:
    """The plugin's table for a config."""
    cls = load_file(f"{path}:{class_name(name)}")
    return example_table(name, cls, plugin_option_rows(cls))


def trial_command(kind: str, name: str, path: Path) -> str:
    """A command for a short run with the plugin."""
    lines = [TRIAL]
    if kind != "algorithm":
        lines.append("--set plugins.grpo.problems_per_step=8")
    lines.append("--set " + shlex.quote(f"local_plugins.{name}={path.resolve()}:{class_name(name)}"))
    if kind in DATA_KINDS:
        lines.append(f"--set data.train.use={name}")
    else:
        lines.append((f"-p no:{REPLACED[kind]} " if kind in REPLACED else "") + f"-p {name}")
    return "  " + " \\\n    ".join(lines)


def write_package(kind: str, name: str, folder: Path) -> None:
    """Write the plugin as a package, and print the first steps with it."""
    try:
        (folder / "tests").mkdir(parents=True)
    except FileExistsError:
        raise PluginError(f"{folder} already exists; nothing was changed") from None
    templates = {
        "pyproject.toml": "package/pyproject.toml",
        ".gitignore": "package/gitignore",
        f"justtinker_{name}.py": f"{kind}/plugin.py",
        f"tests/test_{name}.py": f"{kind}/test.py",
    }
    for path, template in templates.items():
        write_new(folder / path, render(template, kind, name))
    readme = render("package/README.md", kind, name)
    if kind == "command":
        readme = readme.replace(f"plugins {name}", f"{name} --help").replace("MY_USE\n", "")
    else:
        table = config_table(name, folder / f"justtinker_{name}.py")
        readme = readme.replace("MY_USE", f"In a config{enable_hint(kind, name)}:\n\n```toml\n{table}\n```\n")
    write_new(folder / "README.md", readme)
    click.echo(f"{folder} is a package:\n")
    click.echo("".join(f"  {path}\n" for path in (*templates, "README.md")))
    last = f"{name} --help" if kind == "command" else f"plugins {name}"
    steps = (f"cd {shlex.quote(str(folder))}", "pip install -e '.[dev]'", "python -m pytest", f"justtinker {last}")
    click.echo("Try it:\n\n" + "\n".join(f"  {step}" for step in steps))
