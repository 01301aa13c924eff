"""The runs of a sweep are composed fast, and come out as Hydra composes them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from vgrad.combine import Combiner
from vgrad.compose import Request, prepare, settle
from vgrad.config import REGISTRIES
from vgrad.errors import VgradError
from vgrad.explain import explaining
from vgrad.loader import Loader, overrides_of

FILES = {
    "my.yaml": "defaults: [config, {study: null}, _self_]\nwidth: 16\n",
    "dependent.yaml": "defaults: [config, {override init: 'for_${activation}'}]\n",
    "meddling.yaml": "defaults: [config, _self_]\ninit: {bias: 0.5}\n",
    "activation/soft.yaml": "name: elu\nalpha: 2.5\n",
    "init/for_relu.yaml": "name: he_normal\n",
    "init/for_elu.yaml": "name: lecun_normal\n",
    "study/deep.yaml": (
        "# @package _global_\ndefaults: [{override /activation: sigmoid}]\n"
        "depth: 33\nmodel: {norm: layer}\nname: ${activation.name}\n"
    ),
    "study/linked.yaml": "# @package _global_\nwidth: ${depth}\n",
}
VALUES = {
    "init": ["xavier_normal", "he_normal", "constant"],
    "init.gain": ["1.5", "auto", "2"],
    "depth": ["3", "${batch_size}", "'4'", "0x10", "12"],
    "width": ["8", "${depth}"],
    "optimizer.lr": ["1", "1e-2", ".5"],
    "data": ["digits"],
    "data.train_size": ["100", "null"],
    "probe.every": ["1", "null"],
    "epochs": ["null", "2", "0.5"],
    "batch_size": ["16", "32"],
    "+activation.extra": ["1"],
    "++optimizer.lr": ["0.25"],
    "+extra": ["[1,2]"],
    "optimizer": ["{lr: 0.3}"],
    "study": ["deep", "linked"],
    "name": ["x", "'a, b'", '"c d"', "e-${seed}"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A user's config files."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "mine"


def begun(name: str, *overrides: str) -> tuple[Loader, DictConfig]:
    """A loader, and the config of a sweep."""
    loader = prepare(Request((), name, "mine"))
    master = loader.load_configuration(name, ["name=x", *overrides], RunMode.MULTIRUN)
    return loader, master


def drawn(rng: random.Random, activations: list[str]) -> list[str]:
    """The overrides of one run, as a sweeper would give them."""
    job = [f"activation={rng.choice(activations)}"] if rng.random() < 0.7 else []
    if job and job[0].endswith(("=elu", "=celu", "=soft")):
        job.append(f"activation.alpha={rng.choice(['2', '0.5', '1e-1'])}")
    for key, values in VALUES.items():
        if key == "name" or rng.random() < 0.2:
            job.append(f"{key}={rng.choice(values)}")
    return job


def by_hydra(loader: Loader, master: DictConfig, job: list[str]) -> DictConfig | str:
    """What Hydra itself composes, or its complaint."""
    try:
        return ConfigLoaderImpl.load_sweep_config(loader, master, job)
    except ConfigCompositionException as error:
        return str(error)


def plain(cfg: DictConfig, *, resolve: bool) -> Any:
    """The config as plain data, or why it cannot be worked out."""
    try:
        with explaining():
            return OmegaConf.to_container(cfg, resolve=resolve)
    except VgradError as error:
        return str(error)


@pytest.mark.parametrize("name", ["config", "my"])
def test_configs_equal_those_that_hydra_composes(name, folder):
    loader, master = begun(name)
    rng = random.Random(len(name))
    activations = [*REGISTRIES["activation"], *["soft"] * 5]
    combiner = Combiner(loader, master)
    compared = 0
    while compared < 30:
        job = drawn(rng, activations)
        theirs = by_hydra(loader, master, job)
        if isinstance(theirs, str):
            with pytest.raises(ConfigCompositionException) as raised:
                loader.load_sweep_config(master, job)
            assert str(raised.value) == theirs
            continue
        ours = loader.load_sweep_config(master, job)
        for resolve in (False, True):
            assert plain(ours, resolve=resolve) == plain(theirs, resolve=resolve), job
        assert_same_run(combiner, theirs, job)
        compared += 1


def assert_same_run(combiner: Combiner, cfg: DictConfig, job: list[str]) -> None:
    """A run that is put together is the one of Hydra's config, or is refused as it is."""
    tree = plain(cfg, resolve=False)
    del tree["hydra"]
    refused = None
    try:
        config = settle(cfg)
    except VgradError as error:
        refused = error
    if refused is not None:
        with pytest.raises(type(refused)) as raised:
            combiner.job(job)
        assert str(raised.value) == str(refused), job
        return
    made = combiner.job(job)
    assert made.config == config, job
    assert made.tree == tree, job
    assert made.folder == Path(str(cfg.hydra.sweep.dir)) / str(cfg.hydra.sweep.subdir)
    assert list(made.overrides) == overrides_of(cfg, "task")


@pytest.mark.parametrize("name", ["dependent", "meddling"])
def test_a_choice_in_which_others_have_a_say_is_left_to_hydra(name, folder):
    loader, master = begun(name)
    combiner = Combiner(loader, master)
    for activation in ("relu", "elu"):
        for init in ([], ["init=xavier_normal"], ["init=he_normal"]):
            job = [f"activation={activation}", *init, "name=x"]
            assert_same_run(combiner, ConfigLoaderImpl.load_sweep_config(loader, master, job), job)


@pytest.mark.filterwarnings("ignore:\\n'activation/relu' is validated:UserWarning")  # so Hydra says
def test_a_file_of_the_user_takes_the_place_of_an_entry_of_its_name(folder):
    (folder / "activation/relu.yaml").write_text("name: relu6\n")
    loader, master = begun("config")
    job = Combiner(loader, master).job(["activation=relu", "name=x"])
    assert job.tree["activation"] == {"name": "relu6"}
    assert job.config.activation.name == "relu6"


def test_what_is_plain_is_put_together_without_hydra(folder, monkeypatch):
    loader, master = begun("my")
    combiner = Combiner(loader, master)
    combiner.job(["activation=relu", "study=deep", "name=x"])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("Hydra was asked")

    composed = []
    load = Loader.load_configuration

    def count(self: Loader, name: str, lines: list[str], mode: RunMode) -> DictConfig:
        composed.append(lines)
        return load(self, name, lines, mode)

    monkeypatch.setattr(Loader, "load_sweep_config", refuse)
    monkeypatch.setattr(Loader, "load_configuration", count)
    for activation in REGISTRIES["activation"]:
        for init in ("he_normal", "xavier_normal"):
            job = [f"activation={activation}", f"init={init}", "optimizer.lr=1", "name=x"]
            assert combiner.job(job).config.activation.name == activation
    assert len(composed) <= 1


def test_runs_share_no_value_that_only_one_was_given(folder):
    loader, master = begun("config")
    combiner = Combiner(loader, master)
    first = combiner.job(["activation=elu", "activation.alpha=2", "probe.every=3", "name=x"])
    second = combiner.job(["activation=elu", "name=x"])
    assert (first.tree["activation"]["alpha"], second.tree["activation"]["alpha"]) == (2.0, 1.0)
    assert (first.tree["probe"]["every"], second.tree["probe"]["every"]) == (3, None)


def test_a_folder_that_depends_on_the_run_is_worked_out_for_each(folder):
    loader, master = begun("config", "hydra.sweep.subdir=${activation.name}-${depth}")
    combiner = Combiner(loader, master)
    for activation in ("relu", "elu"):
        job = combiner.job([f"activation={activation}", "depth=3", "name=x"])
        assert job.folder == Path(f"runs/x/{activation}-3")
