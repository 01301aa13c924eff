"""Planning once more: stacks that were interrupted, and stacks that the memory did not hold."""

from __future__ import annotations

import pytest

from planning import job, seeds, sizes, world
from vgrad import plan
from vgrad.config import run_id
from vgrad.pack import Pack
from vgrad.plan import Limits


def test_an_interrupted_stack_is_planned_as_it_was():
    stack = tuple(reversed(seeds(6)))
    missing = [stack[0], stack[3], stack[5]]
    with world(each=1.0):
        made = plan.make([*missing, *seeds(3, activation="relu")], Limits(), [stack])
    (same,) = [pack for pack in made.packs if pack.jobs == stack]
    assert same.written == (True, False, False, True, False, True)
    others = [job for pack in made.packs if pack is not same for job in pack.jobs]
    assert {job.config.activation.name for job in others} == {"relu"}
    assert len(others) == 3


def test_an_interrupted_stack_is_not_divided_for_more_cores():
    stack = tuple(seeds(6))
    with world(each=100.0):
        made = plan.make(stack, Limits(), [stack])
    assert [pack.jobs for pack in made.packs] == [stack]


@pytest.mark.parametrize(("before", "others"), [(2, 1), (8, 1), (32, 3), (3, 8)])
def test_an_interrupted_stack_and_new_runs_are_planned_together_on_many_cores(before, others):
    stack = tuple(seeds(before))
    new = seeds(others, activation="relu")
    with world(cores=16, each=1000.0):
        made = plan.make([*stack, *new], Limits(), [stack])
    assert stack in [pack.jobs for pack in made.packs]
    assert sum(sizes(made)) == before + others
    assert len(made.packs) >= 1 + (others > 1)


def test_a_run_that_two_old_stacks_claim_is_written_once():
    first, second, third = seeds(3)
    with world():
        made = plan.make([first, second, third], Limits(), [(first, second), (second, third)])
    named = [
        run_id(job.config)
        for pack in made.packs
        for job, written in zip(pack.jobs, pack.written, strict=True)
        if written
    ]
    assert sorted(named) == sorted(run_id(job.config) for job in (first, second, third))


def test_halves_keep_the_runs_in_order_and_what_is_written():
    jobs = tuple(seeds(5))
    written = (True, False, True, False, True)
    with world(each=1.0):
        first, second = plan.halves(Pack(jobs, written, 5.0, "x"))
    assert (first.jobs, second.jobs) == (jobs[:2], jobs[2:])
    assert (first.written, second.written) == (written[:2], written[2:])
    assert (first.seconds, second.seconds) == (2.0, 3.0)


def test_a_half_of_which_nothing_is_written_is_not_made():
    jobs = tuple(seeds(4))
    with world():
        (half,) = plan.halves(Pack(jobs, (False, False, False, True), 1.0, "x"))
    assert half.jobs == jobs[2:]
    assert half.written == (False, True)


@pytest.mark.parametrize("count", range(1, 13))
def test_a_stack_that_was_not_begun_is_made_as_it_would_have_been(count):
    """To the last bit a run's numbers may depend on the size of its stack."""
    jobs, limits = seeds(13), Limits(max_runs_per_stack=3)
    with world():
        whole = plan.make(jobs, limits)
        done = {run_id(job.config) for pack in whole.packs[:count] for job in pack.jobs}
        rest = plan.make(jobs, limits, done=done)
    assert [pack.jobs for pack in rest.packs] == [pack.jobs for pack in whole.packs[count:]]


def test_few_stacks_that_are_left_are_not_divided_for_the_cores():
    jobs = [job(depth=depth, seed=seed) for depth in range(1, 9) for seed in range(6)]
    with world(cores=4, each=100.0):
        whole = plan.make(jobs, Limits())
        done = {run_id(j.config) for pack in whole.packs[1:] for j in pack.jobs}
        rest = plan.make(jobs, Limits(), done=done)
    assert [pack.jobs for pack in rest.packs] == [whole.packs[0].jobs]
    assert rest.threads == whole.threads
