import json

from click.testing import CliRunner

from plugin import my_plugin


def test_each_step_has_a_block(tmp_path):
    records = [{"step": step, "metrics": {"reward": step / 4}} for step in (1, 2, 3)]
    (tmp_path / "steps.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    result = CliRunner().invoke(my_plugin, [str(tmp_path)])
    assert result.output == "reward ▁▅█ 0.25 to 0.75\n"


def test_an_unknown_metric_is_an_error(tmp_path):
    result = CliRunner().invoke(my_plugin, [str(tmp_path), "--metric", "rewrad"])
    assert "has a metric 'rewrad'; it has none" in str(result.exception)
