"""Worker processes: what they say, how they die and are replaced, and that none is left behind."""

from __future__ import annotations

import gc
import os
import pickle
import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import torch  # or each forked worker would import it for itself

import chores
from chores import Chore
from orphans import assert_gone
from vgrad.errors import StoreError, VgradError
from vgrad.interrupt import orderly
from vgrad.workers import Died, Done, Failed, Message, Pool, Started, WorkerError

PRELOAD = ("torch",)
CONTEXTS = ["forkserver", "fork"]


def never() -> bool:
    return False


@pytest.fixture
def pool() -> Iterator[Pool[Chore, Any]]:
    """One worker."""
    with Pool(chores.do, 1, 1, PRELOAD) as pool:
        yield pool


@pytest.fixture
def two() -> Iterator[Pool[Chore, Any]]:
    """Two workers."""
    with Pool(chores.do, 2, 1, PRELOAD) as pool:
        yield pool


def carried_out(pool: Pool[Chore, Any], *tasks: Chore) -> list[Any]:
    """All that comes of these tasks."""
    for task in tasks:
        pool.add(task)
    return list(pool.events(never))


def test_a_task_is_begun_reports_and_is_done(pool):
    assert carried_out(pool, Chore("count", 2), Chore("double", 21)) == [
        Started(0),
        Message(0, 0),
        Message(0, 1),
        Done(0, 2),
        Started(1),
        Done(1, 42),
    ]


def test_without_tasks_nothing_happens(pool):
    assert list(pool.events(never)) == []


def test_a_task_can_be_added_while_others_are_carried_out(pool):
    assert pool.add(Chore("double", 1)) == 0
    results = []
    for event in pool.events(never):
        if isinstance(event, Done):
            results.append(event.result)
            if len(results) < 4:
                assert pool.add(Chore("double", event.result)) == len(results)
    assert results == [2, 4, 8, 16]


def test_after_the_last_event_there_can_be_another_round(pool):
    assert carried_out(pool, Chore("who"))[1:] == [Done(0, worker := one_result(pool))]
    assert one_result(pool) == worker


def one_result(pool: Pool[Chore, Any]) -> int:
    (event,) = (event for event in carried_out(pool, Chore("who")) if isinstance(event, Done))
    result: int = event.result
    return result


def test_two_workers_are_at_work_at_once(two, tmp_path):
    flag = tmp_path / "flag"
    for _ in range(2):
        two.add(Chore("wait_for_file", flag))
    said = []
    for event in two.events(never):
        if isinstance(event, Message):
            said.append(event.payload)
            if len(said) == 2:
                flag.touch()
    assert len(set(said)) == 2


def test_tasks_are_begun_in_the_order_in_which_they_were_added(pool):
    events = carried_out(pool, *(Chore("double", number) for number in range(20)))
    assert [event for event in events if isinstance(event, Started)] == [
        Started(number) for number in range(20)
    ]


def test_two_workers_do_every_task_once(two):
    events = carried_out(two, *(Chore("double", number) for number in range(50)))
    done = [event for event in events if isinstance(event, Done)]
    assert sorted(done, key=lambda event: event.task) == [Done(n, 2 * n) for n in range(50)]


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_task_and_its_result_may_be_far_larger_than_a_pipe_holds(context):
    with Pool(chores.do, 2, 1, PRELOAD, context) as pool:
        events = carried_out(pool, *[Chore("double", 1 << 40_000_000)] * 3)
    assert [event.result == 1 << 40_000_001 for event in events if isinstance(event, Done)] == [
        True
    ] * 3


def test_what_a_task_raises_comes_with_the_traceback_of_the_worker(pool):
    *_, failed, _, done = carried_out(pool, Chore("fail", StoreError("no")), Chore("double", 1))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, StoreError)
    assert str(failed.error) == "no"
    assert "in fail\n    raise error" in failed.error.__notes__[0]
    assert done == Done(1, 2)


def test_an_error_that_cannot_be_sent_is_told_in_words(pool):
    _, failed = carried_out(pool, Chore("fail_oddly"))
    assert type(failed.error) is RuntimeError
    assert str(failed.error) == "UnportableError: this and that"
    assert "in fail_oddly" in failed.error.__notes__[0]


def test_a_result_that_cannot_be_sent_is_a_failure(pool):
    _, failed = carried_out(pool, Chore("return_oddly"))
    assert isinstance(failed, Failed)
    assert "lambda" in str(failed.error)


def test_a_task_that_cannot_be_sent_is_refused_at_once(pool):
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        carried_out(pool, Chore("double", lambda: None))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_that_is_killed_is_replaced(number, pool):
    events = carried_out(pool, Chore("double", 1), Chore("die", int(number)), Chore("double", 3))
    assert events[2:] == [
        Started(1),
        Message(1, "last words"),
        Died(1, -number),
        Started(2),
        Done(2, 6),
    ]


def test_a_forked_worker_that_is_killed_is_replaced():
    with Pool(chores.do, 1, 1, (), "fork") as pool:
        events = carried_out(pool, Chore("die", int(signal.SIGKILL)), Chore("double", 3))
    assert events[2:] == [Died(0, -9), Started(1), Done(1, 6)]


def test_a_worker_that_leaves_is_replaced_however_often(pool):
    events = carried_out(pool, *[Chore("leave", code) for code in range(5)])
    assert [event for event in events if not isinstance(event, Started)] == [
        Died(code, code) for code in range(5)
    ]


def test_a_task_that_ends_the_worker_that_reads_it_counts_as_begun(pool):
    events = carried_out(pool, Chore("double", chores.Poison()), Chore("double", 1))
    assert events == [Started(0), Died(0, 7), Started(1), Done(1, 2)]


def test_the_neighbours_of_a_worker_that_dies_go_on(two, tmp_path):
    flag = tmp_path / "flag"
    two.add(Chore("wait_for_file", flag))
    two.add(Chore("die", int(signal.SIGKILL)))
    two.add(Chore("double", 4))
    events = []
    for event in two.events(never):
        events.append(event)
        if event == Done(2, 8):
            flag.touch()
    assert Died(1, -9) in events
    assert isinstance(events[-1], Done)
    assert events[-1].task == 0


def test_a_worker_that_is_killed_while_it_is_idle_is_replaced(pool):
    worker = one_result(pool)
    os.kill(worker, signal.SIGKILL)
    assert_gone(worker)
    assert one_result(pool) not in (worker, os.getpid())


@pytest.mark.parametrize("context", CONTEXTS)
def test_workers_that_never_take_a_task_are_not_replaced_for_ever(context):
    with Pool(chores.do, 2, 1, ("no_such_module",), context) as pool:
        with pytest.raises(WorkerError, match="the last with exit code 1") as raised:
            carried_out(pool, Chore("double", 1), Chore("double", 2))
        assert isinstance(raised.value, VgradError)
    assert raised.value.exit_status == 1


@pytest.mark.parametrize("context", CONTEXTS)
def test_once_it_should_stop_running_tasks_end_in_order_and_no_other_is_begun(context):
    heard: list[Any] = []
    with Pool(chores.do, 2, 1, PRELOAD, context) as pool:
        for _ in range(5):
            pool.add(Chore("wait_for_stop"))
        for event in pool.events(lambda: any(isinstance(each, Message) for each in heard)):
            heard.append(event)
    begun = {event.task for event in heard if isinstance(event, Started)}
    done = {event.task for event in heard if event == Done(event.task, "in order")}
    assert begun
    assert begun == done <= {0, 1}


def test_where_it_should_stop_from_the_start_no_worker_starts(pool):
    before = psutil.Process().children(recursive=True)
    pool.add(Chore("double", 1))
    assert list(pool.events(lambda: True)) == []
    assert psutil.Process().children(recursive=True) == before


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_reaches_all_is_left_to_the_main_process(number, context):
    events = []
    with orderly() as stop, Pool(chores.do, 1, 1, PRELOAD, context) as pool:
        pool.add(Chore("wait_for_stop"))
        for event in pool.events(stop.asked):
            events.append(event)
            if isinstance(event, Message):
                os.kill(event.payload, number)
                os.kill(os.getpid(), number)
    assert events[-1] == Done(0, "in order")


@pytest.mark.parametrize("context", CONTEXTS)
def test_leaving_by_an_exception_kills_the_workers_in_their_tasks(context):
    numbers: list[int] = []

    def leave() -> None:
        with Pool(chores.do, 2, 1, PRELOAD, context) as pool:
            for _ in range(2):
                pool.add(Chore("wait_for_stop"))
            for event in pool.events(never):
                numbers.extend([event.payload] if isinstance(event, Message) else [])
                if len(numbers) == 2:
                    raise KeyError

    with pytest.raises(KeyError):
        leave()
    assert_gone(*numbers)


def test_leaving_before_the_last_event_kills_the_workers_too():
    with Pool(chores.do, 1, 1, PRELOAD) as pool:
        pool.add(Chore("wait_for_stop"))
        number = next(event.payload for event in pool.events(never) if isinstance(event, Message))
    assert_gone(number)


def test_a_pool_that_is_dropped_kills_its_workers():
    pool = Pool(chores.do, 1, 1, PRELOAD).__enter__()
    number = one_result(pool)
    del pool
    gc.collect()
    assert_gone(number)


@pytest.mark.parametrize("threads", [1, 2])
def test_torch_uses_the_threads_that_were_set(threads):
    with Pool(chores.do, 1, threads, PRELOAD) as pool:
        assert carried_out(pool, Chore("threads"))[-1] == Done(0, (threads, 300.0**3))


def test_a_forked_worker_computes_although_the_main_process_used_all_its_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert float((torch.ones(500, 500) @ torch.ones(500, 500)).sum()) == 500.0**3
        with Pool(chores.do, 1, 1, (), "fork") as pool:
            assert carried_out(pool, Chore("threads"))[-1] == Done(0, (1, 300.0**3))
    finally:
        torch.set_num_threads(before)


def test_a_forked_worker_has_what_the_main_process_added_since(monkeypatch):
    monkeypatch.setattr(chores, "late", lambda *_: "late", raising=False)
    with Pool(chores.do, 1, 1, (), "fork") as pool:
        assert carried_out(pool, Chore("late"))[-1] == Done(0, "late")


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_worker_ignores_the_signals_but_blocks_none(context):
    with Pool(chores.do, 1, 1, PRELOAD, context) as pool:
        found = carried_out(pool, Chore("survey"))[-1].result
    assert found["ignored"] == [True, True]
    assert found["blocked"] == []
