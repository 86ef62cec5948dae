"""Write docs/plugins/hooks.md from hookspecs.py and the types that hooks are given: ``python docs/hooks.py``.

A test checks that the page is current, and that every example is a plugin that the core accepts.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from justtinker_core import contexts, hookspecs, types
from justtinker_core.discovery import find
from justtinker_core.hookspecs import implements

HOOKS = {name: spec for name, spec in vars(hookspecs).items() if hasattr(spec, "justtinker_spec")}
TYPES = {
    types: ["Problem", "Prompt", "Rollout", "Verdict", "Reward", "Group", "Batch", "Update", "Datum", "StepStats",
            "EvalStats", "History", "Finding", "Backend", "Sampler", "SampleRequest", "Sample", "TrainResult", "Adam",
            "LossChecker", "ReferenceModel", "DataSpec"],
    contexts: ["RunContext", "Policy"],
    hookspecs: ["PluginAttributes"],
}  # fmt: skip
"""The types that the page lists below the hooks, field by field."""
EXAMPLES = {
    "load_problems": """
        def load_problems(self, spec, seed):
            for n in range(100):
                yield Problem(id=f"{n}", question=f"{n}+1=?", answer=f"{n + 1}")
    """,
    "drop_problems": """
        def drop_problems(self, run):
            return {p.id: "has a picture" for p in run.train_problems if "[asy]" in p.question}
    """,
    "open_backend": """
        def open_backend(self, run):
            return MyBackend(run.config.run.model)
    """,
    "preflight": """
        def preflight(self, run):
            return [] if shutil.which("lean") else ["lean is not installed: see https://lean-lang.org"]
    """,
    "grading_executor": """
        def grading_executor(self, run):
            return ThreadPoolExecutor(32)
    """,
    "build_prompt": """
        def build_prompt(self, problem):
            return [{"role": "user", "content": problem.question}]
    """,
    "collect_batch": """
        def collect_batch(self, step, run):
            groups = run.rollouts(step, run.draw_problems(step, 32), n=8)
            groups = tuple(run.credit(group) for group in groups)
            return Batch(groups, (Update(data_of(groups), "importance_sampling"),))
    """,
    "draw_problems": """
        def draw_problems(self, step, n, drawn, run):
            left = [problem for problem in run.train_problems if problem not in drawn]
            easy_first = sorted(left, key=lambda problem: len(problem.question))
            return run.draw(step, n, easy_first[: max(n, 100 * step)])
    """,
    "expect_tokens": """
        def expect_tokens(self, run, response):
            return {"sampled": 32 * 8 * response}
    """,
    "rollout": """
        def rollout(self, problem, prompt, policy):
            while "<tool>" in policy.generate(stop=("</tool>",)) and not policy.truncated:
                policy.observe("<result>42</result>")
            return policy.rollout()
    """,
    "verify": """
        def verify(self, problem, rollouts):
            return [Verdict("correct" if r.text.endswith(problem.answer) else "incorrect") for r in rollouts]
    """,
    "measure": """
        def measure(self, group):
            return {"lines": [float(rollout.text.count("\\n")) for rollout in group.rollouts]}
    """,
    "score": """
        def score(self, group):
            return {"polite": [float("please" in rollout.text) for rollout in group.rollouts]}
    """,
    "report_progress": """
        def report_progress(self, stage, done, total):
            print(f"{stage} {done}/{total}", end="\\r")
    """,
    "advantages": """
        def advantages(self, group):
            best = max(reward.total for reward in group.rewards)
            return [reward.total - best for reward in group.rewards]
    """,
    "keep_group": """
        def keep_group(self, group):
            return len({reward.total for reward in group.rewards}) > 1
    """,
    "inspect_step": """
        def inspect_step(self, stats, history):
            if stats.metrics["accuracy"] == 0:
                return [Finding("warn", "nothing was right", {"step": stats.step})]
    """,
    "report_step": """
        def report_step(self, run, stats, findings):
            print(stats.step, stats.metrics["reward"], *[finding.message for finding in findings])
    """,
    "report_eval": """
        def report_eval(self, run, stats):
            print(f"{stats.name} at step {stats.step}: {stats.metrics['accuracy']:.1%}")
    """,
    "finish_run": """
        def finish_run(self, run, status):
            print(run.dir, status)
    """,
}


def page() -> str:
    """The whole page."""
    intro = textwrap.dedent(inspect.getdoc(hookspecs) or "").replace("``", "`")
    parts = [
        "# Hooks\n\nMade by `python docs/hooks.py` from [hookspecs.py](../../justtinker_core/hookspecs.py).\n",
        intro.partition("\n\n")[2] + "\n",
        "A coroutine that computes, or that waits without `await` (`time.sleep`, a plain HTTP client), holds up all "
        "others: `await asyncio.to_thread(...)` is for that. The cookbook has [a verifier that asks a "
        "server](cookbook.md#proof_server-a-verifier-that-asks-a-server-of-your-own-and-waits-as-a-coroutine).\n",
        "A plugin may implement any hook, whatever its entry-point group: a reward may also measure, or report "
        "problems in preflight.\n",
        "| hook | who answers | bundled plugins |\n|---|---|---|",
        *(f"| [`{hook}`](#{hook}) | {who_answers(hook)} | {', '.join(bundled(hook)) or '-'} |" for hook in HOOKS),
        "",
        *(section(hook) for hook in HOOKS),
        "# Types\n\nThe arguments and return values of hooks, from [types.py](../../justtinker_core/types.py), and at "
        "the end what a hook may use of the core. The data is frozen: a stage returns a copy, `replace(group, ...)`.\n",
        *(type_section(module, name) for module, names in TYPES.items() for name in names),
    ]
    return "\n".join(parts)


def who_answers(hook: str) -> str:
    """The first sentence of its docstring, without the rest."""
    doc = (HOOKS[hook].__doc__ or "").replace("``", "`").strip()
    return re.split(r"[.,:] ", f"{doc} ")[0].rstrip(".")


def bundled(hook: str) -> list[str]:
    """The plugins of this package that implement a hook."""
    return [f"`{f.name}`" for f in find().values() if f.package == "justtinker" and implements(f.load(), hook)]


def section(hook: str) -> str:
    """One hook: signature, what it says, types, an example, who implements it."""
    arguments = ", ".join(map(str, inspect.signature(HOOKS[hook]).parameters.values()))
    answer = HOOKS[hook].__annotations__["return"]
    doc = (inspect.getdoc(HOOKS[hook]) or "").replace("``", "`")
    used = [
        f"[`{name}`](#{name.lower()}-type)" for name in known_types() if re.search(rf"\b{name}\b", arguments + answer)
    ]
    who = ", ".join(bundled(hook))
    ends = [f"Types: {', '.join(used)}."] if used else []
    ends.append(f"Bundled: {who}." if who else "No bundled plugin uses it.")
    return "\n".join(
        [
            f"## {hook}\n\n```python\n{hook}({arguments.replace(chr(39), '')}) -> {answer}\n```\n\n{doc}\n",
            f"```python\n@hookimpl\n{textwrap.dedent(EXAMPLES[hook]).strip()}\n```\n",
            " ".join(ends) + "\n",
        ]
    )


def known_types() -> list[str]:
    """All that have a section."""
    return [name for names in TYPES.values() for name in names]


def type_section(module: ModuleType, name: str) -> str:
    """One class: its docstring, and its fields and methods with theirs."""
    tree = ast.parse(inspect.getsource(module))
    node = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    lines = [f"## {name} (type)\n\n{(ast.get_docstring(node) or '').replace('``', '`')}\n"]
    lines += [f"- `{what}`{': ' + ' '.join(said.split()) if said else ''}" for what, said in members(node)]
    return "\n".join(lines).replace("``", "`") + "\n"


def members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Public fields, properties and methods of a class, and what is said of them."""
    for member, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            own = member.target.id
            said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            default = (
                f" = {ast.unparse(member.value)}" if member.value and "field(" not in ast.unparse(member.value) else ""
            )
            text = f"{own}: {ast.unparse(member.annotation)}{default}"
        elif isinstance(member, ast.FunctionDef):
            own, said = member.name, ast.get_docstring(member) or ""
            simple = any(isinstance(d, ast.Name) and d.id == "property" for d in member.decorator_list)
            arguments = ast.unparse(member.args).removeprefix("self").removeprefix(", ").removeprefix("/, ")
            answer = ast.unparse(member.returns) if member.returns else "None"
            text = f"{own}: {answer}" if simple else f"{own}({arguments}) -> {answer}"
        else:
            continue
        if not own.startswith("_"):
            yield text, str(said)


if __name__ == "__main__":
    (Path(__file__).parent / "plugins" / "hooks.md").write_text(page(), encoding="utf-8")
