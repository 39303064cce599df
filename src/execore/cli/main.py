"""The command line: thin commands over the runtime and the views. Errors are sentences, never tracebacks."""

import os
import sys
from contextlib import suppress
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from execore import __version__
from execore.cli import (
    accounts,
    audit,
    bench,
    demo,
    import_history,
    lots,
    read,
    replay,
    resolve,
    simulate,
    snapshot,
    statement,
)
from execore.cli.output import complain, out, show_everything
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


class Commands(TyperGroup):
    """Every error of every command becomes a sentence on stderr and an exit code."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line, on any terminal."""
        show_everything()
        return super().main(*args, **options)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer's own name for it
        """Run one command.

        Raises:
            typer.Exit: with the code, where it is not 0.
        """
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # at exit it would be too late to say what cannot be written
        except ExecoreError as error:
            complain(error.code, str(error))
            raise typer.Exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind))) from None
        except BrokenPipeError:
            _discard_output()  # the reader (head, less) has seen enough
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            complain("interrupted", "stopped; what was recorded so far is kept")
            raise typer.Exit(130) from None
        except OSError as error:
            _discard_output()
            complain("system_error", f"{error}. Check the path, its permissions and the free space")
            raise typer.Exit(4) from None


def _discard_output() -> None:
    """Send what is still buffered nowhere: Python would try once more at exit, and complain."""
    with suppress(OSError):  # in tests, standard output is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"execore {__version__}")
        raise typer.Exit


@app.callback()
def execore(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    """execore: an order execution core. Start with `execore demo`."""


app.command()(demo.demo)
app.command()(replay.replay)
app.command("import")(import_history.import_)
app.command()(simulate.simulate)
app.command()(read.orders)
app.command()(read.order)
app.command()(read.fills)
app.command()(read.positions)
app.command()(lots.lots)
app.command()(accounts.accounts)
app.command()(accounts.postings)
app.command()(statement.statement)
app.command()(resolve.resolve)
app.command()(snapshot.snapshot)
app.add_typer(audit.app, name="audit")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the command line."""
    app()
