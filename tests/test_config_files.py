"""Config files of the user: composed with ours, and checked like what is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import assert_refused


def test_config_files_of_the_user_are_composed_with_ours(untrained):
    Path("mine/activation").mkdir(parents=True)
    Path("mine/activation/soft.yaml").write_text("name: elu\nalpha: 2.5\n")
    Path("mine/deep.yaml").write_text("defaults: [config, _self_]\ndepth: 77\n")
    ended = untrained("run", "--json", "--config-dir=mine", "--config-name=deep", "activation=soft")
    config = json.loads(ended.out)["config"]
    assert config["activation"] == {"name": "elu", "alpha": 2.5}
    assert config["depth"] == 77


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: ${oc.env:VGRAD_SECRET}", "name uses ${oc.env:…}"),
        ("activation: {alpha: '${oc.env:VGRAD_SECRET}'}", "activation"),
        ("hydra: {run: {dir: 'runs/${oc.env:VGRAD_SECRET}'}}", "hydra.run.dir uses ${oc.env:…}"),
        ("hydra: {job: {env_copy: [VGRAD_SECRET]}}", "hydra.job.env_copy would put"),
        ("hydra: {job: {env_set: {A: '${oc.env:VGRAD_SECRET}'}}}", "uses ${oc.env:…}"),
        ("name: ${oc.decode:'$'}", "name uses ${oc.decode:…}"),
        ("depth: abc", "depth must be a whole number"),
        ("depht: 3", "Did you mean 'depth'?"),
        ("steps: 3\nepochs: 2", "both say how long to train"),
        ("depth: [1", "while parsing a flow sequence"),
        ("activation: 3", "do not make a config"),
    ],
)
def test_a_config_file_of_the_user_is_checked_like_what_is_typed(text, says, untrained):
    Path("mine").mkdir()
    Path("mine/my.yaml").write_text(f"defaults: [config, _self_]\n{text}\n")
    assert_refused(untrained("run", "--config-dir=mine", "--config-name=my"), says)
    assert [path.name for path in Path().iterdir()] == ["mine"]


def test_a_choice_in_a_config_file_does_not_tell_what_the_environment_holds(untrained):
    Path("mine").mkdir()
    default = "override activation: ${oc.env:VGRAD_SECRET}"
    Path("mine/my.yaml").write_text(f"defaults: [config, '{default}']\n")
    assert_refused(untrained("run", "--config-dir=mine", "--config-name=my"))
    Path("mine/my.yaml").write_text(f"defaults:\n  - config\n  - {default}\n")
    assert_refused(untrained("run", "--config-dir=mine", "--config-name=my"))


def test_cfg_shows_the_config_and_runs_nothing(typed):
    shown = typed("run", "--cfg", "job", "activation=elu", "depth=3")
    assert shown.status == 0
    assert "depth: 3\n" in shown.out
    assert "name: ${activation.name}" in shown.out
    assert "hydra" not in shown.out
    assert typed("run", "--cfg", "job", "--package", "activation.alpha", "activation=elu").out == (
        "1.0\n"
    )
    assert "dir: runs/${name}" in typed("run", "--cfg", "hydra").out
    assert "runs/relu-10-" in typed("run", "--cfg", "all", "--resolve", "-p", "hydra.run").out
    assert list(Path().iterdir()) == []
