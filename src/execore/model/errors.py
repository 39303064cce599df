"""Every error execore raises, in one tree.

An error carries a stable ``code`` (for programs) and says what happened, where, and what to do next
(for people). Refusals of an order's own lifecycle are answers, not errors: see ``model.answers``.
"""

from typing import ClassVar


class ExecoreError(Exception):
    """The root of the tree.

    Args:
        what: what happened, and where: the field, file, book or sequence concerned.
        next_step: what the reader can do about it.
    """

    code: ClassVar[str] = "error"

    def __init__(self, what: str, next_step: str = "") -> None:
        self.what = what
        self.next_step = next_step
        super().__init__(what, next_step)

    def __str__(self) -> str:
        return f"{self.what}. {self.next_step}" if self.next_step else self.what


# --- input that is not acceptable: nothing was recorded, nothing was sent --------------------------


class InvalidInput(ExecoreError, ValueError):
    """A value at a boundary is not acceptable. ``field`` names it."""

    code = "invalid_input"

    def __init__(self, field: str, what: str, next_step: str = "") -> None:
        self.field = field
        super().__init__(f"{field}: {what}", next_step)
        self.args = (field, what, next_step)


class InvalidNumber(InvalidInput):
    """A price, quantity or amount is a float, NaN, infinite, unreadable or has too many digits."""

    code = "invalid_number"


class InvalidQuantity(InvalidInput):
    """A quantity is zero, negative, off the instrument's step, or outside its limits."""

    code = "invalid_quantity"


class InvalidPrice(InvalidInput):
    """A price is off the instrument's tick, missing where the order type needs one, or present where not."""

    code = "invalid_price"


class UnknownEnumValue(InvalidInput):
    """A word is not one of those allowed."""

    code = "unknown_enum_value"


class UnknownInstrument(InvalidInput):
    """No instrument of this symbol is defined in the book."""

    code = "unknown_instrument"


class InvalidConfiguration(InvalidInput):
    """A setting cannot be used, or contradicts what the journal already holds."""

    code = "invalid_configuration"


class UnknownOrder(InvalidInput):
    """No order of this id is known."""

    code = "unknown_order"


class UnknownLot(InvalidInput):
    """No such lot is open, or less of it than was named."""

    code = "unknown_lot"


class UnknownExecution(InvalidInput):
    """No execution of this id is booked."""

    code = "unknown_execution"


class DuplicateExecution(InvalidInput):
    """The execution is booked with other content, or was changed in a way that this contradicts."""

    code = "duplicate_execution"


class UnknownGroup(InvalidInput):
    """No order group of this id is known."""

    code = "unknown_group"


class DuplicateClientOrderId(InvalidInput):
    """The client order id is taken by an order with other content; ``field`` names the difference."""

    code = "duplicate_client_order_id"


class DuplicateEntryId(InvalidInput):
    """The id of an entry or a transfer is taken by one with other content; ``field`` names the difference."""

    code = "duplicate_entry_id"


# --- the journal ---------------------------------------------------------------------------------


class JournalError(ExecoreError):
    """Something about the record itself."""

    code = "journal_error"


class NotRecorded(JournalError):
    """Certainly not recorded: nothing of this batch is in the journal, and nothing was sent."""

    code = "not_recorded"


class SequenceConflict(NotRecorded):
    """Somebody else appended to this book: the fence against two writers."""

    code = "sequence_conflict"


class OutcomeUnknown(JournalError):
    """The append may or may not be durable. The book closes; opening it again finds out."""

    code = "outcome_unknown"


class JournalFull(NotRecorded):
    """The disk, or the file's permitted size, is full; the append was rolled back."""

    code = "journal_full"


class JournalReadOnly(NotRecorded):
    """The journal cannot be written: read-only file, directory or connection."""

    code = "journal_read_only"


class JournalOwned(JournalError):
    """Another process owns this journal."""

    code = "journal_owned"


class JournalNotFound(JournalError):
    """There is no journal at this address."""

    code = "journal_not_found"


class NotAJournal(JournalError):
    """The file is not an execore journal (foreign, truncated or damaged)."""

    code = "not_a_journal"


class NewerSchema(JournalError):
    """The journal was written by a newer execore than this one."""

    code = "newer_schema"


class ChainBroken(JournalError):
    """The hash chain does not hold. ``sequence`` is the first record that cannot be trusted."""

    code = "chain_broken"

    def __init__(self, what: str, next_step: str = "", sequence: int = 0) -> None:
        self.sequence = sequence
        super().__init__(what, next_step)
        self.args = (what, next_step, sequence)


class BookClosed(JournalError):
    """The book is closed, or closed itself after a failed append."""

    code = "book_closed"


# --- the runtime ----------------------------------------------------------------------------------


class Busy(ExecoreError):
    """Too much is waiting for the writer already. Nothing was taken."""

    code = "busy"


class EmergencyOnly(ExecoreError):
    """Something that is for a book whose storage has failed was asked of one that is well."""

    code = "emergency_only"


class NotYetSettled(ExecoreError):
    """A handle was asked for its answer before there was one."""

    code = "not_yet_settled"


# --- input files -----------------------------------------------------------------------------------


class InputFileError(ExecoreError):
    """A file given to read cannot be used."""

    code = "input_file_error"


class MissingExtra(ExecoreError):
    """An optional dependency is not installed."""

    code = "missing_extra"


# --- ours ------------------------------------------------------------------------------------------


class InvariantViolation(ExecoreError):
    """A bug in execore: an invariant of a ledger or the engine does not hold. Stop and report it."""

    code = "invariant_violation"
