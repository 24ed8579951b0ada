"""Workers that crash, hang or are killed: the other inputs are done."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.inputs import Bundler, Pending, largest_first
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.pool import ProcessPool
from audiocnn_cli.batch.run import Workers, run_batch
from audiocnn_cli.errors import AudiocnnError, FailureKind, InputError, OutputError
from tests.batch_tasks import Echo, NeverReady, NotHere, sources

TWO = Workers(jobs=2)
_LONGEST_S = 60


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    """Fail a test whose batch does not end."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"still not done after {_LONGEST_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_LONGEST_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def kinds(outcomes: list[str | Failure]) -> list[str]:
    """The result or the kind of failure of each input."""
    return [o.kind if isinstance(o, Failure) else o for o in outcomes]


@pytest.mark.parametrize("in_order", [True, False])
def test_everything_else_is_done(in_order: bool) -> None:
    names = ["a", "die-1", "b", "corrupt-2", "c", "bug-3", "d", "die-4"]
    missing = InputError("gone", FailureKind.NOT_FOUND, "no such file")
    outcomes = list(run_batch([*sources(*names), missing], Echo(), workers=TWO, in_order=in_order))
    expected = ["a", "crashed", "b", "corrupt", "c", "internal", "d", "crashed", "not_found"]
    if in_order:
        assert kinds(outcomes) == expected
    assert sorted(kinds(outcomes)) == sorted(expected)
    (first, _) = (o for o in outcomes if isinstance(o, Failure) and o.kind == "crashed")
    assert "SIGSEGV, twice" in first.message


def test_a_crash_is_tried_again_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    names = ["kill-once-1", *map(str, range(20))]
    outcomes = list(run_batch(sources(*names), Echo(log, seconds=0.01), workers=TWO))
    assert outcomes == names
    calls = log.read_text().splitlines()
    assert calls.count("kill-once-1") == 2
    assert sorted(calls) == sorted([*names, "kill-once-1"])


def test_what_waited_behind_a_crash_is_done_by_others() -> None:
    # A quick worker has several inputs in its pipe when one crashes it.
    names = [f"die-{i}" if i % 9 == 5 else str(i) for i in range(60)]
    outcomes = list(run_batch(sources(*names), Echo(), workers=Workers(jobs=1)))
    assert kinds(outcomes) == ["crashed" if "die" in name else name for name in names]


def test_quick_inputs_wait_in_the_pipe_and_long_ones_do_not() -> None:
    quick, slow = ProcessPool(Echo(), jobs=1), ProcessPool(Echo(seconds=0.2), jobs=1)
    for pool, slots in ((quick, [2, 4, 8, 9, 9]), (slow, [1, 1, 1])):
        for number, expected in enumerate(slots):
            pool.submit(number, Source(str(number)))
            pool.collect()
            assert pool.slots == expected
        pool.close()


def test_a_bundle_is_expected_to_take_no_longer_than_its_limit() -> None:
    def room(size: int, *, behind: int) -> bool:
        return bundler.has_room([Pending(0, Source("a"), 100)] * behind, Pending(1, Source("b"), size))

    bundler = Bundler(limit_s=0.05, most=4)
    assert room(100, behind=0)
    assert not room(100, behind=1)  # nothing has been measured
    for count in (2, 4, 4):
        bundler.learn(0.01, 100)
        assert bundler.count == count
    assert room(100, behind=3)
    assert not room(100, behind=4)
    assert room(400, behind=1)
    assert not room(401, behind=1)  # 0.01 s, then 0.0401 s
    assert room(10_000, behind=0)
    bundler.learn(0.03, 100)
    assert bundler.count == 1


@pytest.mark.parametrize("quick", ["corrupt", "tiny"])
def test_long_inputs_behind_quick_ones_are_shared_out(tmp_path: Path, quick: str) -> None:
    # Three workers are busy while the fourth has quick inputs; then long ones follow.
    names = [*["slow"] * 3, *[quick] * 20, *["slow"] * 9]
    paths = [tmp_path / f"{name}-{number}" for number, name in enumerate(names)]
    for path in paths:
        path.write_bytes(b"x" * (10_000 if "slow" in path.name else 1))
    start = time.monotonic()
    task = Echo(slow_s=0.4)
    outcomes = list(run_batch(sources(*map(str, paths)), task, workers=Workers(jobs=4)))
    assert len(outcomes) == 32
    # 1.2 s shared out by four; 3.6 s if the fourth has nine of them.
    assert time.monotonic() - start < 2.4


def test_names_that_no_pipe_holds_do_not_stop_it() -> None:
    names = [*(str(i) for i in range(20)), *(f"{i}-{'x' * 120_000}" for i in range(40))]
    assert list(run_batch(sources(*names), Echo(), workers=TWO)) == names


def test_work_that_can_not_begin_ends_the_batch() -> None:
    for several in (sources("a"), sources("a", "b")):
        with pytest.raises(AudiocnnError, match=r"can't begin \(ImportError: no such library"):
            list(run_batch(several, NotHere(), workers=Workers(jobs=2, timeout_s=9.0)))


def test_a_file_that_hangs_is_stopped() -> None:
    start = time.monotonic()
    names = ["hang-1", "a", "b", "hang-2", "c"]
    outcomes = list(run_batch(sources(*names), Echo(), workers=Workers(jobs=2, timeout_s=0.4)))
    assert kinds(outcomes) == ["timeout", "a", "b", "timeout", "c"]
    assert time.monotonic() - start < 5


def test_a_single_input_has_a_worker_when_it_may_hang() -> None:
    (outcome,) = run_batch(sources("hang"), Echo(), workers=Workers(timeout_s=0.2))
    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.TIMEOUT


def test_what_is_not_about_one_input_ends_the_batch() -> None:
    with pytest.raises(OutputError, match="full-1: the disk is full"):
        list(run_batch(sources("a", "full-1", "b"), Echo(), workers=TWO))


def test_workers_that_never_begin_end_the_batch() -> None:
    with pytest.raises(AudiocnnError, match=r"die before they begin.*SIGKILL"):
        list(run_batch(sources("a", "b"), NeverReady(), workers=TWO))


def test_inputs_are_read_as_they_are_needed() -> None:
    read = 0

    def names() -> object:
        nonlocal read
        for read in range(1, 1_000_001):
            yield Source(str(read))

    outcomes = run_batch(names(), Echo(), workers=TWO)  # type: ignore[arg-type]  # a generator of sources
    assert [next(outcomes) for _ in range(3)] == ["1", "2", "3"]
    assert read < 100
    outcomes.close()


def test_little_waits_for_a_slow_input(tmp_path: Path) -> None:
    log = tmp_path / "log"
    names = ["hang", *map(str, range(500))]
    workers = Workers(jobs=2, timeout_s=1.0)
    outcomes = run_batch(sources(*names), Echo(log), workers=workers)
    assert isinstance(next(iter(outcomes)), Failure)
    assert len(log.read_text().splitlines()) < 60
    assert list(outcomes) == names[1:]


def test_the_largest_first(tmp_path: Path) -> None:
    sizes = [(i * 37) % 1000 for i in range(600)]
    found: list[Source | InputError] = [InputError("gone", FailureKind.NOT_FOUND, "no such file")]
    for i, size in enumerate(sizes):
        (tmp_path / f"{i}.wav").write_bytes(bytes(size))
        found.append(Source(str(tmp_path / f"{i}.wav")))
    ordered = list(largest_first(found))
    assert sorted(item.path for item in ordered) == sorted(item.path for item in found)
    assert ordered[0].path == str(tmp_path / f"{sizes.index(max(sizes[:256]))}.wav")
    assert ordered[-1].path in ("gone", str(tmp_path / f"{sizes.index(0)}.wav"))
    last = [Path(item.path).stat().st_size for item in ordered[-256:] if item.path != "gone"]
    assert last == sorted(last, reverse=True)


def test_results_larger_than_a_pipe() -> None:
    names = ["a", "die-1", "b", "c"]
    outcomes = list(run_batch(sources(*names), Echo(size=5_000_000), workers=TWO))
    assert [len(o) if isinstance(o, str) else o.kind for o in outcomes] == [
        5_000_001,
        "crashed",
        5_000_001,
        5_000_001,
    ]


@pytest.mark.slow
def test_workers_killed_at_any_moment() -> None:
    """Killed workers do not end the batch: each input is done, or is a failure."""
    count, stop = 1500, threading.Event()
    pool = ProcessPool(Echo(size=20_000), jobs=2)

    def kill_some() -> None:
        rng = random.Random(7)  # noqa: S311 (no secret)
        while not stop.wait(0.004):
            for worker in pool._workers.copy():
                if worker.ready and rng.random() < 0.3:
                    try:
                        os.kill(worker.process.pid or 0, signal.SIGKILL)
                    except ProcessLookupError:
                        continue

    # Started first, so that the pool counts a second thread and does not fork under it.
    killer = threading.Thread(target=kill_some, daemon=True)
    killer.start()
    finished: dict[int, bool] = {}
    ticket = 0
    in_work = 0
    while len(finished) < count:
        while ticket < count and in_work < 2:
            pool.submit(ticket, Source(str(ticket)))
            ticket, in_work = ticket + 1, in_work + 1
        for done, attempt in pool.collect():
            in_work -= 1
            assert done not in finished
            crashed = isinstance(attempt.outcome, Failure)
            assert crashed or attempt.outcome[: len(str(done))] == str(done)  # type: ignore[index]  # a str then
            finished[done] = crashed
    stop.set()
    killer.join()
    pool.close()
    assert 0 < sum(finished.values()) < count
