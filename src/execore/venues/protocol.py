"""What a venue is to execore: four messages in, normalised reports out, and what it declares of itself."""

from enum import StrEnum
from typing import Protocol

import msgspec

from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.reports import VenueReport
from execore.model.vocabulary import Expiry


class DuplicateScope(StrEnum):
    """How long the venue refuses a client order id that it has seen before."""

    NEVER = "never"
    """It takes the same id twice: two orders."""
    OPEN = "open"
    """While the first order is open; after that the id is free again."""
    SESSION = "session"
    """Until the session or the trading day ends, closed orders included."""
    FOREVER = "forever"
    """For good: sending again cannot make a second order."""


class AmendedQuantity(StrEnum):
    """What the quantity of an amend means on the venue's wire."""

    TOTAL = "total"
    """The order's new total, what is filled included, as in FIX."""
    REMAINING = "remaining"
    """What shall rest from now on, on top of what is filled."""


class IdScope(StrEnum):
    """What the venue's ids are unique over."""

    BOOK = "book"
    SYMBOL = "symbol"
    TRADE_DATE = "trade_date"
    ORDER = "order"


class QueryAnswer(StrEnum):
    """Whether the venue knows the order it was asked for."""

    FOUND = "found"
    """What it knows is among the next reports."""
    NOT_FOUND = "not_found"
    """It was not found where it was looked for, which is no proof of anything."""
    ABSENT = "absent"
    """It is not among open orders, nor closed ones, nor fills: all were searched. A proof, once the venue's
    visibility lag is over."""
    REFUSED = "refused"
    """All were searched, and it is only among those that were refused: none of its id was ever in force. As
    good as ABSENT; that it was refused is among the next reports."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue can do and promises. Nothing is assumed: an adapter states every line.

    Attributes:
        duplicate_client_id_scope: over what it refuses a client order id it has seen.
        lookup_by_client_order_id: an order can be asked for by our id.
        lookup_closed: orders that are filled, cancelled, expired or rejected can be asked for too.
        visibility_lag_seconds: how long a new order may stay invisible to queries; "not found" before that
            proves nothing. Whole seconds, rounded up.
        replays_executions_on_reconnect: executions missed while disconnected come again by themselves.
        supports_amend: it changes orders in place; otherwise an amend is refused before it is sent.
        amended_quantity: what the quantity of an amend means to it. An adapter converts; ours is the total.
        order_id_scope: what its order ids are unique over.
        execution_id_scope: what its execution ids are unique over.
        cancels_on_disconnect: it cancels our open orders when the connection drops.
        day_expiry, good_till_date_expiry: who ends orders of that time in force, and whether it says so.
            Where that is ours, the adapter sends them as good till cancel.
        expiry_lateness_seconds: how long after an order's end its word of that may take, the error of its
            clock included. Whole seconds, rounded up.
        late_report_window_seconds: how long after an order's end reports on it may still come. Whole
            seconds, rounded up.
    """

    duplicate_client_id_scope: DuplicateScope
    lookup_by_client_order_id: bool
    lookup_closed: bool
    visibility_lag_seconds: int
    replays_executions_on_reconnect: bool
    supports_amend: bool
    amended_quantity: AmendedQuantity
    order_id_scope: IdScope
    execution_id_scope: IdScope
    cancels_on_disconnect: bool
    day_expiry: Expiry
    good_till_date_expiry: Expiry
    expiry_lateness_seconds: int
    late_report_window_seconds: int


class Venue(Protocol):
    """A venue as the shell sees it: hand a message over, collect reports.

    Every call that talks to the venue raises an error of the ``VenueError`` tree (``model.failures``) when
    it fails; the error's own ``outcome`` says whether a write was certainly not sent, refused, or may have
    happened. To return without an error means handed over, not accepted: that comes as a report.
    """

    @property
    def name(self) -> str:
        """The venue's name, as it appears in the actor of its reports: ``venue:<name>``."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do and promises; constant."""
        ...

    def submit(self, message: SendOrder) -> None:
        """Hand over a new order.

        Raises:
            VenueError: it failed; see ``outcome``.
        """
        ...

    def cancel(self, message: SendCancel) -> None:
        """Hand over a request to cancel what is left of an order.

        Raises:
            VenueError: it failed; see ``outcome``.
        """
        ...

    def amend(self, message: SendAmend) -> None:
        """Hand over a request for new terms; ``quantity`` is the new total.

        Raises:
            VenueError: it failed; see ``outcome``.
        """
        ...

    def query(self, message: QueryOrder) -> QueryAnswer:
        """Ask what the venue knows of an order; when found, ``take_reports`` has it from the first report on.

        Raises:
            VenueError: there was no answer.
        """
        ...

    def mass_status(self, since_ts_ns: int) -> None:
        """Ask for everything: ``take_reports`` then has every open order, and what happened to any order
        since ``since_ts_ns`` (integer nanoseconds UTC), executions above all. Telling more does no harm.

        Raises:
            VenueError: there was no answer.
        """
        ...

    def take_reports(self) -> list[VenueReport]:
        """All reports that arrived and are not confirmed, oldest first; empty when there are none.

        Raises:
            VenueError: the connection that brings them is gone for good.
        """
        ...

    def confirm_reports(self) -> None:
        """What ``take_reports`` returned last is on stable storage here: it need not be told again.

        It never fails: a report that is told again is known by its content.
        """
        ...
