"""The command line: thin commands over the runtime and the views. Errors are sentences, never tracebacks."""

import sys
from typing import Final

import typer

from execore.cli import audit, bench, demo, read, replay
from execore.cli.output import complain
from execore.model.errors import (
    ExecoreError,
    InputFileError,
    InvalidInput,
    JournalError,
    MissingExtra,
)

EXIT_CODES: Final[tuple[tuple[type[ExecoreError], int], ...]] = (
    (InvalidInput, 3),
    (InputFileError, 3),
    (MissingExtra, 3),
    (JournalError, 4),
    (ExecoreError, 5),
)
"""0 is success, 1 a check that found something wrong, 2 a command line that cannot be read."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="execore: an order execution core. Start with `execore demo`.",
)
app.command()(demo.demo)
app.command()(replay.replay)
app.command()(read.orders)
app.command()(read.order)
app.command()(read.fills)
app.command()(read.positions)
app.add_typer(audit.app, name="audit")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the command line; every execore error becomes a sentence on stderr and an exit code."""
    try:
        app()
    except ExecoreError as error:
        complain(error.code, str(error))
        sys.exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind)))
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain once more when flushing at exit.
        sys.stdout = None
        sys.exit(0)
    except KeyboardInterrupt:
        complain("interrupted", "stopped; what was recorded so far is kept")
        sys.exit(130)
    except OSError as error:
        complain("system_error", f"{error}. Check the path, its permissions and the free space")
        sys.exit(4)
