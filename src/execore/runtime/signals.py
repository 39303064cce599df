"""An orderly end when the operating system asks for one: SIGTERM from a service manager, Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Final

from execore.runtime.runtime import Runtime

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def closing_on_signals(
    runtime: Runtime,
    *,
    cancel_open: bool = False,
    timeout_seconds: float = 10.0,
    signals: tuple[signal.Signals, ...] = SIGNALS,
) -> Iterator[None]:
    """Close ``runtime`` when one of ``signals`` comes while the block runs; what was set before is put back.

    Python takes signals on the main thread, so the block has to run there. The runtime is closed on a thread
    of its own, as a signal may come at any instruction: wait for that with ``runtime.wait_closed()``, or
    ``await runtime.await_closed()`` in a coroutine, where the main thread has to turn the event loop. A
    second signal while it closes is ignored: every wait in it has an end.

    Args:
        cancel_open, timeout_seconds: as for ``Runtime.close``.

    Raises:
        ValueError: not on the main thread.
    """
    asked: SimpleQueue[bool] = SimpleQueue()  # a signal may come while any lock is held: this has none

    def close() -> None:
        runtime.close(cancel_open=cancel_open, timeout_seconds=timeout_seconds)

    def wait() -> None:
        if asked.get():
            try:  # not a daemon: the process is to end after the books are closed
                threading.Thread(target=close, name="execore closing", daemon=False).start()
            except RuntimeError:  # the system gives none
                close()

    def on_signal(number: int, frame: object) -> None:
        asked.put(True)

    waiting = threading.Thread(target=wait, name="execore waiting for a signal", daemon=True)
    before = {each: signal.signal(each, on_signal) for each in signals}
    try:
        waiting.start()
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        asked.put(False)
        if waiting.ident is not None:
            waiting.join()  # by then, what a signal asked for has begun
