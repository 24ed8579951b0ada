"""Read the tensors of a TensorFlow checkpoint (V2 format) without TensorFlow.

The `.index` file is a LevelDB table (github.com/google/leveldb, doc/table_format.md): blocks of
prefix-compressed keys, whose values are BundleEntryProto messages (TensorFlow's tensor_bundle.proto). The
`.data` file holds the tensors, little-endian.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import ModelRefusedError

_FOOTER_BYTES = 48
_MAGIC = 0xDB4775248B80FB57
_FLOAT32 = 1
_VARINT, _LENGTH_DELIMITED, _FIXED32 = 0, 2, 5


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a tensor lies in the data file."""

    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int


def read_checkpoint(index: bytes, data: bytes, *, where: str) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of a checkpoint in one shard, by name; slots of the optimiser are left out.

    Args:
        index: content of the `.index` file.
        data: content of the `.data-00000-of-00001` file.
        where: name of the checkpoint, for errors.

    Raises:
        ModelRefusedError: a file is cut, or is no checkpoint.
    """
    try:
        entries = dict(_entries(index))
    except (IndexError, ValueError) as error:
        raise ModelRefusedError(f"{where}: its index is not that of a checkpoint ({error})") from error
    tensors = {}
    for name, entry in entries.items():
        if entry.dtype != _FLOAT32 or "Adam" in name:
            continue
        if entry.offset + entry.size > len(data) or entry.size != 4 * math.prod(entry.shape):
            raise ModelRefusedError(f"{where}: its data is cut: {name} lies outside it")
        raw = np.frombuffer(data, "<f4", entry.size // 4, entry.offset)
        tensors[name] = raw.reshape(entry.shape).astype(np.float32)
    return tensors


def _entries(table: bytes) -> Iterator[tuple[str, _Entry]]:
    footer = table[-_FOOTER_BYTES:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise ValueError("no LevelDB table")
    position = 0
    for _ in range(2):  # the handle of the meta index
        _, position = _varint(footer, position)
    for _, handle in _block(table, *_handle(footer, position)):
        for key, value in _block(table, *_handle(handle, 0)):
            if key:  # the first entry is the header of the bundle
                yield key.decode(), _entry(value)


def _handle(buffer: bytes, position: int) -> tuple[int, int]:
    """Offset and size of a block."""
    offset, position = _varint(buffer, position)
    size, _ = _varint(buffer, position)
    return offset, size


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of an uncompressed block."""
    if table[offset + size]:
        raise ValueError("a block is compressed")
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 * (restarts + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length


def _entry(message: bytes) -> _Entry:
    numbers: dict[int, int] = {}
    shape: list[int] = []
    for field, value in _fields(message):
        if isinstance(value, int):
            numbers[field] = value
        elif field == 2:
            dims = [dim for number, dim in _fields(value) if number == 2 and isinstance(dim, bytes)]
            shape = [dict(_fields(dim)).get(1, 0) for dim in dims]  # type: ignore[misc]  # a varint
    return _Entry(numbers.get(1, 0), tuple(shape), numbers.get(4, 0), numbers.get(5, 0))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a Protocol Buffers message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield field, value
        elif kind == _LENGTH_DELIMITED:
            length, position = _varint(message, position)
            yield field, message[position : position + length]
            position += length
        elif kind == _FIXED32:
            position += 4
        else:
            raise ValueError(f"wire type {kind}")


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
