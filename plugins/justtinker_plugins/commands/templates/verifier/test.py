from justtinker_core.testing import check_verifier, make_problem

from plugin import MyPlugin

PARIS = make_problem(question="Which city is the capital of France?", answer="Paris")


def test_verdicts():
    cases = [
        (PARIS, r"<think>France.</think>\boxed{Paris}", "correct"),
        (PARIS, r"\boxed{ Paris }", "correct"),
        (PARIS, r"\boxed{paris}", "incorrect"),
        (PARIS, r"\boxed{Paris} or \boxed{Rome}", "incorrect"),
        (PARIS, r"<think>\boxed{Paris}</think>", "incorrect"),
        (PARIS, r"<think>\boxed{Paris}", "incorrect"),
        (PARIS, "Paris", "incorrect"),
    ]
    check_verifier(MyPlugin(), cases)
    check_verifier(MyPlugin(ignore_case=True), [(PARIS, r"\boxed{paris}", "correct")])


def test_in_a_run(run_with):
    answers = ["Paris", r"\boxed{Paris}"]
    done = run_with(MyPlugin(), problems=[PARIS], respond=lambda prompt, index: answers[index % 2])
    assert done.status == "finished"
    assert {verdict.outcome for group in done.groups for verdict in group.verdicts} == {"correct", "incorrect"}
