import json

from click.testing import CliRunner

from plugin import my_plugin


def test_a_block_a_step(tmp_path):
    records = [{"step": step, "metrics": {"reward": step / 4}} for step in (1, 2, 3)]
    (tmp_path / "steps.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    result = CliRunner().invoke(my_plugin, [str(tmp_path)])
    assert result.output == "reward ▁▅█ 0.25 to 0.75\n"


def test_a_metric_that_is_not_there(tmp_path):
    result = CliRunner().invoke(my_plugin, [str(tmp_path), "--metric", "rewrad"])
    assert "has a metric 'rewrad'; it has none" in str(result.exception)
