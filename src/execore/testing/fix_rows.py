"""A file of FIX order state matrices, read into rows, and the words its cells may hold.

The form: ``{"scenarios": [{"ref", "version", "title", "steps": [{"time", "branch", "message", ...}]}]}``.
A cell may be null or left out, words may be FIX's names or their codes on the wire, and keys that nobody asks
for are skipped.
"""

import difflib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from execore.model.errors import ExecoreError, InputFileError, UnknownEnumValue
from execore.model.money import EXACT, Number, to_decimal
from execore.model.vocabulary import OrdStatus, RestatementReason, TimeInForce

MAIN: Final = "main"
"""The branch that the table goes on with; every other is one row that ends there."""

_DAY: Final = re.compile(r"\s*day\s*(\d+)", re.IGNORECASE)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a message, or something that happened without one. A text is empty where the cell is.

    Attributes:
        number: its place in the table, from 1.
        time: the table's own label; rows of one time are alternatives, or cross each other on the wire.
        spec_anomaly: what the standard is known to print against its own rules in this row.
    """

    number: int
    time: str = ""
    branch: str = MAIN
    direction: str = ""
    message: str = ""
    msg_type: str = ""
    cl_ord_id: str = ""
    orig_cl_ord_id: str = ""
    order_id: str = ""
    exec_type: str = ""
    exec_type_code: str = ""
    exec_trans_type: str = ""
    ord_status: str = ""
    ord_status_code: str = ""
    tif: str = ""
    exec_id: str = ""
    exec_ref_id: str = ""
    exec_restatement_reason: str = ""
    ord_rej_reason: str = ""
    cxl_rej_reason: str = ""
    cxl_rej_response_to: str = ""
    text: str = ""
    comment: str = ""
    spec_anomaly: str = ""
    order_qty: Decimal | None = None
    cum_qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    last_qty: Decimal | None = None
    last_px: Decimal | None = None
    avg_px: Decimal | None = None
    price: Decimal | None = None


_NUMBERS: Final = ("order_qty", "cum_qty", "leaves_qty", "last_qty", "last_px", "avg_px", "price")
_TEXTS: Final = tuple(
    name for name in Row.__struct_fields__ if name not in _NUMBERS and name not in ("number", "branch")
)


class Scenario(msgspec.Struct, frozen=True):
    """One matrix: its reference, as in ``B.1.c``, and its rows in the order of the file."""

    ref: str
    version: str
    title: str
    rows: tuple[Row, ...]


def read_scenarios(path: Path) -> tuple[Scenario, ...]:
    """Every matrix of a file, in its order.

    Raises:
        InputFileError: the file is missing, is no JSON, or a scenario or a row has another form; it says
            which.
    """
    try:
        document = json.loads(path.read_bytes(), parse_float=Decimal)
    except (OSError, ValueError, RecursionError) as error:
        raise InputFileError(f"{path} cannot be read: {error}", "Give a JSON file of matrices") from None
    listed = document.get("scenarios") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed:
        raise InputFileError(f"{path} lists no scenarios", 'Give a file of the form {"scenarios": [...]}')
    return tuple(_scenario(value, f"{path}: scenario {place}") for place, value in enumerate(listed, 1))


def _scenario(value: Any, where: str) -> Scenario:
    steps = value.get("steps") if isinstance(value, dict) else None
    if not isinstance(steps, list) or not steps:
        raise InputFileError(f"{where} has no steps", 'Give it a "ref" and a list of "steps"')
    ref = _text(value.get("ref")) or where.rpartition(": ")[2].replace(" ", "-")
    rows = tuple(
        _row(step, number, f"{where} ({ref}), step {number}") for number, step in enumerate(steps, 1)
    )
    return Scenario(ref, _text(value.get("version")), _text(value.get("title")), rows)


def _row(value: Any, number: int, where: str) -> Row:
    if not isinstance(value, dict):
        raise InputFileError(f"{where} is no object", "Every step is an object of cells")
    cells: dict[str, Any] = {name: _text(value.get(name)) for name in _TEXTS}
    try:
        cells |= {name: _number(value.get(name), name) for name in _NUMBERS}
    except ExecoreError as error:
        raise InputFileError(f"{where}: {error.what}", "Quantities and prices are numbers, or null") from None
    return Row(number=number, branch=_branch(_text(value.get("branch")), where), **cells)


def _branch(text: str, where: str) -> str:
    name = text.casefold()
    if name in ("", MAIN):
        return MAIN
    if difflib.get_close_matches(name, (MAIN,)):
        raise InputFileError(
            f"{where}: the branch {text!r:.40} is neither", f'Write "{MAIN}", or name the alternative'
        )
    return text


def _text(value: object) -> str:
    return "" if value is None or value is False else str(value).strip()


def _number(value: Number | None, name: str) -> Decimal | None:
    return None if value is None or value == "" else to_decimal(value, name)


# --- words: each code of FIX with the names it goes by, letters and digits only -----------------------------

NEW_ORDER, CANCEL_REQUEST, REPLACE_REQUEST, STATUS_REQUEST = "D", "F", "G", "H"
EXECUTION_REPORT, CANCEL_REJECT = "8", "9"

_MESSAGES: Final = {
    NEW_ORDER: ("newordersingle", "neworder"),
    CANCEL_REQUEST: ("ordercancelrequest", "cancelrequest"),
    REPLACE_REQUEST: ("ordercancelreplacerequest", "cancelreplacerequest", "replacerequest"),
    STATUS_REQUEST: ("orderstatusrequest", "statusrequest"),
    EXECUTION_REPORT: ("executionreport", "execution"),
    CANCEL_REJECT: ("ordercancelreject", "cancelreject"),
}
_EXEC_TYPES: Final = {
    "0": ("new",),
    "1": ("partialfill", "partiallyfilled"),  # 1 and 2 until FIX 4.2, F since then
    "2": ("fill", "filled"),
    "3": ("doneforday",),
    "4": ("canceled", "cancelled"),
    "5": ("replace", "replaced"),
    "6": ("pendingcancel",),
    "7": ("stopped",),
    "8": ("rejected",),
    "9": ("suspended",),
    "A": ("pendingnew",),
    "B": ("calculated",),
    "C": ("expired",),
    "D": ("restated",),
    "E": ("pendingreplace",),
    "F": ("trade",),
    "G": ("tradecorrect",),
    "H": ("tradecancel",),
    "I": ("orderstatus",),
    "L": ("triggered", "triggeredoractivatedbysystem"),
}
_EXEC_TRANS_TYPES: Final = {"0": ("new",), "1": ("cancel",), "2": ("correct",), "3": ("status",)}
_BY_TRANS_TYPE: Final = {"1": "H", "2": "G", "3": "I"}
"""What FIX 4.2 says by ExecTransType(20), and later versions by ExecType(150) alone."""

_ORD_STATUSES: Final = {
    "0": ("new",),
    "1": ("partiallyfilled",),
    "2": ("filled",),
    "3": ("doneforday",),
    "4": ("canceled", "cancelled"),
    "5": ("replaced",),
    "6": ("pendingcancel",),
    "7": ("stopped",),
    "8": ("rejected",),
    "9": ("suspended",),
    "A": ("pendingnew",),
    "B": ("calculated",),
    "C": ("expired",),
    "E": ("pendingreplace",),
}
# Replaced went out of use after FIX 4.2; it ranked just above New.
_BY_STATUS_CODE: Final = {status.code: status for status in OrdStatus} | {"5": OrdStatus.NEW}
_TIMES_IN_FORCE: Final = {
    "0": ("day",),
    "1": ("gtc", "gt", "goodtillcancel"),
    "2": ("opg", "attheopening"),
    "3": ("ioc", "immediateorcancel"),
    "4": ("fok", "fillorkill"),
    "5": ("gtx", "goodtillcrossing"),
    "6": ("gtd", "goodtilldate"),
    "7": ("atc", "attheclose"),
}
_BY_TIME_IN_FORCE: Final = {
    "1": TimeInForce.GTC,
    "3": TimeInForce.IOC,
    "4": TimeInForce.FOK,
    "6": TimeInForce.GTD,
}
"""The others end with their day, as ``DAY`` does."""

_REASONS: Final = (
    ("nocorporateaction", RestatementReason.RENEWAL),  # before the next, which it contains
    ("corporateaction", RestatementReason.CORPORATE_ACTION),
    ("split", RestatementReason.CORPORATE_ACTION),
    ("renewal", RestatementReason.RENEWAL),
    ("verbal", RestatementReason.VERBAL_CHANGE),
    ("repric", RestatementReason.REPRICING),
    ("broker", RestatementReason.BROKER_OPTION),
    ("decline", RestatementReason.PARTIAL_DECLINE),
    ("halt", RestatementReason.TRADING_HALT),
    ("systemfailure", RestatementReason.SYSTEM_FAILURE),
    ("option", RestatementReason.MARKET_OPTION),
    ("notbest", RestatementReason.NOT_BEST),
    ("selftrade", RestatementReason.SELF_TRADE_PREVENTION),
    ("selfmatch", RestatementReason.SELF_TRADE_PREVENTION),
)
_REASON_CODES: Final = dict(zip("0123456789", list(RestatementReason), strict=False))
"""ExecRestatementReason(378): our words are in the order of its codes."""


def message_of(row: Row) -> str:
    """MsgType(35) of the row; empty where nothing went over the wire.

    Raises:
        UnknownEnumValue: no message of an order's life.
    """
    if row.direction == "off_wire" or not (row.message or row.msg_type):
        return ""
    return _code(row.message, row.msg_type, _MESSAGES, "message")


def is_request(row: Row) -> bool:
    """Whether the row is a message of ours; one that FIX does not have is nobody's."""
    try:
        return message_of(row) in (NEW_ORDER, CANCEL_REQUEST, REPLACE_REQUEST, STATUS_REQUEST)
    except UnknownEnumValue:
        return False


def exec_type_of(row: Row) -> str:
    """ExecType(150) of an execution report as FIX 4.4 would say it; 1 and 2 are left as they are.

    Raises:
        UnknownEnumValue: FIX has no such type, or the row says none.
    """
    if row.exec_trans_type:
        trans_type = _code(row.exec_trans_type, "", _EXEC_TRANS_TYPES, "exec_trans_type")
        if trans_type in _BY_TRANS_TYPE:
            return _BY_TRANS_TYPE[trans_type]
    return _code(row.exec_type, row.exec_type_code, _EXEC_TYPES, "exec_type")


def ord_status_of(row: Row) -> OrdStatus | None:
    """OrdStatus(39) of the row in our words, None where the cell is empty.

    Raises:
        UnknownEnumValue: FIX has no such status.
    """
    if not (row.ord_status or row.ord_status_code):
        return None
    return _BY_STATUS_CODE[_code(row.ord_status, row.ord_status_code, _ORD_STATUSES, "ord_status")]


def is_unknown_order(row: Row) -> bool:
    """Whether the refusal of a request says that the venue knows no such order: by CxlRejReason(102)."""
    return row.order_id == "NONE" or _letters(row.cxl_rej_reason) in ("1", "unknownorder")


def is_duplicate(row: Row) -> bool:
    """Whether a reject tells of the order that has the id already, and lives on (FIX 4.4 Vol 4, F.1.a).

    By OrdRejReason(103), else by what rests, else by the status.
    """
    if _letters(row.ord_rej_reason) in ("6", "duplicateorder"):
        return True
    if row.leaves_qty is not None:
        return row.leaves_qty > 0
    return ord_status_of(row) not in (None, OrdStatus.REJECTED)


def day_of(row: Row) -> str:
    """The day that the row's time names, as in ``Day 2,1``; empty if it names none."""
    found = _DAY.match(row.time)
    return found[1] if found else ""


def total_of(row: Row) -> Decimal | None:
    """How large the order is by this row: OrderQty, else what is executed and what rests."""
    if row.order_qty is not None or row.cum_qty is None or row.leaves_qty is None:
        return row.order_qty
    return EXACT.add(row.cum_qty, row.leaves_qty)


def time_in_force_of(row: Row, title: str) -> TimeInForce:
    """TimeInForce(59) of an order: FIX says day where it says nothing, unless the matrix is titled GTC.

    Raises:
        UnknownEnumValue: FIX has no such time in force.
    """
    if not row.tif:
        return TimeInForce.GTC if title.startswith("GTC ") else TimeInForce.DAY
    code = _code(row.tif, "", _TIMES_IN_FORCE, "tif")
    return _BY_TIME_IN_FORCE.get(code, TimeInForce.DAY)


def restatement_of(row: Row) -> RestatementReason:
    """ExecRestatementReason(378) of the row, by code or text; by its comments where the cell is empty."""
    given = row.exec_restatement_reason
    if given in _REASON_CODES:
        return _REASON_CODES[given]
    words = _letters(given or f"{row.text} {row.comment}")
    return next((reason for word, reason in _REASONS if word in words), RestatementReason.OTHER)


def _code(text: str, code: str, words: Mapping[str, tuple[str, ...]], field: str) -> str:
    """The code that ``text`` names or is; else ``code``, where the file has a column for it."""
    letters = _letters(text)
    for known, names in words.items():
        if text == known or letters in names:
            return known
    if code in words:
        return code
    known_words = ", ".join(f"{known} ({names[0]})" for known, names in words.items())
    raise UnknownEnumValue(field, f"{text or code!r} is not known", f"Use one of: {known_words}")


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
