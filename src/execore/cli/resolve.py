"""`resolve`: an operator says what became of an order, or of a request, that nothing else can tell about."""

import getpass
from typing import Annotated, Any

import typer

from execore.cli.output import (
    BookOption,
    JournalOption,
    JsonOption,
    literal,
    out,
    print_json,
    reading,
)
from execore.model.answers import Answer
from execore.model.errors import InvalidInput
from execore.model.orders import Order, order_to_dict
from execore.model.vocabulary import Resolution, to_word
from execore.runtime.book import Book, open_book

_SHOWN = ("state", "flags", "filled", "leaves", "venue_order_id", "reason")


def resolve(
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="Client order id")],
    resolution: Annotated[str, typer.Option("--as", help="absent: the venue never had it; live: it has it")],
    reason: Annotated[str, typer.Option("--reason", help="How you know; it is recorded")],
    request: Annotated[
        str, typer.Option("--request", help="The cancel or amend meant, if it is not the order: absent only")
    ] = "",
    venue_order_id: Annotated[
        str, typer.Option("--venue-order-id", help="The venue's id of a live order")
    ] = "",
    actor: Annotated[str, typer.Option("--actor", help="Who says so; operator:LOGIN if not given")] = "",
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    as_json: JsonOption = False,
) -> None:
    """Settle an UNKNOWN order, or a cancel or amend of unknown outcome. No process may have the book open."""
    said = to_word(resolution.lower(), Resolution, "as")
    with reading(journal, book):
        pass  # to own a journal makes a file that is not there
    with open_book(journal, book, tends_groups=False) as opened:
        before = order_to_dict(_found(opened, order_id))
        answer = opened.resolve(
            order_id,
            said,
            reason=reason,
            request_id=request,
            venue_order_id=venue_order_id,
            actor=actor or _operator(),
        )
        after = order_to_dict(_found(opened, order_id))
    _raise_refusal(answer)
    if as_json:
        print_json({"outcome": answer.outcome, "before": before, "after": after})
        return
    out.print(literal(f"{order_id}: {answer.outcome.replace('_', ' ')}"))
    for name in _SHOWN:
        if before[name] or after[name]:
            out.print(literal(f"{name.replace('_', ' '):>16}  {_change(before[name], after[name])}"))


def _operator() -> str:
    """Who is at the keyboard, as far as the system knows."""
    try:
        return f"operator:{getpass.getuser()}"
    except (OSError, KeyError):  # no such user in a container
        return "operator"


def _raise_refusal(answer: Answer) -> None:
    refusal = answer.refusal
    if not answer.ok and refusal is not None:
        allowed = ", ".join(refusal.allowed) or "nothing"
        raise InvalidInput("ORDER", refusal.message, f"What the order takes now: {allowed}")


def _change(before: Any, after: Any) -> str:
    was, now = (
        (", ".join(value) if isinstance(value, list) else str(value or "")) or "-"
        for value in (before, after)
    )
    return was if was == now else f"{was} -> {now}"


def _found(book: Book, order_id: str) -> Order:
    """The order, however long ago it ended.

    Raises:
        UnknownOrder: there never was one.
    """
    return book.find_order(order_id) or book.orders.get(order_id)
