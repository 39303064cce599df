"""Records to bytes and back, and the hash chain over them.

The bytes are built once, hashed, and stored as hashed: the chain proves what is read. The text is JSON, so
that anybody can read a journal without our code. ``hash = sha256(previous hash || stored bytes)``, and the
previous hash of a book's first record is 32 zero bytes.
"""

from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from execore.model.errors import ChainBroken, NewerSchema
from execore.model.events import SCHEMA_VERSION
from execore.model.records import Record, StoredRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GENESIS: Final = bytes(32)
"""The hash before a book's first record."""

encode_record = msgspec.json.Encoder(decimal_format="string").encode
_decoder = msgspec.json.Decoder(Record)


class _SchemaOnly(msgspec.Struct):
    schema: int


_schema_decoder = msgspec.json.Decoder(_SchemaOnly)


class ExportLine(msgspec.Struct, frozen=True):
    """One line of a JSON Lines export: the stored text and the hash it must have."""

    hash: str
    data: str


def next_hash(previous: bytes, data: bytes) -> bytes:
    """The chain's next link: the hash of a record whose predecessor hashes to ``previous``."""
    return sha256(previous + data).digest()


def chained(records: "Iterable[Record]", previous: bytes) -> "Iterator[StoredRecord]":
    """Encode records and link them to the chain that ends in ``previous``."""
    for record in records:
        data = encode_record(record)
        previous = sha256(previous + data).digest()
        yield StoredRecord(record.sequence, previous.hex(), data)


def decode_record(stored: StoredRecord) -> Record:
    """Return the record that ``stored`` holds.

    Raises:
        NewerSchema: a newer execore wrote it.
        ChainBroken: the text is not a record at all.
    """
    try:
        record = _decoder.decode(stored.data)
    except msgspec.MsgspecError as error:
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
    except msgspec.MsgspecError:
        return
    if schema > SCHEMA_VERSION:
        raise NewerSchema(
            f"record {stored.sequence} has schema {schema}; this execore reads up to {SCHEMA_VERSION}",
            "Upgrade execore",
        )
