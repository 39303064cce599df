"""`demo`: a seeded strategy trades a made-up tape through the real durable journal, and dies in mid-flight.

The venue and the trader are processes of their own. The trader kills itself with orders in flight, is
started again, settles them with the venue, and trades on; in the end the venue's own books and the journal
are compared.
"""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from execore.cli.demo_trader import BITCOIN, BOOK, Failed, Restarted, Session, Task, Traded, Word, venue_setup
from execore.cli.output import Advance, JsonOption, literal, out, print_json, print_rows, progress_bar, styled
from execore.core.position import position_to_dict
from execore.journal.anchor import anchor_path, read_anchor
from execore.journal.audit_log import AuditLog, Verification
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import ExecoreError, InvalidConfiguration
from execore.model.money import EXACT, text_of
from execore.runtime.addresses import journal_path
from execore.runtime.recovery import rebuild
from execore.testing.settlement import Settled
from execore.testing.venue_comparison import compare
from execore.testing.venue_process import Exchange, VenueProcess
from execore.testing.venue_wire import Books, Shown
from execore.views import queries

_UNHEARD_QUOTES: Final = 5
_SHOWN_ORDERS: Final = 12
_ORDER_COLUMNS: Final = (
    "client_order_id",
    "side",
    "order_type",
    "quantity",
    "filled",
    "average_price",
    "state",
    "flags",
)
_POSITION_COLUMNS: Final = (
    "symbol",
    "quantity",
    "average_cost",
    "cost_basis",
    "realised_pnl",
    "unrealised_pnl",
)
_SETTLED_COLUMNS: Final = ("client_order_id", "in_flight_as", "settled_as", "filled", "evidence")


class _Crash(msgspec.Struct, kw_only=True):
    """How the trader died, and what became of what it left.

    Attributes:
        quote: the number of the last that it saw.
        exit_code: of its process.
        unheard_quotes: that went by before it was started again.
        replayed: the last sequence that was recorded when it died.
        sequence: the last one when everything was settled.
    """

    quote: int
    exit_code: int
    unheard_quotes: int
    replayed: int
    sequence: int
    settled: list[Settled]


class _Run(msgspec.Struct):
    """What is left of a run: the venue's side of it, and its crash, if there was one."""

    books: Books
    shown: Shown
    crash: _Crash | None


def demo(
    journal: Annotated[
        str | None, typer.Option("--journal", "-j", help="New journal to make; execore-demo.db if none")
    ] = None,
    quotes: Annotated[int, typer.Option("--quotes", min=1, help="Length of the tape")] = 600,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same run")] = 7,
    no_crash: Annotated[bool, typer.Option("--no-crash", help="Trade to the end in one process")] = False,
    as_json: JsonOption = False,
) -> None:
    """Trade a made-up tape, die in mid-flight, settle what was in flight, and prove that nothing is lost."""
    path = _unused(Path("execore-demo.db")) if journal is None else _new(journal)
    SqliteJournal(path).close()  # what is wrong with the place is said before anything is started
    with progress_bar("trading", quotes) as bar:
        run = (_trade if no_crash else _trade_and_die)(path, seed, quotes, bar)
    verification = _verify(path)
    result = _result(path, run) | {"records": verification.records, "hash": verification.head.hash}
    result["ok"] = verification.ok and not result["venue"]["differences"]
    if as_json:
        print_json(result)
    else:
        _show(result, verification)
    if not result["ok"]:
        raise typer.Exit(1)


def _new(address: str) -> Path:
    """The file that ``address`` names. A demo in a used book would meet its own ids again, as conflicts.

    Raises:
        InvalidConfiguration: it is there already, or is no journal address.
    """
    path = journal_path(address)
    if path.exists():
        raise InvalidConfiguration("journal", f"{path} is there already", "Name a new file, or none")
    return path


def _unused(path: Path) -> Path:
    """The first of path, path-2, path-3 … that is not there: a demo never touches what is somebody's."""
    candidates = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return path if not path.exists() else next(other for other in candidates if not other.exists())


# --- trading ----------------------------------------------------------------------------------------------


def _trade(path: Path, seed: int, quotes: int, bar: Advance) -> _Run:
    """Trade to the end, with the venue in this process."""
    exchange = Exchange(venue_setup(seed, quotes))
    session = Session(path, exchange.venue, exchange.move_market, seed)
    with session.book:
        for _ in range(quotes):
            bar.to(session.trade())
        session.book.pump()
    return _Run(exchange.books(), exchange.move_market(0), None)


def _trade_and_die(path: Path, seed: int, quotes: int, bar: Advance) -> _Run:
    """Let a trader trade and die, and another life of it settle that and trade to the end.

    Raises:
        ExecoreError: a trader failed, with its own error where it has one.
    """
    with VenueProcess(venue_setup(seed, quotes)) as process, closing(process.client()) as venue:
        until = (quotes + 1) // 2
        task = Task(path=str(path), port=process.port, seed=seed, life=1, until=until, dies=True)
        crash = _Crash(quote=0, exit_code=0, unheard_quotes=0, replayed=0, sequence=0, settled=[])
        crash.exit_code = _live(task, bar, crash)
        crash.quote = venue.move_market(0).number
        crash.unheard_quotes = venue.move_market(_UNHEARD_QUOTES).number - crash.quote
        venue.close()  # the venue serves one session after the other
        _live(msgspec.structs.replace(task, life=2, until=quotes, dies=False), bar, crash)
        return _Run(venue.books(), venue.move_market(0), crash)


def _live(task: Task, bar: Advance, crash: _Crash) -> int:
    """Run one life of the trader to its end; return its exit code.

    Raises:
        ExecoreError: it did not end as it should.
    """
    failed: Failed | None = None
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "execore.cli.demo_trader"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as trader:
        try:
            for word in _words(trader, task):
                match word:
                    case Traded(number):
                        bar.to(number)
                    case Restarted(replayed, sequence, settled):
                        crash.replayed, crash.sequence, crash.settled = replayed, sequence, settled
                    case Failed():
                        failed = word
        except BaseException:
            trader.kill()
            raise
    if failed is not None:
        raise _error(failed)
    if (trader.returncode != 0) is not task.dies:
        what = f"life {task.life} of the trader ended with exit code {trader.returncode}"
        raise ExecoreError(what, "What it said on standard error says why")
    return trader.returncode


def _words(trader: subprocess.Popen[bytes], task: Task) -> Iterator[Word]:
    """Give the trader its task, and yield what it tells."""
    assert trader.stdin is not None
    assert trader.stdout is not None
    trader.stdin.write(msgspec.json.encode(task) + b"\n")
    trader.stdin.close()
    for line in trader.stdout:
        yield msgspec.json.decode(line, type=Word)


def _error(failed: Failed) -> Exception:
    """The trader's error as one of ours, of the same kind, so that the command ends as if it were here."""
    if failed.code == "system_error":
        return OSError(failed.what)
    waiting: list[type[ExecoreError]] = [ExecoreError]
    for kind in waiting:
        if kind.code == failed.code:
            error = kind.__new__(kind)
            ExecoreError.__init__(error, failed.what, failed.next_step)
            return error
        waiting += kind.__subclasses__()
    return ExecoreError(failed.what, failed.next_step)


# --- what it came to ----------------------------------------------------------------------------------------


def _verify(path: Path) -> Verification:
    """Read the file back with fresh eyes, as `execore audit verify` does."""
    with SqliteJournal(path, read_only=True) as journal:
        return AuditLog(journal, BOOK).verify(read_anchor(anchor_path(str(path))).get(BOOK))


def _result(path: Path, run: _Run) -> dict[str, Any]:
    """All of it from the journal, and what the venue says to that."""
    quote = run.shown.quote
    assert quote is not None, "the tape has a quote"
    mark = EXACT.multiply(EXACT.add(quote.bid, quote.ask), Decimal("0.5"))
    with SqliteJournal(path, read_only=True) as journal:
        state, head = rebuild(journal, BOOK)
        orders = [{key: view[key] for key in view if key != "book"} for view in queries.orders(journal)]
        comparison = compare(run.books, journal, BOOK)
    ledger = state.positions
    position = ledger.position(BITCOIN.symbol)
    return {
        "orders": orders,
        "positions": [
            position_to_dict(position) | {"unrealised_pnl": text_of(position.unrealised_pnl(mark))}
        ],
        "cash": _texts(ledger.cash()),
        "equity": _texts(ledger.equity({BITCOIN.symbol: mark})),
        "mark": text_of(mark),
        "trial_balance": _texts(ledger.trial_balance()),
        "sequence": head.sequence,
        "journal": str(path),
        "crash": msgspec.to_builtins(run.crash),
        "venue": msgspec.to_builtins(comparison),
    }


def _texts(amounts: dict[str, Decimal]) -> dict[str, str]:
    return {unit: text_of(amount) for unit, amount in amounts.items()}


# --- for people -------------------------------------------------------------------------------------------


def _show(result: dict[str, Any], verification: Verification) -> None:
    if result["crash"] is not None:
        _show_crash(result["crash"])
    _show_books(result)
    _show_proof(result, verification)
    _show_next_steps(result)


def _show_crash(crash: dict[str, Any]) -> None:
    is_signal = crash["exit_code"] < 0
    how = signal.Signals(-crash["exit_code"]).name if is_signal else f"exit code {crash['exit_code']}"
    out.print(
        f"after quote {crash['quote']} the trader killed itself in mid-flight ({how}), "
        f"and {crash['unheard_quotes']} quotes went by unheard"
    )
    out.print(
        f"the next life replayed {crash['replayed']:,} records, and asked the venue what became of the rest\n"
    )
    title = "in flight when it died, and how that was settled"
    print_rows(crash["settled"], _SETTLED_COLUMNS, title, as_json=False)
    out.print()


def _show_books(result: dict[str, Any]) -> None:
    orders = result["orders"]
    states = Counter(order["state"] for order in orders)
    title = f"the last {min(_SHOWN_ORDERS, len(orders))} of {len(orders)} orders"
    print_rows(orders[-_SHOWN_ORDERS:], _ORDER_COLUMNS, title, as_json=False)
    out.print("by state: " + ", ".join(f"{number} {state}" for state, number in sorted(states.items())))
    out.print()
    title = f"positions, valued at a mark of {result['mark']}"
    print_rows(result["positions"], _POSITION_COLUMNS, title, as_json=False)
    out.print()
    for what in ("cash", "equity"):
        amounts = ", ".join(f"{amount} {currency}" for currency, amount in result[what].items())
        out.print(f"{what}: {amounts}")


def _show_proof(result: dict[str, Any], verification: Verification) -> None:
    off = {unit: total for unit, total in result["trial_balance"].items() if total != "0"}
    out.print(f"trial balance: {off or 'exactly zero in every unit'}")
    venue = result["venue"]
    word = ("DISAGREE", "bold red") if venue["differences"] else ("agree", "green")
    held = ", ".join(f"{quantity} {symbol}" for symbol, quantity in venue["positions"].items())
    counted = f": {venue['orders']} orders, {venue['executions']} executions, position {held or 'none'}"
    out.print(styled("the venue's own books and the journal ", word, counted))
    for difference in venue["differences"]:
        out.print(f"  {literal(difference)}", soft_wrap=True)
    word = ("holds", "green") if verification.ok else ("is BROKEN", "bold red")
    out.print(
        styled("the chain ", word, f" over {verification.records:,} records, up to {verification.head.hash}")
    )


def _show_next_steps(result: dict[str, Any]) -> None:
    journal, orders = literal(result["journal"]), result["orders"]
    where = f"--journal sqlite:///{journal}"
    order = f"order {orders[-1]['client_order_id']}" if orders else "fills"
    out.print(f"\nAll of it is in {journal}. Look at it with:", soft_wrap=True)
    for command in ("orders", order, "positions", "audit show"):
        out.print(f"  execore {command} {where}", soft_wrap=True)
    out.print(f"  execore audit verify {where}", soft_wrap=True)
    out.print(f'  sqlite3 {journal} "select * from positions"', soft_wrap=True)
