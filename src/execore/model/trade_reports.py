"""Reports of executions that changed after they were told; import them from ``model.reports``."""

from decimal import Decimal

import msgspec

from execore.model.orders import positive
from execore.model.report_base import Report, fix_numbers, fix_side
from execore.model.vocabulary import (
    Side,
)


class TradeCancelReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="trade_cancel"):
    """An execution is undone (a bust): FIX Trade Cancel. What it was is taken from our own ledger.

    Attributes:
        execution_id: this report's own id, within ``execution_scope``; empty where the venue gives none.
        execution_ref_id: FIX ExecRefID(19): the execution undone, or the last correction of it.
    """

    execution_ref_id: str
    execution_id: str = ""
    execution_scope: str = ""


class TradeCorrectReport(
    Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="trade_correct"
):
    """An execution was another than reported: FIX Trade Correct, with the complete right terms.

    Attributes:
        execution_id: this report's own id, which the next correction refers to; may be empty.
        execution_ref_id: FIX ExecRefID(19): the execution corrected, or the last correction of it.
        quantity, price: what the execution really was.
        side: None leaves it as it was.
        fee: None leaves fee and currency as they were.
    """

    execution_ref_id: str
    quantity: Decimal
    price: Decimal
    execution_id: str = ""
    execution_scope: str = ""
    side: Side | None = None
    fee: Decimal | None = None
    fee_currency: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        fix_side(self, self.side)
        fix = msgspec.structs.force_setattr
        fix(self, "quantity", positive(self.quantity, "quantity"))
        fix_numbers(self, quantities=(), prices=("price", "fee"))


class FeeReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="fee"):
    """What an execution cost, told after it, or told again: this is its fee, whatever was said before.

    Attributes:
        execution_ref_id: the execution, or the last correction of it.
        fee: positive was paid, negative received; in ``fee_currency``.
    """

    execution_ref_id: str
    fee: Decimal
    fee_currency: str = ""
    execution_scope: str = ""
    execution_id: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        fix_numbers(self, quantities=(), prices=("fee",))
