"""The made-up tape."""

from decimal import Decimal
from itertools import pairwise

import pytest

from execore.model.errors import InvalidNumber, InvalidPrice
from execore.model.instruments import Instrument
from execore.model.money import is_multiple
from execore.venues.tape import Quote, made_up_tape

BTC = Instrument(symbol="BTC-USD", currency="USD", tick_size=Decimal("0.05"), quantity_step=Decimal("0.001"))


def tape(seed: int = 1, price: str = "40000", quotes: int = 500) -> list[Quote]:
    return list(made_up_tape(BTC, seed=seed, start_price=price, start_ts_ns=1_000, quotes=quotes))


def test_the_seed_decides() -> None:
    assert tape(1) == tape(1)
    assert tape(1) != tape(2)


def test_every_quote_is_on_the_grid_and_in_order() -> None:
    quotes = tape()
    assert len(quotes) == 500
    assert quotes[0].bid == 40_000
    for before, quote in pairwise(quotes):
        assert before.ts_ns < quote.ts_ns
        assert 0 < quote.bid < quote.ask
        assert is_multiple(quote.bid, BTC.tick_size)
        assert is_multiple(quote.ask, BTC.tick_size)
        assert quote.bid_size > 0
        assert is_multiple(quote.ask_size, BTC.quantity_step)
    assert len({quote.bid for quote in quotes}) > 100, "it moves"


def test_it_never_falls_to_zero() -> None:
    assert min(quote.bid for quote in tape(price="0.1")) > 0


@pytest.mark.parametrize("price", ["0.03", "0", "-5"])
def test_a_start_off_the_grid_is_refused(price: str) -> None:
    with pytest.raises(InvalidPrice, match="start_price"):
        tape(price=price)


def test_a_float_is_refused() -> None:
    with pytest.raises(InvalidNumber, match="start_price"):
        next(made_up_tape(BTC, seed=1, start_price=1.5, start_ts_ns=0, quotes=1))  # type: ignore[arg-type]
