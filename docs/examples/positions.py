"""Double entry, one example for each kind of trade; ``docs/positions.md`` explains what is printed here."""

from decimal import Decimal

from execore import Instrument, InstrumentKind, PositionLedger, Side
from execore.model.money import text_of

BITCOIN = Instrument(symbol="BTC-USD", currency="USD", base_currency="BTC", quantity_step=Decimal("0.001"))
FUTURE = Instrument(symbol="ESH4", currency="USD", kind=InstrumentKind.LINEAR, multiplier=Decimal(50))


def new_ledger() -> PositionLedger:
    """A ledger with 10,000 US dollars and both instruments."""
    ledger = PositionLedger()
    for instrument in (BITCOIN, FUTURE):
        ledger.define_instrument(instrument)
    ledger.deposit("USD", 10_000)
    return ledger


def show(title: str, ledger: PositionLedger) -> None:
    """Print every account that holds something, and the sums, which are always zero."""
    print(title)
    for account in ledger.accounts():
        if account.balance:
            print(f"  {account.name:<22} {text_of(account.balance):>8} {account.unit}")
    assert not any(ledger.trial_balance().values())


ledger = new_ledger()
ledger.apply_fill("BTC-USD", Side.BUY, "0.1", 60_000, fee="3.00", fee_currency="USD")
show("spot: buy 0.1 at 60,000, fee 3.00 USD", ledger)
ledger.apply_fill("BTC-USD", Side.SELL, "0.04", 61_000, fee="1.22", fee_currency="USD")
show("spot: then sell 0.04 at 61,000, fee 1.22 USD", ledger)
print("  average cost", ledger.position("BTC-USD").average_cost)
print("  equity at 61,000:", text_of(ledger.equity({"BTC-USD": Decimal(61_000)})["USD"]))

ledger = new_ledger()
ledger.apply_fill("BTC-USD", Side.BUY, "0.1", 60_000, fee="0.0001", fee_currency="BTC")
show("fee in kind: buy 0.1 at 60,000, fee 0.0001 BTC", ledger)
print("  average cost", ledger.position("BTC-USD").average_cost)

ledger = new_ledger()
ledger.apply_fill("BTC-USD", Side.SELL, "0.1", 60_000)
show("short: sell 0.1 at 60,000 out of nothing", ledger)
flip = ledger.apply_fill("BTC-USD", Side.BUY, "0.25", 58_000, fee="7.25", fee_currency="USD")
show("flip: then buy 0.25 at 58,000, fee 7.25 USD", ledger)
print("  closed", flip.closed_quantity, "opened", flip.opened_quantity, "result", text_of(flip.realised_pnl))
print(
    "  fee on the closing part", text_of(flip.fee_on_close), "on the opening part", text_of(flip.fee_on_open)
)

ledger = new_ledger()
ledger.apply_fill("ESH4", Side.BUY, 2, 4_800)
show("linear future: buy 2 at 4,800, multiplier 50", ledger)
ledger.apply_fill("ESH4", Side.SELL, 1, 4_810)
show("linear future: then sell 1 at 4,810", ledger)
print("  equity at 4,810:", text_of(ledger.equity({"ESH4": Decimal(4_810)})["USD"]))
