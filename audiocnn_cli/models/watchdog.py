"""Runs that must end. One thread looks after all of them: a timer for each costs more than a short run."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watchdog:
    """Stops what takes too long; its thread sleeps until the earliest deadline that it has heard of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._runs: dict[object, tuple[float, Callable[[], None]]] = {}
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, seconds: float, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop`, on another thread, if the block takes longer than `seconds`."""
        run = object()
        deadline = time.monotonic() + seconds
        with self._lock:
            self._runs[run] = deadline, stop
            sooner = deadline < self._wakes_at
            if self._thread is None:
                thread = threading.Thread(target=self._look_after, daemon=True)
                thread.start()
                self._thread = thread
        if sooner:
            self._changed.set()
        try:
            yield
        finally:
            with self._lock:
                self._runs.pop(run, None)

    def _look_after(self) -> None:
        while True:
            with self._lock:
                now = time.monotonic()
                for run, (deadline, stop) in list(self._runs.items()):
                    if deadline <= now:
                        stop()
                        del self._runs[run]
                self._wakes_at = min((d for d, _ in self._runs.values()), default=math.inf)
            sleep_s = self._wakes_at - now
            self._changed.wait(None if math.isinf(sleep_s) else sleep_s)
            self._changed.clear()
