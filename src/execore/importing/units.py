"""Units that came or went without a trade: what they cost is in no export, and is not guessed."""

import json
from decimal import Decimal
from typing import NoReturn

from execore.importing.assets import is_money
from execore.importing.refused import Refused
from execore.model.money import text_of


def check_is_money(asset: str, change: Decimal, time_ns: int, entry_id: str) -> None:
    """Raise Refused if ``asset`` is a coin, whose units have a cost that a book must know."""
    if not is_money(asset):
        refuse_units(f"units of {asset}", "the pair you hold them as", change, time_ns, entry_id)


def refuse_units(what: str, symbol: str, change: Decimal, time_ns: int, entry_id: str) -> NoReturn:
    """Refuse units that moved, and say which line to write instead.

    Raises:
        Refused: always.
    """
    line = {
        "type": "transfer",
        "id": entry_id,
        "time": time_ns,
        "symbol": symbol,
        "quantity": text_of(change),
    }
    if change > 0:
        code, why = "unknown_cost", "came in, and what they cost is not said"
        line["cost"] = "…"
    else:
        code, why = "unknown_position", "went out, and which position they belong to is not said"
    raise Refused(
        code,
        f"{text_of(change)} {what} {why}",
        f"Write in a JSON Lines file: {json.dumps(line, ensure_ascii=False)}",
    )
