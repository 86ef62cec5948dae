import csv

from plugin import MyPlugin


def test_each_step_has_a_row(run_with):
    done = run_with(MyPlugin(metrics=("accuracy", "weather"), every=1), steps=2)
    with (done.dir / "my_plugin.csv").open() as file:
        head, *rows = list(csv.reader(file))
    assert head == ["step", "accuracy", "weather"]
    assert [(row[0], row[2]) for row in rows] == [("1", ""), ("2", "")]
    assert [float(row[1]) for row in rows] == [step.metrics["accuracy"] for step in done.steps]
