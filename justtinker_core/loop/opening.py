"""Open a run and close it again, whatever happens: lock, backend, data, preflight."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from functools import partial

from justtinker_core import data
from justtinker_core.answers import all_of, instance_of
from justtinker_core.enabling import check_roles, installed
from justtinker_core.errors import PluginError, all_or_none
from justtinker_core.graders import on_executor
from justtinker_core.loop.watch import watch
from justtinker_core.run import Run
from justtinker_core.scorer import Scorer
from justtinker_core.types import DataSpec, ReferenceModel

log = logging.getLogger("justtinker")

Check = Callable[[Run], None]
"""Something that a command wants checked beside the plugins' `preflight`; raises PluginError."""
Say = Callable[[str], None]
"""Is told what the run waits for from now on."""


@contextmanager
def opened(run: Run, checks: Sequence[Check] = (), say: Say = lambda what: None) -> Iterator[Run]:
    """Open the run's backend and data and run every preflight check; on leaving, call `finish_run` and close all.

    PluginError lists every complaint of backend, data and preflight. The backend comes first: if it has a complaint
    (no key), no data is loaded, as that may be a download.
    """
    run.files.lock()
    with ExitStack() as stack:
        stack.callback(run.files.unlock)
        stack.callback(close_backend, run)
        over = threading.Event()
        watcher = watch(run.plugins, lambda: run.step, over)
        stack.callback(watcher.join, 1.0)  # left alone, it could free the model while the interpreter ends: an abort
        stack.callback(over.set)
        stack.push(partial(finish, run))
        check_roles(run.config, run.plugins)
        all_or_none(partial(call, run, say) for call in (open_backend, load_data, partial(preflight, checks)))
        open_executor(run, stack)
        yield run


def finish(run: Run, kind: type[BaseException] | None, *_: object) -> None:
    """Write the last records, then call `finish_run`."""
    if kind is not None and issubclass(kind, KeyboardInterrupt):
        run.status = "interrupted"
    try:
        run.stop_background(wait=kind is None or not issubclass(kind, KeyboardInterrupt))
        run.writer.close()
        run.note_unused()
    finally:
        run.plugins.tell("finish_run", run=run, status=run.status)
        run.plugins.close()


def close_backend(run: Run) -> None:
    """Close the backend if it was opened."""
    if hasattr(run, "backend"):
        run.backend.close()


def load_data(run: Run, say: Say) -> None:
    """Load the problems of every data table, then ask which training problems to leave out."""
    found, options = installed(run.config), run.config.plugin_options

    def load(spec: DataSpec) -> None:
        say(f"loading {spec.table} ({spec.use})")
        skipped = run.skipped.setdefault(spec.table, Counter())
        problems = data.load(spec, found, options.get(spec.use, {}), skipped)
        if spec.purpose == "train":
            run.train_problems = problems
        else:
            run.eval_problems[spec.name] = problems

    all_or_none(partial(load, spec) for spec in run.config.data if run.ready)
    for name in run.plugins.who("drop_problems") if run.ready else ():
        drop(run, name, run.plugins.ask(name, "drop_problems", dict, run=run) or {})


def drop(run: Run, plugin: str, reasons: Mapping[str, str]) -> None:
    """Leave out the training problems that a plugin names."""
    known = {problem.id for problem in run.train_problems}
    if unknown := [name for name in reasons if name not in known]:
        raise PluginError(f"plugin {plugin!r} drops {unknown[0]!r}, which is not a training problem")
    run.train_problems = tuple(p for p in run.train_problems if p.id not in reasons)
    if reasons:
        run.skipped["data.train"].update(reasons.values())
        log.warning("[data.train] %s leaves out %d of %d problems", plugin, len(reasons), len(known))
    if known and not run.train_problems:
        raise PluginError(f"[data.train] plugin {plugin!r} leaves none of its {len(known)} problems")


def open_backend(run: Run, say: Say) -> None:
    """Ask the backend's plugin to open the model, and for its complaints; if it has none, set `run.ready`."""
    say(f"opening the model {run.config.run.model}")
    opener = run.plugins.who("open_backend")[0]
    backend = run.plugins.first("open_backend", run=run)
    if backend is None:
        raise PluginError(f"{opener} returned None from open_backend")
    run.backend = backend
    if opener in run.plugins.who("preflight"):
        ask_preflight(run, opener)
    run.ready = True


def ask_preflight(run: Run, plugin: str) -> None:
    """Raise one PluginError with a plugin's complaints."""
    if complaints := run.plugins.ask(plugin, "preflight", all_of(str), run=run):
        raise PluginError("\n".join(complaints))


def preflight(checks: Sequence[Check], run: Run, say: Say) -> None:
    """Run every preflight check but the backend's own, then the budget's and the command's."""
    say("checking what may prevent the run")
    who = run.plugins.who("preflight") if hasattr(run, "backend") else []
    calls: list[Callable[[], None]] = [
        partial(ask_preflight, run, name) for name in who if name not in run.plugins.who("open_backend")
    ]
    calls += [partial(check_budget, run), partial(check_reference, run), *(partial(check, run) for check in checks)]
    all_or_none(calls)


def check_budget(run: Run) -> None:
    """PluginError if the run has a budget and the backend does not know its prices."""
    if run.ready and run.config.run.budget_usd is not None and run.backend.usd({"prefill": 1}) is None:
        raise PluginError(
            "run.budget_usd is set, but the backend does not know what tokens cost: set its prices, or no budget"
        )


def check_reference(run: Run) -> None:
    """PluginError if a plugin reads what only some backends can compute."""
    readers = run.plugins.reads("reference", run.config.run.steps)
    if readers and run.ready and not isinstance(run.backend, ReferenceModel):
        raise PluginError(
            f"plugin {readers[0]!r} needs log-probabilities of the weights that the run begins with, which the backend "
            f"{run.plugins.who('open_backend')[0]!r} cannot compute (it has no reference_logprobs)"
        )


def open_executor(run: Run, stack: ExitStack) -> None:
    """Judge on the executor that a plugin gives, if one does. It is shut down before `finish_run`."""
    executor: Executor | None = run.plugins.first("grading_executor", instance_of(Executor), run=run)
    if executor is None:
        return

    def shut_down(kind: type[BaseException] | None, *_: object) -> None:
        executor.shutdown(wait=kind is None, cancel_futures=True)

    stack.push(shut_down)
    name = f"the executor of {' or '.join(run.plugins.who('grading_executor'))}"
    run.grade = on_executor(executor, name, Scorer(run.config, active=run.plugins).judge)
