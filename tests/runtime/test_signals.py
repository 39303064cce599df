"""A process that has its books closed when a signal comes: it ends when it should, and not before."""

import subprocess
import sys
from pathlib import Path

from runtime_support.threaded_venue import PATIENCE

PROGRAM = """
import signal, sys, threading
from execore.runtime.runtime import open_runtime
from execore.runtime.signals import closing_on_signals

runtime = open_runtime(sys.argv[1])
held = closing_on_signals(runtime, signals=(signal.SIGTERM,))
held.__enter__()  # and nobody leaves it, as in a shell
"""
CLOSED = "runtime.close()\n"
# The main thread ends at once: what a signal began is gone on with, and only then the process ends.
SIGNALLED = """
close = runtime.close
begun = threading.Event()
def slowly(**options):
    begun.set()
    threading.main_thread().join()
    close(**options)
    print("closed")
runtime.close = slowly
signal.raise_signal(signal.SIGTERM)
begun.wait()
"""


def run(tmp_path: Path, then: str) -> str:
    command = [sys.executable, "-c", PROGRAM + then, str(tmp_path / "book.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout


def test_a_process_that_closed_its_books_ends_though_no_signal_came(tmp_path: Path) -> None:
    assert run(tmp_path, CLOSED) == ""


def test_a_process_does_not_end_while_a_signal_has_its_books_closed(tmp_path: Path) -> None:
    assert run(tmp_path, SIGNALLED) == "closed\n"
