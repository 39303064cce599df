"""What kind of venue, wire and process a run has: drawn from the seed before anything happens."""

from decimal import Decimal
from typing import Final

import msgspec

from execore.model.instruments import Instrument
from execore.model.vocabulary import Expiry, InstrumentKind
from execore.testing.simulation.dice import Dice
from execore.venues.protocol import AmendedQuantity, Capabilities, DuplicateScope, IdScope

BITCOIN: Final = Instrument(
    symbol="BTC-USD",
    currency="USD",
    base_currency="BTC",
    tick_size=Decimal("0.5"),
    quantity_step=Decimal("0.001"),
)
FUTURE: Final = Instrument(
    symbol="ESZ6",
    currency="USD",
    kind=InstrumentKind.LINEAR,
    multiplier=Decimal(50),
    tick_size=Decimal("0.25"),
)
INSTRUMENTS: Final = (BITCOIN, FUTURE)


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The character of a run.

    Attributes:
        capabilities: what the venue declares; it is true to it.
        resends: our policy: an order that is proven absent, or that a copy cannot harm, is sent again.
        retries: our policy: a message that was certainly not sent, or throttled, is sent again.
        keeps_ended: how many ended orders we keep in memory.
        raises_duplicates: a refused copy is an error of the call; otherwise a report.
        repeats_answers: a request that comes again gets its first answer; otherwise the copy is refused.
        names_client_ids: executions carry our id; otherwise the venue's alone.
        gives_execution_ids: otherwise only cumulative quantities tell executions apart.
        counts: reports say how much is filled in all, and at what average price.
        keeps_order: reports arrive in the order in which they were made.
        most_delay_ms: the longest that a message is on its way, in milliseconds; within the visibility lag.
        delayed, doubled, lost: of 100 reports, how many are late, come twice, or never come.
        replays_everything: what comes again after a reconnect is every report, and not executions alone.
        retells_terms: an answer ends with the terms as they are now; otherwise it is the history alone.
        cancels_on_restart: the venue forgets its open orders when it restarts, and says so.
        keeps_unsynced: of 100 crashes, how many leave what was written and not synced.
        on_sqlite: the journal is the real one in a file, on a disk that dies below it.
        skew_ms: how far our clock may be off, in milliseconds.
        steps: how many steps the run has.
    """

    capabilities: Capabilities
    resends: bool
    retries: bool
    keeps_ended: int
    raises_duplicates: bool
    repeats_answers: bool
    names_client_ids: bool
    gives_execution_ids: bool
    counts: bool
    keeps_order: bool
    most_delay_ms: int
    delayed: int
    doubled: int
    lost: int
    replays_everything: bool
    cancels_on_restart: bool
    keeps_unsynced: int
    on_sqlite: bool
    skew_ms: int
    steps: int
    retells_terms: bool


def draw_profile(dice: Dice) -> Profile:
    """A venue, a wire and a process of ours, as the dice fall."""
    lag_seconds = dice.pick((0, 1, 2, 5, 10))
    gives_execution_ids = dice.percent(85)
    skew_ms = dice.pick((0, 0, 20, 1_500))
    capabilities = _draw_capabilities(dice, lag_seconds, skew_ms)
    says_who = capabilities.lookup_closed and gives_execution_ids  # else an execution could be anybody's
    return Profile(
        capabilities=capabilities,
        resends=dice.percent(50),
        retries=dice.percent(50),
        keeps_ended=dice.pick((0, 2, 1_000)),
        raises_duplicates=dice.percent(40),
        repeats_answers=dice.percent(70),
        names_client_ids=not says_who or dice.percent(80),
        gives_execution_ids=gives_execution_ids,
        counts=not gives_execution_ids or dice.percent(30),
        keeps_order=dice.percent(60),
        most_delay_ms=min(dice.pick((1, 50, 400, 3_000)), lag_seconds * 1_000),
        delayed=dice.pick((0, 5, 30)),
        doubled=dice.pick((0, 0, 5, 20)),
        lost=dice.pick((0, 0, 0, 4, 15)),
        replays_everything=dice.percent(50),
        cancels_on_restart=dice.percent(30),
        keeps_unsynced=dice.pick((0, 50, 100)),
        on_sqlite=dice.percent(4),
        skew_ms=skew_ms,
        steps=dice.pick((12, 30, 60, 100)),
        retells_terms=dice.percent(50),
    )


def _draw_capabilities(dice: Dice, lag_seconds: int, skew_ms: int) -> Capabilities:
    looks_up = dice.percent(85)
    return Capabilities(
        duplicate_client_id_scope=dice.pick(tuple(DuplicateScope)),
        lookup_by_client_order_id=looks_up,
        lookup_closed=looks_up and dice.percent(75),
        visibility_lag_seconds=lag_seconds,
        replays_executions_on_reconnect=dice.percent(50),
        supports_amend=dice.percent(80),
        amended_quantity=dice.pick(tuple(AmendedQuantity)),
        order_id_scope=dice.pick((IdScope.BOOK, IdScope.SYMBOL)),
        execution_id_scope=dice.pick((IdScope.BOOK, IdScope.SYMBOL)),
        cancels_on_disconnect=dice.percent(15),
        day_expiry=Expiry.REPORTED,
        good_till_date_expiry=dice.pick(tuple(Expiry)),
        expiry_lateness_seconds=lag_seconds + 2 * -(-skew_ms // 1_000) + 1,
        late_report_window_seconds=60,
    )
