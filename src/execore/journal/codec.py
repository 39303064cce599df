"""Records to bytes and back, and the hash chain over them.

The bytes are built once, hashed, and stored as hashed: the chain proves what is read. The text is JSON, so
that anybody can read a journal without our code. ``hash = sha256(previous hash || stored bytes)``, and the
previous hash of a book's first record is 32 zero bytes.
"""

import re
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from execore.model.errors import ChainBroken, NewerSchema
from execore.model.events import SCHEMA_VERSION
from execore.model.money import text_of
from execore.model.records import Record, StoredRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GENESIS: Final = bytes(32)
"""The hash before a book's first record."""

_may_have_exponent = re.compile(b"E-").search  # in every append: half the time of ``in``
_encode = msgspec.json.Encoder(decimal_format="string").encode
_decoder = msgspec.json.Decoder(Record)


class _SchemaOnly(msgspec.Struct):
    schema: int


_schema_decoder = msgspec.json.Decoder(_SchemaOnly)


class ExportLine(msgspec.Struct, frozen=True):
    """One line of a JSON Lines export: the stored text and the hash it must have."""

    hash: str
    data: str


def encode_record(record: Record) -> bytes:
    """The bytes to hash and to store. Numbers are canonical text: no exponent, also in the smallest."""
    data = _encode(record)
    if _may_have_exponent(data):  # a Decimal below 1e-6 writes itself as 1E-7 (or an id has these letters)
        return _encode(_plain(msgspec.to_builtins(record, builtin_types=(Decimal,))))
    return data


def _plain(value: Any) -> Any:
    """The same tree with every Decimal as its canonical text."""
    if isinstance(value, Decimal):
        return text_of(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def next_hash(previous: bytes, data: bytes) -> bytes:
    """The chain's next link: the hash of a record whose predecessor hashes to ``previous``."""
    return sha256(previous + data).digest()


def chained(records: "Iterable[Record]", previous: bytes) -> "Iterator[StoredRecord]":
    """Encode records and link them to the chain that ends in ``previous``."""
    for record in records:
        data = encode_record(record)
        previous = next_hash(previous, data)
        yield StoredRecord(record.sequence, previous.hex(), data)


def decode_record(stored: StoredRecord) -> Record:
    """Return the record that ``stored`` holds.

    Raises:
        NewerSchema: a newer execore wrote it.
        ChainBroken: the text is not a record at all.
    """
    try:
        record = _decoder.decode(stored.data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        _refuse_newer_schema(stored)
        raise ChainBroken(
            f"record {stored.sequence} cannot be read: {error}",
            "Run `execore audit verify` to see what is damaged",
            sequence=stored.sequence,
        ) from error
    if record.schema > SCHEMA_VERSION:
        _refuse_newer_schema(stored)
    return record


def _refuse_newer_schema(stored: StoredRecord) -> None:
    try:
        schema = _schema_decoder.decode(stored.data).schema
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    if schema > SCHEMA_VERSION:
        raise NewerSchema(
            f"record {stored.sequence} has schema {schema}; this execore reads up to {SCHEMA_VERSION}",
            "Upgrade execore",
        )
