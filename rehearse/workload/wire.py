"""What driver and sending processes tell each other: JSON one way, frames of bytes the other.

Every frame is a letter, four bytes of length, and so many bytes. The sending process writes

    R ready      F failed: text      P progress: three int64: due, in flight, age of the oldest in ns
    E a new kind of error: JSON [number, code, message]
    T what answers told: JSON [[call's number, statement, rows], …], ahead of the calls that it belongs to
    C calls: records of RECORD       D done
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from rehearse.events import Outcome

HEAD = struct.Struct("<cI")
PROGRESS = struct.Struct("<qqq")
OUTCOMES = (Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN, Outcome.MISSED)
PLACES = {outcome: place for place, outcome in enumerate(OUTCOMES)}

# `touched` has a bit for each statement that touched a row; `reached` counts the statements that were sent, `tries` how
# often the call was: what is recorded is its last one.
RECORD = struct.Struct("<qqqqqQIIHBBB")
RECORD_TYPE = np.dtype(
    [
        ("number", "<i8"),
        ("due", "<i8"),
        ("picked", "<i8"),
        ("sent", "<i8"),
        ("done", "<i8"),
        ("touched", "<u8"),
        ("session", "<u4"),
        ("error", "<u4"),
        ("kind", "<u2"),
        ("outcome", "u1"),
        ("reached", "u1"),
        ("tries", "u1"),
    ]
)


class Inbox:
    """The end of a pipe at which messages or frames arrive, whole or in parts."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._bytes = bytearray()

    def frames(self) -> Iterator[tuple[bytes, bytes]]:
        """Read once (waiting if nothing is there) and yield every whole frame; raises EOFError at the end."""
        part = os.read(self.descriptor, 1 << 20)
        if not part:
            raise EOFError
        self._bytes += part
        while len(self._bytes) >= HEAD.size:
            letter, size = HEAD.unpack_from(self._bytes)
            if len(self._bytes) < HEAD.size + size:
                return
            yield letter, bytes(self._bytes[HEAD.size : HEAD.size + size])
            del self._bytes[: HEAD.size + size]


def frame(letter: bytes, content: bytes = b"") -> bytes:
    """Return a frame."""
    return HEAD.pack(letter, len(content)) + content


def message(content: Any) -> bytes:
    """Return a message to a sending process."""
    return frame(b"M", json.dumps(content).encode())


def write_all(descriptor: int, content: bytes) -> None:
    """Write to a pipe until all is written."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
