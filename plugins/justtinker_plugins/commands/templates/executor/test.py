import threading

from justtinker_core import hookimpl

from plugin import MyPlugin


class OnThread:
    @hookimpl
    def measure(self, group):
        ours = threading.current_thread().name.startswith("my_plugin")
        return {"ours": [float(ours) for _ in group.rollouts]}


def test_groups_are_judged_on_its_threads(run_with):
    done = run_with(MyPlugin(threads=2), OnThread())
    assert done.steps[0].metrics["ours"] == 1
