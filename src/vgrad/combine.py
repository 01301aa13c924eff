"""The runs of a sweep: every combination composed and checked, before the first is started.

Hydra takes some 50 ms for a run, so it composes only what it alone can: one config for all that
the runs share. An entry of a registry and a plain value are put into its place here, as plain
data, where nothing else has a say in them; `Loader` composes what is left, as Hydra would.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, Node, OmegaConf, UnionNode, ValueNode, open_dict
from omegaconf.errors import OmegaConfBaseException

from vgrad.compose import auto_elsewhere, checked, refuse_secrets, settle
from vgrad.config import REGISTRIES, RunConfig, run_id
from vgrad.errors import ConfigError, VgradError
from vgrad.explain import explaining
from vgrad.folder import check_run_folder
from vgrad.job import Job
from vgrad.loader import Loader, overrides_of
from vgrad.schema import PROVIDER

MOST_RUNS = 100_000  # of one sweep
ALIKE = 200  # so many runs refused for one reason are taken for all
ROOT = "run_schema"
PLAIN_KEY = re.compile(r"\w+(\.\w+)*")


def combinations(sweeper: Any, master: DictConfig, loader: Loader) -> list[list[str]]:
    """The overrides of each run that a sweeper over a grid will start.

    Raises:
        ConfigError: there are none, or too many.
    """
    with explaining():
        given = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        lines = [*given, *overrides_of(master, "task")]
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(lines)
        runs = math.prod(map(_count, overrides))
        jobs = BasicSweeper.split_arguments(overrides, None)[0] if runs <= MOST_RUNS else []
        if not jobs:
            raise ConfigError(f"The sweep has {runs} runs; 1 to {MOST_RUNS} are possible.")
        return jobs


def _count(override: Override) -> int:
    """How many values an override stands for."""
    value = override.value()
    if override.is_choice_sweep():
        return sum(1 for _ in override.sweep_iterator())
    if override.is_interval_sweep():
        raise ConfigError(
            f"{override.input_line} is a range to search in, and has no values to make runs of. "
            "List them, as in KEY=0.5,1,2; or have the range searched: hydra/sweeper=optuna."
        )
    if isinstance(value, RangeSweep):
        start, stop, step = (float(vars(value)[name]) for name in ("start", "stop", "step"))
        size = (stop - start) / step if step else math.inf
        if not math.isfinite(size):
            raise ConfigError(f"{override.input_line} has no end.")
        return max(0, math.ceil(size))
    return 1


@dataclass
class Shared:
    """What runs have in common, as Hydra composed it.

    Attributes:
        cfg: the config without the hydra node; plain values become typed in it.
        tree: the same as plain data, as it was composed.
        free: the kinds of entries that nothing but the choice of an entry has a say in.
        entries: (kind, name) → a config of the entry alone, and the same as plain data.
        values: (entry or kind, override) → its value, typed.
    """

    cfg: DictConfig
    tree: dict[str, Any]
    free: frozenset[str]
    entries: dict[tuple[str, str], tuple[DictConfig, dict[str, Any]]] = field(default_factory=dict)
    values: dict[tuple[str, str, str], Any] = field(default_factory=dict)


class Combiner:
    """Composes and checks the runs of one sweep, each once.

    Args:
        loader: composes configs.
        master: the config of the sweep.
    """

    def __init__(self, loader: Loader, master: DictConfig) -> None:
        self._loader, self._master = loader, master
        self._jobs: dict[tuple[str, ...], Job] = {}
        self._shared: dict[tuple[str, ...], Shared | None] = {}
        refuse_secrets(master)
        with explaining():
            self._auto = auto_elsewhere(master)
            self.folder = Path(str(master.hydra.sweep.dir))
            self._name = str(master.name)
        self._is_new = not os.path.exists(self.folder)  # also where it may not be looked at

    @property
    def jobs(self) -> list[Job]:
        """The runs that were composed so far."""
        return list(self._jobs.values())

    def job(self, overrides: Sequence[str]) -> Job:
        """The run that a sweeper asks for.

        Raises:
            VgradError: it is not valid, or its folder holds something else.
        """
        key = tuple(overrides)
        if key not in self._jobs:
            job = self._put_together(key) or self._compose(key)
            if not self._is_new:
                check_run_folder(job.folder, job.config)
            self._jobs[key] = job
        return self._jobs[key]

    def _compose(self, lines: tuple[str, ...]) -> Job:
        with explaining():
            cfg = self._loader.load_sweep_config(self._master, list(lines))
            tree = OmegaConf.to_container(cfg, resolve=False)
        assert isinstance(tree, dict)
        del tree["hydra"]
        config = settle(cfg)
        with explaining():
            folder = Path(str(cfg.hydra.sweep.dir)) / str(cfg.hydra.sweep.subdir)
            task = tuple(overrides_of(cfg, "task"))
        return Job(config, folder, task, {str(key): value for key, value in tree.items()})

    def _put_together(self, lines: tuple[str, ...]) -> Job | None:
        """The run from plain data; None where that might differ from what Hydra composes."""
        with explaining():
            overrides = [self._loader.parse(line) for line in lines]
            chosen = {o.key_or_group: str(o.value()) for o in overrides if self._is_entry(o)}
            rest = [o for o in overrides if not self._is_entry(o)]
            choices = [str(o.input_line) for o in rest if self._loader.chooses(o)]
            shared = self._share(tuple(choices))
            if shared is None or not chosen.keys() <= shared.free:
                return None
            plain = [o for o in rest if not self._loader.chooses(o)]
            tree = self._fill(shared, chosen, plain)
        if tree is None:
            return None
        config = checked(RunConfig.from_plain(tree), self._auto)
        return Job(config, self.folder / run_id(config), lines, tree)

    def _is_entry(self, override: Override) -> bool:
        """Whether an override chooses an entry of a registry, and does nothing else."""
        kind, name = override.key_or_group, override.value()
        return (
            kind in REGISTRIES
            and isinstance(name, str)
            and name in REGISTRIES[kind]
            and override.type is not None
            and override.type.name == "CHANGE"
            and override.package is None
        )

    def _share(self, choices: tuple[str, ...]) -> Shared | None:
        """What all runs with these other choices have in common, None if it is not plain."""
        if choices not in self._shared:
            try:
                self._shared[choices] = self._compose_shared(choices)
            except (HydraException, OmegaConfBaseException):  # a run's own error will say it
                self._shared[choices] = None
        return self._shared[choices]

    def _compose_shared(self, choices: tuple[str, ...]) -> Shared | None:
        hydra = self._master.hydra
        lines = [*overrides_of(self._master, "hydra"), *choices]
        cfg = self._loader.load_configuration(hydra.job.config_name, lines, RunMode.RUN)
        refuse_secrets(cfg)
        given = OmegaConf.to_container(cfg.hydra.sweep, resolve=False)
        with open_dict(cfg):
            del cfg["hydra"]
        tree = OmegaConf.to_container(cfg)
        assert isinstance(given, dict)
        assert isinstance(tree, dict)
        plain = {str(key): value for key, value in tree.items()}
        by_id = given["subdir"] == "${run_id:}" and not _refers(given["dir"], but="${name}")
        same = given == OmegaConf.to_container(hydra.sweep, resolve=False)
        if not (by_id and same) or _refers(plain | {"name": ""}):
            return None
        return Shared(cfg, plain, _free(self._loader.parts))

    def _fill(
        self, shared: Shared, chosen: Mapping[str, str], plain: Sequence[Override]
    ) -> dict[str, Any] | None:
        """The shared config with a run's own entries and values in it; None if they do not fit."""
        tree = dict(shared.tree)
        for kind, name in chosen.items():
            entry = self._entry(shared, kind, name)
            if entry is None:
                return None
            tree[kind] = dict(entry[1])
        for override in plain:
            head, *path = override.key_or_group.split(".")
            value = self._value(shared, override, head, chosen.get(head, ""))
            if value is None:
                return None
            _put(tree, [head, *path], value[0])
        return tree if tree["name"] == self._name else None  # it names the folder

    def _entry(
        self, shared: Shared, kind: str, name: str
    ) -> tuple[DictConfig, dict[str, Any]] | None:
        """An entry alone, and as plain data; None if a file of the user's has taken its name."""
        if (kind, name) not in shared.entries:
            found = self._loader.repository.load_config(f"{kind}/{name}")
            if found is None or found.provider != PROVIDER:
                return None
            alone = OmegaConf.create({kind: found.config})
            OmegaConf.set_struct(alone, True)
            tree = OmegaConf.to_container(alone)
            assert isinstance(tree, dict)
            shared.entries[kind, name] = alone, tree[kind]
        return shared.entries[kind, name]

    def _value(self, shared: Shared, override: Override, kind: str, name: str) -> tuple[Any] | None:
        """What an override sets its key to, in the type of that key; None if it is not plain."""
        key = (kind, name, str(override.input_line))
        if key not in shared.values:
            cfg = shared.entries[kind, name][0] if name else shared.cfg
            shared.values[key] = _typed(cfg, override)
        found: tuple[Any] | None = shared.values[key]
        return found


def _typed(cfg: DictConfig, override: Override) -> tuple[Any] | None:
    """The value as Hydra's own last step puts it into a config; None for what is not plain.

    The key must be there and hold a value: then the next value can take its place.
    """
    path, raw = override.key_or_group, override.value()
    kind = override.type.name if override.type is not None else ""
    if kind != "CHANGE" or override.package is not None or not PLAIN_KEY.fullmatch(path):
        return None
    if isinstance(raw, dict | list) or _refers(raw) or raw == "???":
        return None
    if _node(cfg, path) is None:
        return None
    ConfigLoaderImpl._apply_overrides_to_config([override], cfg)
    node = _node(cfg, path)
    value = None if node is None else node._value()
    return (value._value() if isinstance(value, Node) else value,)


def _node(cfg: DictConfig, path: str) -> Node | None:
    """The node of a key that holds a value."""
    node: Any = cfg
    for key in path.split("."):
        if not isinstance(node, DictConfig) or node._is_none() or node._is_missing():
            return None
        node = node._get_node(key)
    return node if isinstance(node, ValueNode | UnionNode) else None


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a key, in copies of what lies on the way: other runs share it."""
    for key in path[:-1]:
        tree[key] = dict(tree[key])
        tree = tree[key]
    tree[path[-1]] = value


def _refers(value: Any, but: str = "") -> bool:
    """Whether something in a value refers to something else, or is missing."""
    if isinstance(value, Mapping):
        return any(map(_refers, value.values()))
    if isinstance(value, list):
        return any(map(_refers, value))
    return isinstance(value, str) and "${" in (value.replace(but, "") if but else value)


def _free(parts: Sequence[tuple[ResultDefault, ConfigResult]]) -> frozenset[str]:
    """The kinds that one entry of a registry fills alone, and on which no other choice depends."""
    listed = [d for _, part in parts for d in part.defaults_list or ()]
    if any("${" in str(value) for default in listed for value in vars(default).values()):
        return frozenset()
    fillers: dict[str, list[bool]] = {kind: [] for kind in REGISTRIES}
    for default, part in parts:
        ours = part.provider == PROVIDER
        if ours and default.config_path == ROOT:
            continue
        head = (default.package or "").partition(".")[0]
        heads = [head] if head else [str(key) for key in part.config]
        for kind in fillers.keys() & set(heads):
            alone = default.package == kind
            fillers[kind].append(ours and alone and str(default.config_path).startswith(f"{kind}/"))
    return frozenset(kind for kind, filled in fillers.items() if filled == [True])


def check_all(combiner: Combiner, combinations: Sequence[Sequence[str]]) -> list[Job]:
    """Compose and check every run of a sweep, before the first is started.

    Raises:
        VgradError: one is not valid, or two of them would go to one folder.
    """
    jobs: list[Job] = []
    first: dict[Path, Job] = {}
    for index, lines in enumerate(combinations):
        try:
            job = combiner.job(lines)
        except VgradError as error:
            _name_run(error, index, combiner, combinations)
            raise
        jobs.append(job)
        other = first.setdefault(job.folder, job)
        if other is not job and other.run_id != job.run_id:
            raise ConfigError(f"Two runs of the sweep would go to {job.folder}.")
    return jobs


def _name_run(
    error: VgradError, index: int, combiner: Combiner, combinations: Sequence[Sequence[str]]
) -> None:
    """Have the error say which run it is about, unless it is about all."""
    common = set(combinations[0]).intersection(*combinations)
    own = [line for line in combinations[index] if line not in common]
    others = islice(combinations, index + 1, index + ALIKE)
    if not own or (index == 0 and all(_fails(combiner, other, str(error)) for other in others)):
        return
    error.args = (f"In the run {' '.join(own)}: {error}",)


def _fails(combiner: Combiner, lines: Sequence[str], message: str) -> bool:
    try:
        combiner.job(lines)
    except VgradError as error:
        return str(error) == message
    return False


def swept(jobs: Sequence[Job]) -> list[str]:
    """The keys in which runs differ, in the order in which they were typed."""
    values: dict[str, set[str]] = {}
    for job in jobs:
        for line in job.overrides:
            key, _, value = line.partition("=")
            values.setdefault(key.lstrip("+"), set()).add(value)
    return [key for key, given in values.items() if len(given) > 1]
