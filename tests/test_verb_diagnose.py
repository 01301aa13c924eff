"""`vgrad diagnose` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reporting import HOSTILE, write_run
from vgrad.compose import Request, run
from vgrad.diagnose import RULES
from vgrad.errors import ConfigError, StoreError
from vgrad.terminal import SilentView
from vgrad.verbs.diagnose import main

SICK = ("activation=sigmoid", "init=xavier_normal", "depth=12", "width=8", "steps=3", "name=sick")


@pytest.fixture
def told(capsys, monkeypatch, tmp_path):
    """What the verb prints, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def tell(*words, columns=100):
        monkeypatch.setenv("COLUMNS", str(columns))
        main(list(words))
        return capsys.readouterr().out

    return tell


def test_one_run_is_told_in_full_with_a_command_to_paste(told):
    write_run(Path("runs/one"), activation="relu", init="xavier_normal", decay=-0.3)
    text = told("runs/one")
    assert "vanishing: the gradient vanishes; δ changes by −0.3 decades a layer" in text
    assert text.splitlines()[1].startswith("20 × 64 relu · xavier_normal")
    assert "1. vanishing_gradient: layers 1 to 10, since step 0, −5.7 decades" in text
    assert "Try init=he_normal" in text
    assert "or activation=selu init=lecun_normal" in text
    (command,) = [line for line in text.splitlines() if line.startswith("  vgrad run")]
    assert "activation=relu init=he_normal" in command
    assert "momentum" not in command
    assert "  vgrad diagnose runs/one --apply-fix" in text


def test_a_run_without_findings_is_told_to_have_none(told):
    write_run(Path("runs/well"), activation="tanh", decay=-0.01, final=0.95)
    text = told("runs/well")
    assert "healthy: the gradient is healthy" in text
    assert "No rule has found anything wrong." in text
    assert "vgrad run" not in text


def test_many_runs_are_told_by_arm_and_each_finding_once(told):
    for seed in range(3):
        for init, decay in (("xavier_normal", -0.3), ("he_normal", 0.01)):
            folder = Path(f"runs/many/{init}{seed}")
            write_run(folder, activation="relu", init=init, decay=decay, final=0.9, seed=seed)
    text = told("runs/many")
    rows = [line for line in text.splitlines() if "_normal" in line and "±" in line]
    assert ["vanishing" in row for row in rows] == [False, True]
    assert text.count("\nvanishing_gradient: in 3 of 6 runs") == 1
    assert "Arms: xavier_normal" in text
    assert "Try init=he_normal" in text


def test_a_run_that_was_cut_short_is_told_to_be(told):
    write_run(Path("runs/cut/a"), status="interrupted", steps=[0, 1, 5])
    write_run(Path("runs/cut/b"), status="failed", steps=[0, 1], seed=1)
    write_run(Path("runs/cut/c"), status="killed", steps=[0, 1], seed=2)
    write_run(Path("runs/cut/d"), seed=3)
    of_all = "It was interrupted: judged by what it recorded up to step 5 of 600."
    assert of_all in told("runs/cut/a")
    assert "It failed: judged by what it recorded up to step 1" in told("runs/cut/b")
    assert "It was interrupted: judged by" in told("runs/cut/c")
    assert "judged by" not in told("runs/cut/d")
    assert "2 interrupted, 1 failed: judged by what was recorded so far." in told("runs/cut")


def test_the_accuracy_of_runs_that_diverged_counts_in_no_mean(told):
    for seed, status in enumerate(("completed", "completed", "diverged")):
        final = 0.1 if status == "diverged" else 0.9
        write_run(Path(f"runs/some/{seed}"), final=final, seed=seed, status=status)
    text = told("runs/some", columns=200)
    (row,) = [line for line in text.splitlines() if "2 vanishing, 1 diverged" in line]
    assert " 89.5 ± 0.0 " in row
    assert "1 run diverged, and counts in no mean accuracy." in text


@pytest.mark.parametrize("columns", [30, 50, 70, 90, 200])
def test_nothing_but_commands_is_wider_than_the_terminal(told, columns):
    for number, decay in enumerate((-0.3, -0.1, 0.3)):
        write_run(Path(f"runs/all/{number}"), decay=decay, depth=10 + number)
    texts = [told("runs/all", columns=columns), told("runs/all/0", columns=columns)]
    for line in "\n".join(texts).splitlines():
        assert len(line) <= columns or line.startswith("  vgrad ")


def test_the_json_document_is_that_of_the_contract(told):
    write_run(Path("runs/one"), decay=-3.0)
    write_run(Path("runs/two"), seed=1, fails_at=50, status="diverged")
    document = json.loads(told("runs", "--json"))
    assert set(document) == {"runs"}
    one, two = document["runs"]
    assert set(one) == {"run_id", "status", "verdict", "grad_decay", "findings"}
    assert set(one["grad_decay"]) == {"value", "low", "high", "r2"}
    assert (one["verdict"], two["verdict"]) == ("vanishing", "diverged")
    assert (one["status"], two["status"]) == ("completed", "diverged")
    for finding in one["findings"] + two["findings"]:
        assert set(finding) == {
            "rule", "layers", "since_step", "value", "unit", "confidence", "why", "remedies",
            "expected_by_theory",
        }  # fmt: skip
        assert finding["rule"] in RULES
        assert finding["confidence"] in ("sure", "likely", "unsure")


def test_a_threshold_is_a_setting_of_the_command(told):
    write_run(Path("runs/one"), decay=-0.3, activation="relu")
    limits = ("vanishing_gradient.decades=20", "vanishing_gradient.healthy=20")
    assert told("runs/one").startswith("runs/one\n")
    assert "healthy: the gradient is healthy" in told("runs/one", *limits)
    with pytest.raises(ConfigError, match=r"Did you mean 'dead_units\.share'"):
        told("runs/one", "dead_unit.share=0.3")


def test_the_thresholds_are_shown_with_their_sources(told):
    text = told("--thresholds", "dead_units.share=0.3")
    assert "dead_units.share=0.3" in text
    assert "arXiv:1606.05340" in text
    table = json.loads(told("--thresholds", "--json"))["thresholds"]
    assert {"name", "value", "unit", "meaning", "source"} <= set(table[0])


def test_texts_from_a_run_reach_no_terminal_as_they_are(told):
    name = "\x1b[31mred\x1b[0m [bold]not markup[/bold]"
    write_run(Path("runs/one"), written={"activation": {"name": name}, "model": {"name": HOSTILE}})
    text = told("runs/one")
    assert "\x1b" not in text
    assert "[bold]not markup[/bold]" in text


def test_no_path_or_no_run_is_said(told):
    with pytest.raises(ConfigError, match="Which runs"):
        told()
    with pytest.raises(StoreError, match="no folder"):
        told("runs/none")


def test_the_best_fix_is_run_and_compared(told):
    run(Request(SICK), SilentView)
    text = told("runs/sick", "--apply-fix")
    assert "With activation=selu init=lecun_normal:" in text
    assert "runs/sick-fix" in text
    rows = {line[:32].strip(): line[32:].split() for line in text.splitlines()}
    assert rows["verdict"] == ["vanishing", "healthy"]
    assert "final validation accuracy" in text
    before, after = (json.loads(Path(f"runs/{name}/run.json").read_text())["config"]
                     for name in ("sick", "sick-fix"))  # fmt: skip
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"activation", "init", "name"}
    assert "runs/sick-fix-2" in told("runs/sick", "--apply-fix")


def test_a_fix_with_json_prints_both_diagnoses_and_nothing_else(told):
    run(Request(SICK), SilentView)
    before, after = json.loads(told("runs/sick", "--apply-fix", "--json"))["runs"]
    assert (before["verdict"], after["verdict"]) == ("vanishing", "healthy")


def test_with_nothing_to_fix_nothing_is_run(told):
    write_run(Path("runs/well"), activation="tanh", decay=-0.01, final=0.95)
    assert "Nothing to fix" in told("runs/well", "--apply-fix")
    assert [path.name for path in Path("runs").iterdir()] == ["well"]


def test_a_fix_is_for_one_run(told):
    for number in range(2):
        write_run(Path(f"runs/all/{number}"), depth=10 + number)
    with pytest.raises(ConfigError, match="mends one run, and runs/all holds 2"):
        told("runs/all", "--apply-fix")
