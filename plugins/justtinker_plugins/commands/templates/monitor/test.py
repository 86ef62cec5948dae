from justtinker_core import History, StepStats

from plugin import MyPlugin


def findings(*accuracies, **options):
    steps = [StepStats(number, {"accuracy": value}) for number, value in enumerate(accuracies, 1)]
    return MyPlugin(**options).inspect_step(steps[-1], History(tuple(steps[:-1])))


def test_one_finding_after_patience_steps():
    assert not findings(0.0, patience=2)
    assert not findings(0.0, 0.5, 0.0, patience=2)
    [finding] = findings(0.5, 0.0, 0.0, patience=2)
    assert finding.message == "accuracy is below 0.1 for 2 steps, now 0"
    assert not findings(0.0, 0.0, 0.0, patience=2)


def test_in_a_run(run_with):
    done = run_with(MyPlugin(patience=2, level="stop"), steps=5, respond=lambda prompt, index: "no idea")
    assert done.status == "stopped"
    assert len(done.steps) == 2
