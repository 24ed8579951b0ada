"""Runs are stopped at their deadline, and only then."""

import threading
import time

from audiocnn_cli.models.watchdog import Watchdog

_LONG_S = 60.0


def test_a_run_that_is_late_is_stopped_while_another_goes_on() -> None:
    watchdog = Watchdog()
    late, early = threading.Event(), threading.Event()
    with watchdog.watch(_LONG_S, early.set), watchdog.watch(0.02, late.set):
        assert late.wait(5.0)
    assert not early.is_set()


def test_a_run_that_ends_in_time_is_left_alone() -> None:
    watchdog = Watchdog()
    stopped = threading.Event()
    for _ in range(100):
        with watchdog.watch(0.05, stopped.set):
            pass
    time.sleep(0.15)
    assert not stopped.is_set()


def test_a_shorter_deadline_is_kept_after_a_longer_one() -> None:
    watchdog = Watchdog()
    with watchdog.watch(_LONG_S, lambda: None):
        pass
    stopped = threading.Event()
    start = time.monotonic()
    with watchdog.watch(0.02, stopped.set):
        assert stopped.wait(5.0)
    assert time.monotonic() - start < 5.0


def test_all_runs_share_one_thread() -> None:
    watchdog = Watchdog()
    with watchdog.watch(_LONG_S, lambda: None):
        before = threading.active_count()
        for _ in range(20):
            with watchdog.watch(_LONG_S, lambda: None):
                assert threading.active_count() == before
