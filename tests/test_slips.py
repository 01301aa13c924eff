"""Slips on the command line: each is told in one message, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import Ended, assert_refused, vgrad
from vgrad import pack

SLIPS = {
    # names
    "run activation=rleu": "No activation is named 'rleu'. Did you mean 'relu'? Known: celu,",
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
    "run hydra.launcher.cluster=slurm": "hydra.launcher.cluster=slurm is about a sweep",
    "run hydra/sweeper=basic": "hydra/sweeper=basic is about a sweep",
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
    "sweep depth=interval(1,2)": "depth=interval(1,2) is a range to search in",
    "sweep activation=glob(x*)": "The sweep has 0 runs",
    "sweep name=a,b": "all runs of a sweep share one name",
    "sweep name=${activation.name}": "all runs of a sweep share one name",
    "sweep depth=1,2 hydra.sweep.subdir=x": "Two runs of the sweep would go to",
    "sweep depth=1,2 hydra.sweep.dir=/proc/x": "/proc/x cannot be written",
    "sweep depth=1,2 hydra.launcher._target_=os.abort": "Invalid plugin 'os.abort'",
    "sweep depth=1,2 hydra.sweeper._target_=os.abort": "Invalid plugin 'os.abort'",
    "run -m depth=1,2,x": "depth must be a whole number, not 'x'.",
    # verbs
    "": "What is to be done? The verbs are run, sweep, study, diagnose, theory, report, list, ls",
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
