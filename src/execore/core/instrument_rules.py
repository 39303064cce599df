"""How each kind of instrument is valued: what a trade in it costs, and what a position in it is worth.

The one table of kinds. A *notional* is signed like the quantity for all kinds but the inverse, whose price
counts the other way round: it is minus the contracts' worth in the settlement currency, so that in every kind
a position gains when its notional grows.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from execore.model.instruments import Instrument
from execore.model.money import BASIS_QUANTUM, EXACT, ZERO, canonical, divide
from execore.model.vocabulary import InstrumentKind

CARRIED: Final = frozenset({InstrumentKind.LINEAR, InstrumentKind.INVERSE})
"""Kinds of which opening moves no cash: what a position cost is only noted, and its result is paid."""

_INVERSE: Final = InstrumentKind.INVERSE
_WHOLE_UNIT_CURRENCIES: Final = frozenset({"JPY", "KRW", "CLP", "ISK", "HUF"})
_CENT_CURRENCIES: Final = frozenset(
    {"USD", "EUR", "GBP", "CHF", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK", "PLN"}
)


def currency_quantum(currency: str) -> Decimal:
    """The smallest amount that is split in this currency: 1, 0.01, or 1e-8 for everything else (crypto)."""
    if currency in _WHOLE_UNIT_CURRENCIES:
        return Decimal(1)
    return Decimal("0.01") if currency in _CENT_CURRENCIES else Decimal("1E-8")


def notional(instrument: Instrument, signed: Decimal, price: Decimal) -> Decimal:
    """What ``signed`` units at ``price`` add to the cost basis, in the settlement currency.

    ``signed × price × multiplier``; inverse: ``−signed × multiplier / price``, rounded half-even at 1e-12
    (BitMEX, "Inverse contracts": value = −contracts × multiplier / price).

    Raises:
        decimal.InvalidOperation: the price of an inverse contract is zero.
    """
    if instrument.kind is _INVERSE:
        return divide(-(signed * instrument.multiplier), price, BASIS_QUANTUM) if signed else ZERO
    return signed * price * instrument.multiplier


def average_cost(instrument: Instrument, quantity: Decimal, basis: Decimal) -> Decimal | None:
    """The price at which ``quantity`` would have cost ``basis``, rounded half-even at 1e-12 for showing.

    None for a flat position, and for an inverse one that cost nothing.
    """
    worth = EXACT.multiply(quantity, instrument.multiplier)
    if instrument.kind is _INVERSE:
        return canonical(divide(EXACT.minus(worth), basis, BASIS_QUANTUM)) if basis and worth else None
    return canonical(divide(basis, worth, BASIS_QUANTUM)) if worth else None


def is_possible_price(instrument: Instrument, price: Decimal) -> bool:
    """Whether anything can be had at this price: an inverse contract is worth nothing finite at zero."""
    return price > 0 or instrument.kind is not _INVERSE


def is_carried(instrument: Instrument) -> bool:
    """Whether opening a position moves no cash."""
    return instrument.kind in CARRIED


Notional = Callable[[Decimal], Decimal]
"""What a signed part of a trade's units costs."""
