"""Databento files of one schema (DBN, plain or zstd) as records; a damaged or foreign file is refused.

A file that was cut must never pass for a shorter one, and the decoder alone lets it: it hands out what it
has and says nothing. So the end is checked here, of the zstd frames and of the records inside them.
"""

from collections.abc import Iterator
from io import SEEK_CUR, SEEK_END
from pathlib import Path
from typing import Any, BinaryIO, Final

from execore.model.errors import InputFileError, MissingExtra

_DBN_MAGIC: Final = b"DBN"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE: Final = range(0x184D2A50, 0x184D2A60)
_CHUNK_BYTES: Final = 1 << 16
_GIVE_A_FILE: Final = "Give a Databento MBO file (.dbn or .dbn.zst)"


def mbo_records(path: Path) -> Iterator[Any]:
    """The metadata, then every record of the file.

    Raises:
        InputFileError: the file cannot be read, is no MBO file, is cut short or damaged.
        MissingExtra: databento-dbn is not installed.
    """
    try:
        with path.open("rb") as file:
            yield from _decoded(path, file)
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror}"
        raise InputFileError(what, _GIVE_A_FILE) from error


def _decoded(path: Path, file: BinaryIO) -> Iterator[Any]:
    dbn = _databento_dbn()
    decoder = dbn.DBNDecoder(compression=_compression(path, file, dbn))
    metadata = None
    try:
        while chunk := file.read(_CHUNK_BYTES):
            for item in decoder.write_and_decode(chunk):
                if type(item) is not dbn.MBOMsg:
                    _check_kind(path, item, dbn)
                    metadata = item
                yield item
    except (dbn.DBNError, RuntimeError) as error:
        raise damaged_file(path, str(error)) from error
    if metadata is None or decoder.buffer():
        raise damaged_file(path, "it ends in the middle of a record")


def _check_kind(path: Path, item: Any, dbn: Any) -> None:
    """Raise unless ``item`` is the metadata of an MBO file."""
    is_metadata = type(item) is dbn.Metadata
    kind = str(item.schema) if is_metadata else type(item).__name__
    if kind != "mbo":
        raise InputFileError(f"{path} holds {kind} data, not market by order", "Ask Databento for schema mbo")


def _compression(path: Path, file: BinaryIO, dbn: Any) -> Any:
    """What the file's first bytes say it is; ``file`` is at its start again afterwards."""
    magic = file.read(len(_ZSTD_MAGIC))
    file.seek(0)
    if magic.startswith(_DBN_MAGIC):
        return dbn.Compression.NONE
    if magic != _ZSTD_MAGIC:
        what = f"{path} is not a DBN file, plain or zstd: it begins with {magic!r}"
        raise InputFileError(what, _GIVE_A_FILE)
    _check_frames(path, file)
    file.seek(0)
    return dbn.Compression.ZSTD


def _check_frames(path: Path, file: BinaryIO) -> None:
    """Raise unless the zstd stream ends where its last frame does.

    The decoder hands out what it has of a frame that was cut, and says nothing, so the frames are followed
    by the sizes in their own headers (RFC 8878 §3.1). What is inside them is checked by decoding.
    """
    end = file.seek(0, SEEK_END)
    file.seek(0)
    while (at := file.tell()) < end:
        if not _skip_frame(file):
            raise damaged_file(path, f"its zstd frame at byte {at} is not whole")
    if at > end:
        raise damaged_file(path, "its last zstd frame is not whole")


def _skip_frame(file: BinaryIO) -> bool:
    """Move behind one frame, perhaps behind the file's end; False if its headers cannot be followed."""
    magic = file.read(4)
    if int.from_bytes(magic, "little") in _ZSTD_SKIPPABLE:
        file.seek(int.from_bytes(file.read(4), "little"), SEEK_CUR)
        return True
    descriptor = int.from_bytes(file.read(1), "little")
    if magic != _ZSTD_MAGIC:
        return False
    single_segment = descriptor >> 5 & 1
    window_bytes = 1 - single_segment
    content_size_bytes = (single_segment, 2, 4, 8)[descriptor >> 6]
    file.seek(window_bytes + (0, 1, 2, 4)[descriptor & 3] + content_size_bytes, SEEK_CUR)
    last = False
    while not last:
        header = file.read(3)
        if len(header) < 3:
            return False
        block = int.from_bytes(header, "little")
        last = bool(block & 1)
        repeats_one_byte = block >> 1 & 3 == 1
        file.seek(1 if repeats_one_byte else block >> 3, SEEK_CUR)
    checksum_bytes = 4 if descriptor & 4 else 0
    file.seek(checksum_bytes, SEEK_CUR)
    return True


def damaged_file(path: Path, detail: str) -> InputFileError:
    """The error to raise for a file whose content cannot be right; ``detail`` says where it is not."""
    return InputFileError(f"{path} is cut short or damaged: {detail}", "Fetch the file again")


def _databento_dbn() -> Any:
    try:
        import databento_dbn
    except ImportError as error:
        raise MissingExtra(
            "Reading Databento files needs the package databento-dbn", "Install it: pip install databento-dbn"
        ) from error
    return databento_dbn
