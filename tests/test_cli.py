"""The command line, as a person types it: what works, what is refused, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

import vgrad as package
from commands import Ended, Terminal, execute_nothing, vgrad
from vgrad import compose, options, pack
from vgrad.config import REGISTRIES
from vgrad.errors import ConfigError, StoreError
from vgrad.interrupt import Stop
from vgrad.store import RunWriter, read_run

SMALL = ("depth=2", "width=8", "steps=2")
SECRET = "hunter2"


@pytest.fixture
def typed(capsys, monkeypatch, tmp_path) -> Terminal:
    """Commands typed in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VGRAD_SECRET", SECRET)
    monkeypatch.delenv("VGRAD_DEBUG", raising=False)
    return Terminal(capsys)


@pytest.fixture
def untrained(typed, monkeypatch) -> Terminal:
    """The same, where runs end as soon as they have begun."""
    monkeypatch.setattr(pack, "execute", execute_nothing)
    return typed


def assert_refused(ended: Ended, *says: str) -> None:
    """One message and nothing else, nowhere."""
    assert ended.status == 2
    assert ended.out == ""
    assert ended.err.startswith("vgrad: ")
    assert len(ended.err.splitlines()) == 1
    assert "Traceback" not in ended.err
    assert SECRET not in ended.err
    for words in says:
        assert words in ended.err


SLIPS = {
    # names
    "run activation=rleu": "No activation is named 'rleu'. Did you mean 'relu'? Known: elu,",
    "run activation=": "No activation is named ''.",
    "run activation=null": "No activation is named 'null'.",
    "run activation=1": "No activation is named '1'.",
    "run activation=[relu,elu]": "No activation is named",
    "run activation=../config": "No activation is named '../config'.",
    "run init=he_norml": "Did you mean 'he_normal'?",
    "run loss=crossentropy": "Did you mean 'cross_entropy'?",
    "run data=digit": "Did you mean 'digits'?",
    "run optimizer=sdg": "Did you mean 'sgd'?",
    "run model=mpl": "Did you mean 'mlp'?",
    "run device=gpu": "No device is named 'gpu'. Did you mean 'cpu'?",
    "run device=cuda:97": "device=cuda:97 is not there. This machine has: ",
    "run dtype=float16": "No dtype is named 'float16'. Did you mean 'float64'?",
    # keys
    "run depht=40": "No key is named 'depht'. Did you mean 'depth'? Known: activation,",
    "run nosuch=1": "No key is named 'nosuch'. Known: activation,",
    "run +nosuch=1": "No key is named 'nosuch'.",
    "run ++nosuch.a=1": "No key is named 'nosuch.a'.",
    "run +depth=3": "+depth=3 adds depth, which is there already. Leave out the plus sign.",
    "run +optimizer.lr=3": "+optimizer.lr adds optimizer.lr, which is there already.",
    "run +activation=elu": "Leave out the plus sign.",
    "run ~activation": "~activation takes away activation, which every run needs.",
    "run ~depth": "~depth takes away depth",
    "run ~nosuch": "No key is named 'nosuch'.",
    "run depth=1 depth=2": "depth is given twice, as depth=1 and as depth=2.",
    "run activation=relu ++activation=elu": "as activation=relu and as ++activation=elu",
    "run probe=3": "probe is not a value by itself: write probe.every=VALUE.",
    "run probe.evry=3": "Did you mean 'probe.every'?",
    "run activation@x=relu": "is not of the form KEY=VALUE",
    "run =1": "is not of the form KEY=VALUE",
    "run .=1": "'.' cannot be a key.",
    # settings of a choice
    "run activation=elu activation.alhpa=2": "has no setting 'alhpa'. Did you mean 'alpha'?",
    "run activation=relu activation.alpha=2": "relu has no setting 'alpha'. It has none. It is a",
    "run ++activation.foo=2": "activation=relu has no setting 'foo'.",
    "run activation.name=elu": "Write activation=elu.",
    "run data.root=/nowhere": "data=digits has no setting 'root'.",
    # values
    "run depth=abc": "depth must be a whole number, not 'abc'.",
    "run depth=1.5": "depth must be a whole number, not '1.5'.",
    "run depth=": "depth must be a whole number, not ''.",
    "run depth=null": "depth must be a whole number, not null.",
    "run depth=[1]": "depth must be a whole number",
    "run depth={a:1}": "depth must be a whole number",
    "run depth=true": "depth must be a whole number",
    "run depth=-3": "depth must be at least 0 and at most 10000, not -3.",
    "run width=0": "width must be at least 1",
    "run batch_size=0": "batch_size must be at least 1",
    "run seed=-1": "seed must be at least 0",
    f"run seed={'9' * 5000}": "is not a value that can be read",
    "run steps=1e3": "steps must be a whole number, not '1000.0'.",
    "run epochs=-1": "epochs must be at least 0",
    "run steps=3 epochs=2": "steps=3 and epochs=2 both say how long to train.",
    "run optimizer.lr=abc": "optimizer.lr must be a number, not 'abc'.",
    "run optimizer.lr=nan": "optimizer.lr must be a finite number, not nan.",
    "run optimizer.lr=-1": "optimizer.lr must be at least 0",
    "run optimizer.momentum=1": "optimizer.momentum must be at least 0.0 and below 1, not 1.0.",
    # what is not there, or does not fit
    "run data=mnist data.root=/nowhere": "/nowhere",
    "run data=mnist data.root=/a[b]": "/a[b]",
    "run data.train_size=10000000": "10000000",
    "run data=sine loss=cross_entropy": "loss=cross_entropy does not fit data=sine",
    "run batch_size=100000": "batch_size=100000 is more than the 1438 training examples",
    "run depth=10000 width=100000": "GiB of memory",
    # the grammar
    "run depth": "'depth' is not of the form KEY=VALUE, as in depth=40.",
    "run depth 40": "'depth' is not of the form KEY=VALUE",
    "run relu": "Did you mean activation=relu?",
    "run depth=[": "Brackets must be closed",
    f"run depth={'[' * 1000}": "cannot be read",
    f"run depth={'[' * 300}{']' * 300}": "depth must be a whole number",
    f"run depth={'[' * 3000}{']' * 3000}": "nested too deeply",
    f"run depth={'{a:' * 3000}": "Brackets must be closed",
    "run depth=foo(3)": "cannot be read",
    "run 'depth=3": "cannot be a key",
    "run depth=${width": "Brackets must be closed",
    "run depth=${nosuch}": "depth refers to a key that is not there",
    "run depth=${depth}": "depth cannot be worked out",
    "run depth=2,3": "depth=2,3 gives depth several values, and a run has one. To run each of",
    "run seed=range(3)": "use `vgrad sweep`",
    # names of folders
    "run name=../x": "name='../x' cannot name a folder",
    "run name=a/b": "name='a/b' cannot name a folder",
    "run name=.": "cannot name a folder",
    "run name=": "name is empty",
    "run name=''": "name is empty",
    "run name=null": "name must be text, not null.",
    "run name=a\x1b[31mb": r"name holds characters that cannot be printed: 'a\x1b[31mb'",
    "run name=a\nb": r"'a\nb'",
    "run name=a\udc80": "is not valid Unicode text",
    f"run name={'x' * 5000}": "name is longer than 200 bytes: 'xxx",
    # the environment
    "run depth=${oc.env:VGRAD_SECRET}": "depth uses ${oc.env:…}",
    "run name=${oc.env:VGRAD_SECRET}": "name uses ${oc.env:…}",
    "run name=a-${oc.env:VGRAD_SECRET,b}": "name uses ${oc.env:…}",
    "run activation=${oc.env:VGRAD_SECRET}": "activation uses ${oc.env:…}",
    "run hydra.run.dir=${oc.env:VGRAD_SECRET}": "hydra.run.dir uses ${oc.env:…}",
    "run hydra.job.name=${oc.env:VGRAD_SECRET}": "hydra.job.name uses ${oc.env:…}",
    "run name=${oc.${loss.name}:VGRAD_SECRET}": "name uses ${oc.",
    "run name=${oc.decode:x}": "name uses ${oc.decode:…}",
    "run name=${hydra:runtime.cwd}": "name uses ${hydra:…}",
    "run hydra.job.env_copy=[VGRAD_SECRET]": "hydra.job.env_copy cannot be set here.",
    # Hydra's own settings
    "run hydra.mode=MULTIRUN": "hydra.mode is set by the command",
    "run hydra=1": "hydra cannot be set here.",
    "run hydra.output_subdir=..": "hydra.output_subdir cannot be set here.",
    "run hydra/job_logging=default": "hydra/job_logging cannot be set here.",
    "run hydra.callbacks.x._target_=os.abort": "cannot be set here.",
    "run hydra/launcher=nosuch": "No hydra/launcher is named 'nosuch'.",
    "run hydra.launcher.foo=3": "Hydra has no key named 'hydra.launcher.foo'.",
    "run hydra.run.dir=/proc/x": "/proc/x cannot be written",
    # options
    "run --experimental-rerun=x.pickle": "--experimental-rerun is not allowed.",
    "run --experimental-rerun x.pickle": "--experimental-rerun is not allowed.",
    "run --config-path=x": "use --config-dir=FOLDER",
    "run --config-dir=/nowhere": "--config-dir=/nowhere is not a folder.",
    "run --config-dir": "expected one argument",
    "run --config-name=nosuch": "No config file is named 'nosuch'.",
    "run --jsno": "vgrad run has no option '--jsno'. Did you mean '--json'?",
    "run --depth=3": "Settings have no dashes: depth=3.",
    "run --cfg=foo": "invalid choice: 'foo'",
    "run --cfg job depth=abc": "depth must be a whole number",
    "run --cfg job --package nosuch": "The config has no key 'nosuch'.",
    "run --json depth=abc": "depth must be a whole number",
    # sweeps
    "sweep depth=1,2,x": "depth must be a whole number, not 'x'.",
    "sweep depth=1,-2": "depth must be at least 0 and at most 10000, not -2.",
    "sweep activation=relu,rleu": "No activation is named 'rleu'. Did you mean 'relu'?",
    "sweep data=digits,sine": "loss=cross_entropy does not fit data=sine",
    "sweep seed=range(0)": "The sweep has 0 runs",
    "sweep seed=range(1000000000)": "The sweep has 1000000000 runs; 1 to 100000 are possible.",
    "sweep seed=range(0,1,0)": "has no end",
    "sweep depth=interval(1,2)": "does not support sweep type",
    "sweep activation=glob(x*)": "The sweep has 0 runs",
    "sweep name=a,b": "all runs of a sweep share one name",
    "sweep name=${activation.name}": "all runs of a sweep share one name",
    "sweep depth=1,2 hydra.sweep.subdir=x": "Two runs of the sweep would go to",
    "sweep depth=1,2 hydra.sweep.dir=/proc/x": "/proc/x cannot be written",
    "sweep depth=1,2 hydra.launcher._target_=os.abort": "Invalid plugin 'os.abort'",
    "sweep depth=1,2 hydra.sweeper._target_=os.abort": "Invalid plugin 'os.abort'",
    "run -m depth=1,2,x": "depth must be a whole number, not 'x'.",
    # verbs
    "": "What is to be done? The verbs are run, sweep, report, list, ls",
    "rnu": "No verb is named 'rnu'. Did you mean 'run'?",
    "depth=3 width=4": "Did you mean `vgrad run depth=3 width=4`?",
    "--nosuch": "No verb is named '--nosuch'.",
    "list losess": "No kind is named 'losess'. Did you mean 'losses'?",
    "list a b": "unrecognized arguments: b",
    "ls /nowhere": "There is no folder /nowhere.",
    "ls --jsno": "vgrad ls has no option '--jsno'. Did you mean '--json'?",
    "report": "the following arguments are required: PATH",
    "report /nowhere": "There is no folder /nowhere.",
    "report .": "holds no run of vgrad",
    "-sc": "Write `vgrad -sc install=bash`",
    "-sc install=csh": "Write `vgrad -sc install=bash`",
}


@pytest.mark.parametrize("line", SLIPS, ids=lambda line: line[:40] or "nothing")
def test_a_slip_is_told_in_one_message_and_leaves_nothing_behind(line, typed, monkeypatch):
    def train(*_: object) -> None:
        raise AssertionError("a run was started")

    monkeypatch.setattr(pack, "execute", train)
    assert_refused(typed(*line.split(" ") if line else ()), SLIPS[line])
    assert list(Path().iterdir()) == []


def test_a_slip_ends_the_real_program_with_status_2_and_no_traceback(tmp_path):
    for words in (["run", "activation=rleu"], ["run", f"depth={'[' * 1000}"], ["rnu"]):
        ended = vgrad(*words, cwd=tmp_path)
        assert_refused(Ended(ended.returncode, ended.stdout, ended.stderr))
        assert list(tmp_path.iterdir()) == []


# --- runs


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
    assert not list(tmp_path.rglob("*.log"))


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
    assert (config["steps"], config["epochs"]) == (4, 2.0)


def test_what_is_typed_can_refer_to_other_keys(untrained):
    assert (
        json.loads(untrained("run", "--json", "width=16", "depth=${width}").out)["config"]["depth"]
        == 16
    )


def test_an_unneeded_force_is_taken_for_what_it_means(untrained):
    assert json.loads(untrained("run", "--json", "++depth=3").out)["config"]["depth"] == 3


def test_every_choice_can_be_typed(untrained, monkeypatch):
    monkeypatch.setattr(pack, "check", lambda config: config)
    for kind, registry in REGISTRIES.items():
        for name in registry:
            ended = untrained("run", "--json", f"{kind}={name}", f"name={kind}-{name}")
            assert ended.status == 0, ended.err
            assert json.loads(ended.out)["config"][kind]["name"] == name


# --- folders


def test_a_folder_that_holds_another_config_is_refused_with_what_differs(untrained):
    untrained("run", "name=here", "depth=3")
    before = read_run("runs/here").document
    assert_refused(untrained("run", "name=here", "depth=4"), "depth is 3 there and 4 here")
    assert_refused(
        untrained("run", "name=here", "depth=3", "activation=elu"),
        "activation is relu there and elu here, activation.alpha is None there and 1.0 here",
    )
    assert read_run("runs/here").document == before


def test_a_folder_that_holds_something_else_is_refused(untrained):
    Path("runs/here").mkdir(parents=True)
    Path("runs/here/thesis.tex").touch()
    assert_refused(untrained("run", "name=here"), "something else than a run: 'thesis.tex'")
    assert_refused(untrained("sweep", "name=here"), "something else than a sweep")
    assert [path.name for path in Path("runs/here").iterdir()] == ["thesis.tex"]


def test_a_folder_with_a_damaged_run_is_refused_by_name(untrained):
    untrained("run", "name=here")
    Path("runs/here/run.json").write_text("{")
    assert_refused(untrained("run", "name=here"), "runs/here/run.json cannot be read", "Delete")


def test_a_folder_that_another_vgrad_writes_is_refused(untrained):
    untrained("run", "name=here")
    with RunWriter("runs/here", "0" * 12, {}, {}):
        assert_refused(untrained("run", "name=here"), "is being written by another vgrad")


def test_what_was_left_by_an_interrupted_start_is_no_obstacle(untrained):
    Path("runs/here/.hydra").mkdir(parents=True)
    assert untrained("run", "name=here").status == 0


def test_runs_that_is_a_file_is_refused(untrained):
    Path("runs").touch()
    assert_refused(untrained("run", "name=here"), "is not a folder")


def test_runs_that_may_not_be_written_is_refused(untrained, monkeypatch):
    Path("runs").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "runs")
    assert_refused(untrained("run", "name=here"), "runs is write-protected for you")
    assert list(Path("runs").iterdir()) == []


def test_a_folder_that_cannot_be_made_after_all_is_told(untrained, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert_refused(untrained("run", "name=here"), "runs/here cannot be written: Permission denied")


# --- sweeps


def test_a_sweep_leaves_a_run_for_each_combination(untrained):
    ended = untrained("sweep", "--json", "activation=relu,elu", "depth=1,2", "name=both")
    runs = json.loads(ended.out)["runs"]
    assert {(run["config"]["activation"]["name"], run["config"]["depth"]) for run in runs} == {
        ("relu", 1),
        ("relu", 2),
        ("elu", 1),
        ("elu", 2),
    }
    assert all(run["path"] == f"runs/both/{run['run_id']}" for run in runs)
    assert all((Path(run["path"]) / ".hydra/overrides.yaml").exists() for run in runs)


def test_runs_that_a_sweep_has_completed_are_not_run_again(untrained, monkeypatch):
    started = []

    def execute(config, *more):
        started.append(config.depth)
        return execute_nothing(config, *more)

    monkeypatch.setattr(pack, "execute", execute)
    assert untrained("sweep", "depth=1,2,1", "name=x").status == 0
    assert started == [1, 2]
    assert untrained("sweep", "depth=1,2,3", "name=x").status == 0
    assert started == [1, 2, 3]


def test_the_same_sweep_goes_to_the_same_folder(untrained):
    for words in (["depth=1,2", "seed=0,1"], ["seed=0,1", "depth=1,2"]):
        assert untrained("run", "-m", *words).status == 0
    assert len(list(Path("runs").iterdir())) == 1


def test_one_failing_run_of_a_sweep_does_not_stop_the_others(untrained, monkeypatch):
    def execute(config, *more):
        if config.depth == 1:
            raise StoreError("runs/x/1 is broken.")
        return execute_nothing(config, *more)

    monkeypatch.setattr(pack, "execute", execute)
    ended = untrained("sweep", "depth=1,2", "name=x")
    assert (ended.status, ended.err) == (2, "vgrad: runs/x/1 is broken.\n")
    assert json.loads(untrained("ls", "--json").out)["runs"][0]["config"]["depth"] == 2


def test_a_sweep_is_not_mixed_with_a_single_run(untrained):
    untrained("run", "name=x")
    assert_refused(untrained("sweep", "depth=1,2", "name=x"), "holds a single run, not a sweep")


# --- config files


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


# --- lists


def test_list_json_holds_every_entry_with_its_facts(typed):
    document = json.loads(typed("list", "--json").out)
    assert list(document) == [
        "activations",
        "inits",
        "losses",
        "optimizers",
        "datasets",
        "models",
    ]
    for registry in REGISTRIES.values():
        listed = {entry["name"]: entry for entry in document[registry.plural]}
        assert listed.keys() == registry.keys()
        for name, entry in registry.items():
            assert listed[name]["formula"] == entry.formula
            assert listed[name]["settings"] == entry.settings
            assert listed[name]["source"] == entry.source


@pytest.mark.parametrize("kind", ["activation", "activations"])
def test_list_takes_the_singular_and_the_plural(kind, typed):
    assert list(json.loads(typed("list", kind, "--json").out)) == ["activations"]


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_list_can_be_read_at_any_width(columns, typed, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    shown = typed("list")
    assert max(map(cell_len, shown.out.splitlines())) <= int(columns)
    assert "\x1b" not in shown.out
    for registry in REGISTRIES.values():
        assert all(f" {name} " in shown.out for name in registry)
    joined = "".join(shown.out.split())
    assert "optimizer.lr=0.01" in joined
    assert "optimizer.nesterov=false" in joined


def test_ls_in_a_folder_without_runs_says_how_to_make_one(typed):
    for line in (["ls"], ["ls", "."]):
        ended = typed(*line)
        assert (ended.status, ended.err) == (0, "")
        assert "`vgrad run` makes one" in ended.out
    assert json.loads(typed("ls", "--json").out) == {"runs": [], "problems": []}


def test_ls_shows_every_run_and_names_what_it_cannot_read(untrained):
    untrained("run", "name=good")
    untrained("run", "name=bad")
    Path("runs/bad/run.json").write_text("{")
    shown = untrained("ls")
    assert shown.status == 0
    assert "good" in shown.out
    assert "completed" in shown.out
    assert "healthy" in shown.out
    assert "runs/bad/run.json cannot be read" in shown.err
    document = json.loads(untrained("ls", "--json").out)
    assert [run["path"] for run in document["runs"]] == ["runs/good"]
    assert len(document["problems"]) == 1


def test_ls_shows_names_that_would_move_the_cursor_as_what_they_are(untrained):
    untrained("run", "name=here")
    Path("runs/here").rename("runs/a\x1b[2Jb")
    shown = untrained("ls")
    assert "\x1b" not in shown.out
    assert r"a\x1b[2Jb" in shown.out


def test_ls_takes_one_run_as_well(untrained):
    untrained("run", "name=here")
    assert "here" in untrained("ls", "runs/here").out


def test_report_says_where_the_page_is(typed):
    typed("run", "name=here", *SMALL)
    ended = typed("report", "runs/here", "--out", "page")
    assert ended.status == 0, ended.err
    assert Path(ended.out.strip()) == Path("page/index.html")
    assert Path(ended.out.strip()).exists()


# --- help, completion, how it ends


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_names_every_verb(words, typed):
    ended = typed(*words)
    assert ended.status == 0
    assert all(f"vgrad {verb}" in ended.out for verb in options.VERBS)


@pytest.mark.parametrize("verb", options.VERBS)
def test_every_verb_has_a_help(verb, typed):
    ended = typed(verb, "--help")
    assert ended.status == 0
    assert ended.out.startswith(f"usage: vgrad {verb}")


def test_the_help_of_run_names_every_key(typed):
    shown = typed("run", "--help").out
    assert all(f"  {kind}=" in shown for kind in REGISTRIES)
    assert "  depth=10\n" in shown
    assert "  probe.every=null\n" in shown


def test_the_version_is_told(typed):
    assert typed("--version").out.startswith("vgrad ")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vgrad r", "run report"),
        ("vgrad ", " ".join(options.VERBS)),
        ("vgrad run activation=si", "activation=sigmoid"),
        ("vgrad run --json activation=elu activation.a", "activation.alpha="),
        ("vgrad sweep depth=1,2 init=xavier", "init=xavier_normal init=xavier_uniform"),
        ("vgrad run prob", "probe."),
        ("vgrad list ", "activations inits losses optimizers datasets models"),
        ("vgrad report ", ""),
        ("vgrad run depth=[ acti", ""),
    ],
)
def test_the_shell_is_told_what_could_follow(line, words, typed, monkeypatch):
    monkeypatch.setenv("COMP_LINE", line)
    ended = typed("-sc", "query=bash")
    assert (ended.status, ended.out.strip(), ended.err) == (0, words, "")


def test_completion_works_in_bash(tmp_path):
    script = """
        eval "$(vgrad -sc install=bash)"
        COMP_LINE="vgrad run activation=t" COMP_POINT=22 COMP_CWORD=2
        hydra_bash_completion
        echo "${COMPREPLY[@]}"
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.strip() == "activation=tanh", ended.stderr


def test_a_fault_of_ours_is_told_in_one_line_and_has_status_1(untrained, monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(pack, "execute", fail)
    ended = untrained("run", "--json")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        "vgrad: A fault of vgrad: ZeroDivisionError: division by zero. VGRAD_DEBUG=1 shows where.\n"
    )
    monkeypatch.setenv("VGRAD_DEBUG", "1")
    assert "Traceback" in untrained("run").err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    line = f"{sys.executable} -m vgrad list | head -1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines()[-1] == "0"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_asked_to_end_does_so_in_order(number, status, tmp_path):
    words = ["run", *SMALL[:2], "steps=1000000000", "name=long", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "vgrad", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step"):
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert json.loads(out)["status"] == "interrupted"
    assert read_run(tmp_path / "runs/long").status == "interrupted"
    assert len(package.load(tmp_path / "runs/long").steps) > 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_ended_before_its_run_leaves_nothing(number, status, typed, monkeypatch):
    monkeypatch.setattr(pack, "check", lambda config: os.kill(os.getpid(), number))
    assert typed("run", "--json") == Ended(status, "", "")
    assert list(Path().iterdir()) == []


def interrupt_itself(number: int):
    """In the place of `pack.execute`: a run in which a signal arrives."""

    def execute(config, folder, view, should_stop):
        assert not should_stop()
        os.kill(os.getpid(), number)
        assert should_stop()
        return execute_nothing(config, folder, view, should_stop)

    return execute


def test_an_interrupted_sweep_does_not_begin_its_next_run(typed, monkeypatch):
    monkeypatch.setattr(pack, "execute", interrupt_itself(signal.SIGTERM))
    assert typed("sweep", "depth=1,2,3", "name=x").status == 143
    assert len(list(Path("runs/x").glob("*/run.json"))) == 1


def test_after_a_run_signals_do_what_they_did_before(typed, monkeypatch):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(pack, "execute", interrupt_itself(signal.SIGINT))
    assert typed("run").status == 130
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_second_signal_ends_the_program_at_once(monkeypatch):
    ends = []
    monkeypatch.setattr(os, "_exit", ends.append)
    stop = Stop()
    stop.ask(signal.SIGINT)
    assert stop.asked()
    assert ends == []
    stop.ask(signal.SIGTERM)
    assert ends == [143]


# --- from Python


def test_run_from_python_returns_what_load_returns(typed):
    frames = package.run("activation=selu", *SMALL, "name=here")
    loaded = package.load("runs/here")
    assert frames.runs.equals(loaded.runs)
    assert frames.layers.equals(loaded.layers)
    assert list(frames.runs["activation"]) == ["selu"]
    assert list(frames.runs["path"]) == ["runs/here"]
    assert frames.layers["layer"].max() == 3


def test_a_sweep_from_python_returns_all_its_runs(typed):
    frames = package.sweep("activation=relu,tanh", *SMALL)
    assert sorted(frames.runs["activation"]) == ["relu", "tanh"]


def test_a_slip_from_python_is_raised(typed):
    with pytest.raises(ConfigError, match="Did you mean 'depth'"):
        package.run("depht=3")
    assert list(Path().iterdir()) == []


def test_runs_from_python_can_follow_each_other(untrained):
    for depth in (1, 2):
        assert list(package.run(f"depth={depth}").runs["depth"]) == [depth]
    with pytest.raises(ConfigError):
        package.run("depth=x")
    assert list(package.run("depth=3").runs["depth"]) == [3]


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_an_interrupt_from_python_is_raised_when_the_run_has_ended(
    number, raised, typed, monkeypatch
):
    monkeypatch.setattr(pack, "execute", interrupt_itself(number))
    with pytest.raises(raised):
        package.run("name=here")
    assert read_run("runs/here").status == "completed"


def test_the_functions_of_the_package_are_not_hidden_by_its_modules(typed):
    import vgrad.api
    import vgrad.report  # its import sets the attribute `report` of the package

    assert package.report is vgrad.api.report
    assert callable(package.report)
    assert {"load", "report", "run", "sweep"} <= set(dir(package))


def test_the_environment_can_be_read_by_other_configs_of_the_same_process(untrained):
    from omegaconf import OmegaConf

    package.run("name=here")
    assert OmegaConf.create({"a": "${oc.env:VGRAD_SECRET}"}).a == SECRET


def test_a_config_of_a_resolver_of_the_users_own_is_refused(untrained):
    with pytest.raises(ConfigError, match="name uses"):
        compose.run(compose.Request(["name=${mine:x}"]), lambda: None)
