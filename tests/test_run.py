"""`vgrad run` as a person types it: what it leaves, where, and what it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import SMALL, vgrad
from vgrad import check
from vgrad.config import REGISTRIES
from vgrad.store import read_run


def test_a_run_leaves_its_files_in_a_folder_named_for_its_config(typed):
    ended = typed("run", "activation=selu", *SMALL)
    assert ended.status == 0
    (folder,) = Path("runs").iterdir()
    run = read_run(folder)
    assert folder.name == f"selu-2-{run.run_id[:6]}"
    assert (run.status, run.config["depth"], run.config["name"]) == ("completed", 2, folder.name)
    assert (folder / ".hydra/config.yaml").exists()
    assert str(folder) in ended.out
    assert ended.err == ""
    assert "init=matched stands for lecun_normal here.\n" in ended.out


def test_the_same_command_goes_to_the_same_folder_and_replaces_what_was_there(typed):
    first, second = (typed("run", "--json", "seed=3", *SMALL) for _ in range(2))
    assert [json.loads(first.out)["path"]] == [str(path) for path in Path("runs").iterdir()]
    assert json.loads(first.out)["run_id"] == json.loads(second.out)["run_id"]


def test_json_is_one_document_on_standard_output_and_the_rest_goes_to_standard_error(typed):
    ended = typed("run", "--json", "name=here", "optimizer.lr=1e30", *SMALL)
    document = json.loads(ended.out, parse_constant=pytest.fail)
    assert ended.status == 0
    assert {"run_id", "status", "config", "summary", "timings", "path"} <= document.keys()
    assert document["path"] == "runs/here"
    assert document["config"]["optimizer"]["lr"] == 1e30
    assert document["status"] == "diverged"
    assert "runs/here" in ended.err


def test_a_run_in_a_process_of_its_own_works_as_typed(tmp_path):
    ended = vgrad("run", "--json", *SMALL, "name=a", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["path"] == "runs/a"
    assert (tmp_path / "runs/a/layers.parquet").exists()
    assert [path.name for path in tmp_path.rglob("*.log")] == ["run.log"]


@pytest.mark.parametrize("name", ["a$\\frac$ <script>", "x=y", "it's", "[bold]b", "100 %"])
def test_a_name_is_taken_as_it_is_typed(name, untrained):
    assert untrained("run", f"name={name}").status == 0
    assert read_run(Path("runs", name)).config["name"] == name
    shown = untrained("ls")
    assert shown.status == 0
    assert name in shown.out
    assert shown.out.isascii() or "\x1b" not in shown.out


def test_a_name_may_be_made_from_the_config(untrained):
    assert untrained("run", "name=${activation.name}_${run_id:4}", "activation=elu").status == 0
    (folder,) = Path("runs").iterdir()
    assert folder.name == f"elu_{read_run(folder).run_id[:4]}"


def test_a_run_can_be_kept_elsewhere(untrained):
    assert untrained("run", "hydra.run.dir=else/where").status == 0
    assert read_run("else/where").status == "completed"
    assert not Path("runs").exists()


def test_epochs_are_counted_in_steps(untrained):
    ended = untrained("run", "--json", "epochs=2", "batch_size=719")
    config = json.loads(ended.out)["config"]
    assert (config["steps"], config["epochs"]) == (4, None)


def test_what_is_typed_can_refer_to_other_keys(untrained):
    assert (
        json.loads(untrained("run", "--json", "width=16", "depth=${width}").out)["config"]["depth"]
        == 16
    )


def test_an_unneeded_force_is_taken_for_what_it_means(untrained):
    assert json.loads(untrained("run", "--json", "++depth=3").out)["config"]["depth"] == 3


def test_every_choice_can_be_typed(untrained, monkeypatch, tmp_path):
    monkeypatch.setattr(check, "check", lambda config, auto: config)
    table = tmp_path / "table.csv"
    table.write_text("x,y\n1,a\n2,b\n")
    more = {"csv": [f"data.path={table}", "data.target=y"]}
    for kind, registry in REGISTRIES.items():
        for name in registry:
            ended = untrained(
                "run", "--json", f"{kind}={name}", f"name={kind}-{name}", *more.get(name, [])
            )
            assert ended.status == 0, ended.err
            assert json.loads(ended.out)["config"][kind]["name"] == name
