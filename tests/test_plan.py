"""Plans: which runs share a stack, how large it is, and how many processes make the stacks."""

from __future__ import annotations

import math
import pickle
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import networks
from planning import GB, is_contiguous, job, seeds, sizes, world
from vgrad import check, plan
from vgrad.config import run_id
from vgrad.errors import ConfigError
from vgrad.job import Job
from vgrad.plan import Limits

# Two values each of what the runs of a stack must have in common.
APART = {
    "depth": (3, 4),
    "width": (8, 9),
    "batch_size": (16, 8),
    "steps": (5, 6),
    "dtype": ("float32", "float64"),
    "device": ("cpu", "cuda"),
    "probe_every": (None, 1),
    "eval_every": (None, 0),
    "checkpoint_every": (None, 3),
    "model": ("mlp", "highway"),
    "model__norm": ("none", "batch"),
    "model__bias": (True, False),
    "data": ("white", "gaussian"),
    "data__seed": (0, 1),
    "activation": ("tanh", "maxout"),
    "activation ": ("tanh", "crelu"),
}
TOGETHER = {
    "activation": ("tanh", "relu"),
    "activation__alpha": (0.5, 1.0),
    "init": ("lecun_normal", "he_normal"),
    "init__gain": (1.0, 2.0),
    "loss": ("cross_entropy", "mse"),
    "optimizer": ("sgd", "adam"),
    "optimizer__lr": (0.1, 0.2),
    "optimizer__schedule": ("constant", "cosine"),
    "seed": (0, 1),
    "name": ("a", "b"),
    "objective": ("final_val_loss", "final_train_loss"),
}


def only(key: str, value) -> dict:
    """The keys of a run in which a setting has this value."""
    return {"activation": "elu", key: value} if key == "activation__alpha" else {key: value}


@pytest.mark.parametrize("key", APART)
def test_runs_that_cannot_be_one_stack_never_are(key):
    values = [value for value in APART[key] for _ in range(2)]
    jobs = [job(**{key: value}, seed=seed) for seed, value in enumerate(values)]
    with world():
        made = plan.make(jobs, Limits())
        assert sorted(sizes(made)) == [2, 2]
        assert not plan.may_share(jobs, Limits())
        assert plan.may_share(jobs[:2], Limits())
    for pack in made.packs:
        first, second = (getattr(job.config, key.split("__")[0].strip()) for job in pack.jobs)
        assert first == second


@pytest.mark.parametrize("key", TOGETHER)
def test_runs_that_can_be_one_stack_are(key):
    jobs = [job(**only(key, value)) for value in TOGETHER[key]]
    with world():
        assert plan.may_share(jobs, Limits())
        assert sizes(plan.make(jobs, Limits())) == [2]


def test_no_runs_need_no_packs():
    with world():
        made = plan.make([], Limits())
    assert (made.packs, made.workers, made.threads, made.seconds) == ((), 1, 1, 0.0)


def test_the_runs_of_an_activation_are_neighbours_whatever_order_they_come_in():
    names = ("relu", "tanh", "elu")
    jobs = [job(activation=name, seed=seed) for seed in range(5) for name in names]
    with world():
        (pack,) = plan.make(jobs, Limits()).packs
    assert is_contiguous(pack)
    assert pack.label == "3 × 8 relu, tanh, elu"
    losses = [
        job(activation="relu", loss=loss, seed=s) for s in range(4) for loss in ("mse", "nll")
    ]
    with world():
        (pack,) = plan.make(losses, Limits()).packs
    assert len(list(groupby(job.config.loss for job in pack.jobs))) == 2


def test_more_runs_of_an_activation_than_a_stack_holds_are_divided_evenly():
    with world():
        assert sizes(plan.make(seeds(plan.MOST + 1), Limits())) == [16, 17]
        assert sizes(plan.make(seeds(10), Limits(max_runs_per_stack=4))) == [3, 3, 4]


def test_no_stack_has_more_runs_than_were_asked_for():
    with world():
        assert sizes(plan.make(seeds(9), Limits(max_runs_per_stack=1))) == [1] * 9
        assert not plan.may_share(seeds(3), Limits(max_runs_per_stack=2))
        assert plan.may_share(seeds(3), Limits(max_runs_per_stack=3))


def test_a_limit_of_ones_own_may_be_more_than_a_cpu_likes():
    with world():
        assert sizes(plan.make(seeds(100), Limits(max_runs_per_stack=100))) == [100]


def test_a_stack_fits_the_cache_of_a_core():
    width, depth = 128, 10
    weights = 6 * width + (depth - 1) * width**2 + 4 * width
    with world():
        made = plan.make(seeds(40, width=width, depth=depth), Limits())
    for size in sizes(made):
        assert 2 * 4 * weights * size < plan.IN_CACHE
        assert size > 5
    with world():
        double = plan.make(seeds(40, width=width, depth=depth, dtype="float64"), Limits())
    assert max(sizes(double)) < max(sizes(made))


def test_a_run_that_fills_the_cache_alone_is_made_all_the_same():
    with world():
        assert sizes(plan.make(seeds(3, width=2000), Limits())) == [1, 1, 1]


def test_stacks_that_are_made_at_once_fit_the_memory_together():
    jobs, limit = seeds(400), 2 * GB
    data = networks.classification()
    each = check.memory_of(jobs[0].config, data, 16)
    limits = Limits(
        workers=3, max_runs_per_stack=10**6, max_memory=plan.MAIN + 3 * (plan.WORKER + 10 * each)
    )
    with world():
        assert max(sizes(plan.make(jobs, limits))) <= 10
        assert not plan.may_share(jobs[:11], limits)
        assert plan.may_share(jobs[:10], limits)
        assert sizes(plan.make(jobs, Limits(max_runs_per_stack=400, max_memory=4 * limit))) == [400]


def test_without_a_limit_a_share_of_the_machines_memory_is_taken():
    jobs = seeds(64)
    each = check.memory_of(jobs[0].config, networks.classification(), 16)
    memory = int((plan.MAIN + 2 * (plan.WORKER + 8.5 * each)) / plan.SHARE_OF_MEMORY)
    with world(cores=2, memory=memory):
        assert sizes(plan.make(jobs, Limits())) == [8] * 8


@pytest.mark.parametrize(("cores", "limit"), [(64, 2 * GB), (4, GB * 3 // 4)])
def test_where_memory_is_short_for_all_cores_fewer_are_used(cores, limit):
    jobs = [job(depth=depth) for depth in range(1, 70)]
    with world(cores=cores, each=100.0):
        made = plan.make(jobs, Limits(max_memory=limit))
    assert 1 <= made.workers < cores
    assert plan.MAIN + made.workers * plan.WORKER <= limit


def test_a_memory_that_holds_no_run_is_told_with_what_would_help():
    limits = Limits(workers=2, max_memory=plan.MAIN + 2 * plan.WORKER + 1000)
    says = r"depth=3 width=8 takes .* so that 2 workers need 74\d MB in all; .* leaves 740 MB"
    with world(), pytest.raises(ConfigError, match=says):
        plan.make(seeds(2), limits)


def test_the_slowest_stack_is_made_first():
    jobs = [job(depth=depth, seed=seed) for depth in (1, 2, 3) for seed in range(depth)]
    with world(each=1.0):
        made = plan.make(jobs, Limits())
    assert [pack.seconds for pack in made.packs] == [3.0, 2.0, 1.0]


def test_what_is_soon_done_is_done_in_this_process_on_one_thread():
    jobs = [job(depth=depth) for depth in range(1, 9)]
    with world(each=plan.WORTH_A_WORKER / 10):
        made = plan.make(jobs, Limits())
    assert (made.workers, made.threads) == (1, 1)


@pytest.mark.parametrize(
    ("depths", "limits", "workers", "threads"),
    [
        (1, Limits(), 1, 4),
        (2, Limits(), 2, 2),
        (3, Limits(), 3, 1),
        (9, Limits(), 4, 1),
        (9, Limits(workers=2), 2, 2),
        (9, Limits(workers=1), 1, 4),
        (9, Limits(workers=6), 6, 1),
        (3, Limits(workers=6), 3, 1),
    ],
)
def test_there_are_as_many_workers_as_cores_or_as_were_asked_for(depths, limits, workers, threads):
    jobs = [job(depth=depth) for depth in range(1, depths + 1)]
    with world(each=100.0):
        made = plan.make(jobs, limits)
    assert (made.workers, made.threads) == (workers, threads)


@pytest.mark.parametrize(("each", "stacks"), [(0.1, 1), (100.0, 4)])
def test_what_takes_long_is_divided_until_each_core_has_a_stack(each, stacks):
    with world(each=each):
        made = plan.make(seeds(8), Limits())
    assert sizes(made) == [8 // stacks] * stacks
    start = plan.START if stacks > 1 else 0.0
    assert made.seconds == pytest.approx(sum(p.seconds for p in made.packs) / stacks + start)


def test_a_limit_of_ones_own_is_not_divided_further():
    with world(each=100.0):
        assert sizes(plan.make(seeds(8), Limits(max_runs_per_stack=8))) == [8]


def test_a_gpu_has_one_worker_and_stacks_as_large_as_its_memory():
    jobs = seeds(500, device="cuda")
    each = check.memory_of(jobs[0].config, networks.classification(), 16)
    with world(each=100.0, memory=GB):
        made = plan.make(jobs, Limits())
        assert (sizes(made), made.workers) == ([500], 1)
    with world(each=100.0, memory=int(250.5 * each / plan.SHARE_OF_MEMORY)):
        assert sizes(plan.make(jobs, Limits())) == [250, 250]


def test_workers_that_share_a_gpu_share_its_memory():
    jobs = seeds(500, device="cuda")
    each = check.memory_of(jobs[0].config, networks.classification(), 16)
    memory = int(250.5 * each / plan.SHARE_OF_MEMORY)
    with world(each=100.0, memory=memory):
        made = plan.make(jobs, Limits(workers=2))
    assert made.workers * max(sizes(made)) * each <= memory


@pytest.mark.parametrize("cores", [1, 2, 4])
def test_the_time_by_the_clock_is_that_of_the_busiest_worker(cores):
    jobs = [job(depth=depth, seed=seed) for depth in range(1, 6) for seed in range(depth)]
    with world(cores=cores, each=10.0):
        made = plan.make(jobs, Limits(max_runs_per_stack=99))
    in_all = sum(pack.seconds for pack in made.packs)
    assert max(made.packs[0].seconds, in_all / cores) <= made.seconds <= in_all
    if cores == 1:
        assert made.seconds == in_all


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4GB", 4 * GB),
        ("4 GB", 4 * GB),
        ("4gib", 4 * GB),
        ("4G", 4 * GB),
        ("500MB", 500 << 20),
        ("1.5G", 3 * GB // 2),
        ("2 TB", 2 << 40),
        ("8k", 8 << 10),
    ],
)
def test_bytes_are_written_as_people_write_them(text, number):
    assert plan.bytes_of(text) == number


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "4 giga", "1e9", "4GBs", "123", "123B", "1,5G", "much", "4G B"]
)
def test_what_is_no_number_of_bytes_is_refused(text):
    with pytest.raises(ConfigError, match=r"cannot be read\. Write it as in 4GB or 500MB"):
        plan.bytes_of(text)


def test_limits_are_read_from_the_settings_of_the_launcher():
    assert plan.limits_of({"cluster": None}) == Limits()
    given = {"workers": 2, "max_runs_per_stack": 5, "max_memory": "1GB", "partition": "x"}
    assert plan.limits_of(given) == Limits(2, 5, GB)
    assert plan.limits_of({"max_memory": "1K"}).max_memory == 1024


@pytest.mark.parametrize("key", ["workers", "max_runs_per_stack"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_below_one_is_refused(key, value):
    with pytest.raises(ConfigError, match=rf"hydra\.launcher\.{key} must be at least 1"):
        plan.limits_of({key: value})


RUNS = st.fixed_dictionaries(
    {
        "depth": st.sampled_from([1, 2, 3]),
        "steps": st.sampled_from([5, 6]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "activation": st.sampled_from(["relu", "tanh", "prelu", "maxout"]),
        "optimizer": st.sampled_from(["sgd", "adam"]),
        "seed": st.integers(0, 30),
    }
)
LIMITS = st.builds(
    Limits,
    workers=st.none() | st.integers(1, 9),
    max_runs_per_stack=st.none() | st.integers(1, 40),
    max_memory=st.none() | st.just(64 * GB),
)


def common(job: Job) -> tuple:
    config = job.config
    pieces = config.activation.name == "maxout"
    return config.depth, config.steps, config.dtype, pieces


@settings(max_examples=100, deadline=None)
@given(
    keys=st.lists(RUNS, max_size=60, unique_by=lambda keys: repr(sorted(keys.items()))),
    limits=LIMITS,
    cores=st.integers(1, 9),
    each=st.sampled_from([0.0, 1.0, 50.0]),
    draw=st.randoms(use_true_random=False),
)
def test_any_mix_of_runs_is_planned_within_all_limits(keys, limits, cores, each, draw):
    jobs = [job(**run) for run in keys]
    with world(cores=cores, each=each):
        made = plan.make(jobs, limits)
        again = plan.make(jobs, limits)
        # Some of the stacks have been interrupted; of each at least a run is missing.
        stacks = [pack.jobs for pack in made.packs if draw.random() < 0.5]
        done = {run_id(job.config) for stack in stacks for job in stack[1:] if draw.random() < 0.5}
        missing = [job for job in jobs if run_id(job.config) not in done]
        resumed = plan.make(jobs, limits, stacks, done)
    assert again == made
    assert_plan(made, jobs, limits, cores)
    written = [p.jobs[i] for p in resumed.packs for i in range(len(p.jobs)) if p.written[i]]
    assert sorted(run_id(job.config) for job in written) == sorted(
        run_id(job.config) for job in missing
    )
    for stack in stacks:
        assert stack in [pack.jobs for pack in resumed.packs]
    assert_limits(resumed, limits, cores)


def assert_plan(made: plan.Plan, jobs: list[Job], limits: Limits, cores: int) -> None:
    planned = [run_id(job.config) for pack in made.packs for job in pack.jobs]
    assert sorted(planned) == sorted(run_id(job.config) for job in jobs)
    for pack in made.packs:
        assert all(pack.written)
        assert len({common(job) for job in pack.jobs}) == 1
        assert is_contiguous(pack)
    assert_limits(made, limits, cores)


def assert_limits(made: plan.Plan, limits: Limits, cores: int) -> None:
    assert max(sizes(made), default=0) <= (limits.max_runs_per_stack or plan.MOST)
    costs = [pack.seconds for pack in made.packs]
    assert costs == sorted(costs, reverse=True)
    assert 1 <= made.workers <= max(1, min(limits.workers or cores, len(made.packs)))
    assert 1 <= made.threads <= cores
    assert math.isfinite(made.seconds)


def test_a_job_knows_the_run_id_of_its_config_also_where_it_was_sent():
    sent = job(seed=3)
    assert sent.run_id == run_id(sent.config) == pickle.loads(pickle.dumps(sent)).run_id
