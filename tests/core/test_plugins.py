"""Find, import, register and ask plugins: what can go wrong, and the errors for it."""

from __future__ import annotations

import json
import os
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Finding, PluginError, hookimpl, plugin
from justtinker_core.answers import all_of
from justtinker_core.discovery import Found, find, load_file, look_up
from justtinker_core.hookspecs import hooks_of
from justtinker_core.plugins import activate
from tests.core.conftest import Ask, Correct, Judge, Mean, Rl, ScriptedBackend, Sft, plugins_of

Site = Callable[..., Path]
GOOD = """
from justtinker_core import hookimpl, plugin
@plugin
class Polite:
    greeting: str = "hello"
    @hookimpl
    def measure(self, group):
        return {"polite": [1.0 for _ in group.rollouts]}
"""


def named(cls: type[Any], name: str = "mine") -> Any:
    return type(name, (cls,), {})()


def raises(text: str) -> Any:
    """Expect a PluginError with this whole text."""
    return pytest.raises(PluginError, match=f"^{text}$")


# Finding


def test_an_installed_package_is_found_without_importing_it(site: Site) -> None:
    site("manners", {"metrics": {"polite": "manners:Polite"}}, {"manners.py": "raise RuntimeError('imported!')"})
    assert find()["polite"] == Found("polite", "metrics", "manners:Polite", "manners", "1.0")


def test_plugins_are_listed_by_role_and_then_by_name(site: Site) -> None:
    site("many", {"reporters": {"aaa_z": "m:X", "aaa_b": "m:X"}, "algorithms": {"zzz": "m:X"}})
    names = list(find())
    assert names.index("zzz") < names.index("aaa_b") < names.index("aaa_z")


def test_a_broken_import_shows_when_it_is_loaded(site: Site) -> None:
    site("manners", {"metrics": {"polite": "manners:Polite"}}, {"manners.py": "import no_such_module"})
    found = find()["polite"]
    with raises(
        "plugin 'polite' of package manners 1.0 cannot be imported from manners:Polite: "
        "ModuleNotFoundError: No module named 'no_such_module'"
    ):
        found.load()


def test_a_missing_class_is_named(site: Site) -> None:
    site("kind", {"metrics": {"kindly": "kind_module:Missing"}}, {"kind_module.py": ""})
    with pytest.raises(PluginError, match=r"^plugin 'kindly' of package kind 1.0 cannot be imported from kind_module"):
        find()["kindly"].load()


@pytest.mark.parametrize("roles", [("metrics", "metrics"), ("metrics", "rewards")])
def test_two_packages_with_one_name_are_both_named(site: Site, roles: tuple[str, str]) -> None:
    site("first", {roles[0]: {"polite": "first:Polite"}})
    site("second", {roles[1]: {"polite": "second:Polite"}})
    with pytest.raises(PluginError) as error:
        find()["polite"].load()
    text = str(error.value)
    assert text.startswith("two packages have a plugin called 'polite': ")
    assert text.endswith("; uninstall one of them")
    assert {"first", "second"} <= set(re.findall(r"\w+", text))


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with raises(
        r"no plugin called 'chatml_thing'; did you mean 'chatml_think'\? "
        r"\(if it is new, reinstall its package, or name its file under \[local_plugins\]\)"
    ):
        look_up("chatml_thing", find())


def test_an_unknown_name_far_from_all_gets_the_list() -> None:
    known = {n: Found(n, "metrics", "", "", "") for n in ("beta", "alpha")}
    with pytest.raises(PluginError, match="no plugin called 'zzzz'; known: alpha, beta"):
        look_up("zzzz", known)
    with pytest.raises(PluginError, match="no plugin called 'zzzz'; there are none"):
        look_up("zzzz", {})


def test_installed_is_not_active(site: Site) -> None:
    """A run does not see a plugin that it does not name, however broken it is."""
    from justtinker_core.config_files import read
    from justtinker_core.enabling import open_plugins

    active = list(open_plugins(read("quickstart-sft")).active)
    boom = {"boom.py": "raise RuntimeError('imported!')"}
    site("boom", {"rewards": {"boom": "boom:Boom"}, "reporters": {"bang": "boom:Bang"}}, boom)
    site("boom2", {"rewards": {"boom": "nowhere:Boom"}})
    assert list(open_plugins(read("quickstart-sft")).active) == active
    assert "boom" not in sys.modules


# Local files


def local(folder: Path, text: str, name: str = "Polite") -> Found:
    (folder / "local.py").write_text(text)
    return Found("polite", "local", f"{folder / 'local.py'}:{name}", "local file", "")


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_a_plugin_from_one_file(tmp_path: Path, future: str) -> None:
    active = activate(local(tmp_path, future + GOOD), {"greeting": "hi"})
    assert active.instance.greeting == "hi"
    assert active.dump() == {"greeting": "hi"}


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("local.py", "expected a local plugin as 'file.py:Class', got 'local.py'"),
        ("nowhere.py:X", "there is no file nowhere.py for the local plugin X; there are none"),
    ],
)
def test_a_local_plugin_that_is_not_there(reference: str, text: str) -> None:
    with raises(re.escape(text)):
        load_file(reference)


def test_a_local_plugin_that_is_no_python_file(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("")
    with raises(re.escape(f"{file} is not a Python file")):
        load_file(f"{file}:X")


def test_a_local_class_that_is_not_there_gets_the_nearest_name(tmp_path: Path) -> None:
    found = local(tmp_path, GOOD, "Polit")
    with raises(re.escape(f"{tmp_path / 'local.py'} has no 'Polit'; did you mean 'Polite'?")):
        found.load()


def test_a_local_file_with_a_mistake_in_it(tmp_path: Path) -> None:
    with raises(
        re.escape(f"plugin 'polite' cannot be imported from {tmp_path / 'local.py'}:Polite: SyntaxError: ") + ".*"
    ):
        local(tmp_path, "def (").load()


# Setting up


def test_what_is_no_class_is_no_plugin(tmp_path: Path) -> None:
    found = local(tmp_path, "thing = 3", "thing")
    with raises(re.escape(f"plugin 'polite' ({found.value}) is not a class")):
        activate(found, {})


def test_options_are_those_of_its_table(tmp_path: Path) -> None:
    with raises(r"\[plugins.polite\] has no option 'greting'; did you mean 'greeting'\?"):
        activate(local(tmp_path, GOOD), {"greting": "hi"})
    with raises(r"\[data.train\] has no option 'x'; known: greeting"):
        activate(local(tmp_path, GOOD), {"x": 1}, "data.train")


def test_a_plugin_that_fails_while_it_is_set_up(tmp_path: Path) -> None:
    text = GOOD + "    def __post_init__(self):\n        raise OSError('no manners')\n"
    with raises(r"plugin 'polite' cannot be set up from \[plugins.polite\]: no manners"):
        activate(local(tmp_path, text), {})


def test_a_wrong_value_found_by_the_plugin_itself(tmp_path: Path) -> None:
    text = GOOD + "    def __post_init__(self):\n        raise ValueError('greeting must rhyme')\n"
    with raises(r"\[plugins.polite\] greeting must rhyme"):
        activate(local(tmp_path, text), {})


def test_a_plain_class_without_options_is_a_plugin(tmp_path: Path) -> None:
    plain = "from justtinker_core import hookimpl\nclass Polite:\n    @hookimpl\n    def measure(self): return {}\n"
    assert activate(local(tmp_path, plain), {}).dump() == {}
    with raises(r"\[plugins.polite\] has no option 'x'; there are none"):
        activate(local(tmp_path, plain), {"x": 1})


# Registering


def test_a_plugin_without_hooks() -> None:
    class Empty:
        pass

    with raises(r"plugin 'empty' \(.*test_plugins:Empty\): it has no method marked @hookimpl"):
        plugins_of(Empty())


@pytest.mark.parametrize("alone", [True, False])
def test_a_misspelt_hook(alone: bool) -> None:
    class Typo:
        @hookimpl
        def mesure(self, group: Any) -> None: ...

    class Half(Typo):
        @hookimpl
        def score(self, group: Any) -> None: ...

    with pytest.raises(
        PluginError, match=r"^plugin '\w+' \(.*\): no hook is called 'mesure'; did you mean 'measure'\?$"
    ):
        plugins_of(Typo() if alone else Half())


def test_a_hook_with_an_argument_that_the_question_does_not_have() -> None:
    class Curious:
        @hookimpl
        def inspect_step(self, groups: Any, weather: Any, *, stat: Any, mood: str = "good") -> None: ...

        @hookimpl
        def measure(self, groop: Any) -> None: ...

    who = r"plugin 'curious' \(.*\): "
    with raises(
        rf"{who}inspect_step has no argument 'weather'; known: groups, history, stats\n"
        rf"{who}inspect_step has no argument 'stat'; did you mean 'stats'\?\n"
        rf"{who}measure has no argument 'groop'; did you mean 'group'\?"
    ):
        plugins_of(Curious())


def test_a_hook_of_another_version_may_be_there() -> None:
    class Ahead:
        @hookimpl(optionalhook=True)
        def foresee(self, step: Any) -> None: ...

        @hookimpl
        def measure(self) -> Any:
            return {}

    assert plugins_of(Ahead()).who("measure") == ["ahead"]


def test_a_coroutine() -> None:
    class Later:
        @hookimpl
        async def advantages(self, group: Any) -> None: ...

    with raises(r"plugin 'later' \(.*\): advantages is a coroutine; only verify, measure and score may be one"):
        plugins_of(Later())


def test_an_asynchronous_generator() -> None:
    class Later:
        @hookimpl
        async def verify(self, problem: Any) -> Any:
            yield

    text = r"plugin 'later' \(.*\): verify is an asynchronous generator; return the answer instead of yielding"
    with raises(text):
        plugins_of(Later())


@pytest.mark.parametrize("most", [-1, None, "4"])
def test_a_limit_that_is_no_number(most: Any) -> None:
    class Later:
        concurrency = most

        @hookimpl
        async def verify(self, problem: Any) -> Any: ...

    with raises(rf"plugin 'later' \(.*\): concurrency: expected a number of calls, or 0 for no limit, got {most!r}"):
        plugins_of(Later())


@pytest.mark.parametrize("kind", ["wrapper", "hookwrapper"])
def test_a_wrapper(kind: str) -> None:
    def measure(self: Any, group: Any) -> Any:
        yield

    odd = type(
        "Odd", (), {"measure": hookimpl(wrapper=kind == "wrapper", hookwrapper=kind == "hookwrapper")(measure)}
    )()
    with raises(r"plugin 'odd' \(.*\): measure is a wrapper; hooks are asked one by one, so none can wrap"):
        plugins_of(odd)


# Asking


class Say:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def build_prompt(self, problem: Any) -> Any:
        return self.answer(problem) if callable(self.answer) else self.answer


def people(*answers: Any) -> Any:
    return plugins_of(*(type(f"P{i}", (Say,), {})(answer) for i, answer in enumerate(answers)))


def test_the_order_of_the_config_is_the_order_of_the_calls() -> None:
    asked: list[str] = []

    def note(name: str) -> Callable[[Any], None]:
        return lambda problem: asked.append(name)

    plugins = people(note("a"), note("b"), note("c"))
    assert plugins.who("build_prompt") == ["p0", "p1", "p2"]
    assert plugins.first("build_prompt", problem=None) is None
    assert asked == ["a", "b", "c"]


def test_the_first_answer_ends_the_asking() -> None:
    plugins = people(None, "yes", lambda problem: 1 / 0)
    assert plugins.first("build_prompt", problem=None) == "yes"


def test_false_and_zero_are_answers() -> None:
    assert people(0, "yes").first("build_prompt", problem=None) == 0


def test_arguments_that_a_plugin_does_not_need_are_left_out() -> None:
    class Modest:
        @hookimpl
        def verify(self, rollouts: Any) -> Any:
            return rollouts

    assert plugins_of(Modest()).first("verify", problem=1, rollouts=2) == 2


def test_a_failure_names_plugin_hook_and_line() -> None:
    with raises(
        r"plugin 'p0' \(under test\) failed in build_prompt at test_plugins.py:\d+: ZeroDivisionError: division by zero"
    ):
        people(lambda problem: 1 / 0).first("build_prompt", problem=None)


def test_a_failure_elsewhere_names_the_last_line_of_the_plugin_and_the_one_that_gave_up() -> None:
    with raises(
        r"plugin 'p0' \(under test\) failed in build_prompt at test_plugins.py:\d+ \(in decoder.py:\d+\): "
        r"JSONDecodeError: Expecting value: line 1 column 1 \(char 0\)"
    ):
        people(lambda problem: json.loads("four")).first("build_prompt", problem=None)


def test_an_answer_that_is_refused_has_no_line_of_its_own() -> None:
    with raises(r"plugin 'p0' \(under test\) failed in build_prompt: TypeError: expected a list of str, got 4"):
        people(4).first("build_prompt", all_of(str), problem=None)


def test_a_plugin_error_says_it_itself() -> None:
    def complain(problem: Any) -> None:
        raise PluginError("[data.train] the third line is empty")

    with raises(r"\[data.train\] the third line is empty"):
        people(complain).first("build_prompt", problem=None)


def test_an_observer_that_fails_is_survived_and_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy:
        @hookimpl
        def report_progress(self, stage: str) -> None:
            raise ValueError(stage)

    plugins = plugins_of(Clumsy())
    for _ in range(3):
        plugins.tell("report_progress", stage="sample", done=1, total=2)
    [record] = caplog.records
    assert re.fullmatch(
        r"plugin 'clumsy' \(under test\) failed in report_progress at test_plugins.py:\d+: ValueError: sample "
        r"\(logged once; the run goes on\)",
        record.message,
    )


# Roles


def test_no_plugin_for_a_role() -> None:
    with pytest.raises(PluginError) as error:
        plugins_of(Ask()).require("verify", "the evaluation")
    text = str(error.value)
    assert text.startswith(
        "no active plugin implements verify, which the evaluation needs; enable one of the verifiers: "
    )
    assert "math_verify" in text


def test_no_plugin_for_a_hook_without_a_role() -> None:
    with raises("no active plugin implements rollout, which the algorithm 'mine' needs; enable one"):
        plugins_of(Ask()).require("rollout", "the algorithm 'mine'")


def test_two_for_a_role_that_takes_one() -> None:
    plugins = plugins_of(Rl(), Sft())
    with raises(
        "expected one plugin to implement collect_batch, got rl and sft; disable the others, e.g. with -p no:rl"
    ):
        plugins.require("collect_batch", "training")


def test_several_for_a_role_that_takes_any() -> None:
    plugins_of(Judge(), named(Judge, "other")).require("verify", "the evaluation")


def test_a_class_says_its_hooks_in_the_order_of_the_calls() -> None:
    class Both(Mean, Correct, Ask):
        pass

    assert hooks_of(Both) == ["build_prompt", "score", "advantages"]
    assert hooks_of(ScriptedBackend) == ["open_backend"]


def test_a_findings_source_is_filled_in_by_core() -> None:
    assert Finding("info", "x").source == ""


def test_the_decorated_class_keeps_its_identity() -> None:
    @plugin
    class Set:
        x: int = 1

    assert Set() != Set(), "plugins are compared by identity"
    assert len({Set(), Set()}) == 2


def test_files_of_one_name_in_two_folders_do_not_replace_each_other(tmp_path: Path) -> None:
    classes = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "namesake.py"
        file.write_text("class Mine:\n    pass\n")
        classes.append(load_file(f"{file}:Mine"))
    assert [c.__module__ for c in classes] == ["justtinker_local_namesake", "justtinker_local_namesake_2"]
    for mine in classes:
        assert type(pickle.loads(pickle.dumps(mine()))) is mine


def test_plugins_of_one_file_share_it_until_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "two.py"
    file.write_text("seen = []\nclass One:\n    pass\nclass Other:\n    pass\n")
    one, other = load_file(f"{file}:One"), load_file(f"{file}:Other")
    assert sys.modules[one.__module__] is sys.modules[other.__module__]
    assert load_file(f"{file}:One") is one
    file.write_text("class One:\n    changed = True\n")
    os.utime(file, ns=(1, 1))
    assert load_file(f"{file}:One").changed
