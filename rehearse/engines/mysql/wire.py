"""The client's side of MySQL's protocol over one non-blocking socket: packets, the handshake, statements, answers.

Only what the traffic needs, since nothing else keeps pace with it: PyMySQL in threads takes four times the CPU of a
call. Passwords go by mysql_native_password (MariaDB), or by caching_sha2_password where the server knows the account's
password already; where it does not, the reply is `NOT_INTRODUCED`. Nothing is compressed or encrypted.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import struct
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from rehearse.engines.mysql.client import Address

_LONG_PASSWORD, _FOUND_ROWS, _WITH_DB, _PROTOCOL_41 = 1, 2, 8, 512
_TRANSACTIONS, _SECURE, _MULTI_RESULTS, _PLUGIN_AUTH = 8192, 32768, 131072, 1 << 19
_NATIVE, _CACHING = b"mysql_native_password", b"caching_sha2_password"
_KNOWN, _UNKNOWN = b"\x01\x03", b"\x01\x04"  # the server has the password in its cache, or has not
NOT_INTRODUCED = "introduce"  # in place of a server's number
_UTF8MB4 = 45
_MORE_RESULTS = 8
_QUERY, _PREPARE, _EXECUTE, _QUIT = b"\x03", b"\x16", b"\x17", b"\x01"
_STRING, _NULL = b"\xfd\x00", b"\x06\x00"
_MOST = 0xFFFFFF
_READ_BYTES = 1 << 16
_NOT_YET = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINPROGRESS, errno.EINTR)


class ConnectionLost(Exception):
    """The connection is gone, or was refused before it was there."""


@dataclass(slots=True)
class Reply:
    """What the server answered. `code` is None where all is well; `number` and `parameters` are of a prepared one."""

    code: str | None = None
    message: str | None = None
    touched: int = 0
    rows: list[list[str]] = field(default_factory=list)
    number: int = 0
    parameters: int = 0


Exchange = Generator[None, bytes, Reply]


class Wire:
    """One connection. An exchange is begun, and `advance` goes on with it until there is its reply."""

    def __init__(self, where: Address) -> None:
        self.pid = 0
        self._where = where
        self._socket = socket.socket(socket.AF_INET6 if ":" in where.host else socket.AF_INET)
        self._socket.settimeout(0)
        self._in = bytearray()
        self._out = bytearray()
        self._sequence = 0
        self._long = bytearray()  # the beginning of a packet that is longer than 16 MB
        self._exchange: Exchange | None = None
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            failed = self._socket.connect_ex((where.host, where.port))
        except OSError as error:
            raise ConnectionLost(str(error)) from error
        if failed and failed not in _NOT_YET:
            raise ConnectionLost(errno.errorcode.get(failed, str(failed)))
        self._begin(_greeted(self))

    def fileno(self) -> int:
        """Return the socket."""
        return self._socket.fileno()

    @property
    def unsent(self) -> bool:
        """Say whether something is still to be sent."""
        return bool(self._out)

    def query(self, sql: str) -> None:
        """Begin a statement as text; its rows, if it has any, are dropped."""
        self._sequence = 0
        self._begin(_answered(0))
        self._put(_QUERY + sql.encode())

    def prepare(self, sql: str) -> None:
        """Begin to prepare a statement."""
        self._sequence = 0
        self._begin(_prepared())
        self._put(_PREPARE + sql.encode())

    def execute(self, number: int, values: Sequence[bytes | None], tells: int) -> None:
        """Begin a prepared statement with values as texts; of its rows the last `tells` columns are kept."""
        self._sequence = 0
        self._begin(_answered(tells))
        self._put(_EXECUTE + struct.pack("<IBI", number, 0, 1) + _parameters(values))

    def advance(self) -> Reply | None:
        """Send and take what can be sent and taken; return the reply once it is whole."""
        self._flush()
        self._receive()
        while (packet := self._packet()) is not None:
            if self._exchange is None:
                raise ConnectionLost(_error(packet).message or "the server closed the connection")
            try:
                self._exchange.send(packet)
            except StopIteration as done:
                self._exchange = None
                reply: Reply = done.value
                return reply
        return None

    def close(self) -> None:
        """Say goodbye where that is possible, and close the socket."""
        try:
            if self._exchange is None and not self._out:
                self._socket.send(b"\x01\x00\x00\x00" + _QUIT)
        except OSError:
            pass
        self._socket.close()

    def login(self, greeting: bytes) -> bytes:
        """Return the answer to a server's greeting, and learn the session's number from it."""
        end = greeting.index(b"\0", 1) + 1
        (self.pid,) = struct.unpack_from("<I", greeting, end)
        scramble = greeting[end + 4 : end + 12] + greeting[end + 31 : end + 43]
        flags = _LONG_PASSWORD | _FOUND_ROWS | _PROTOCOL_41 | _TRANSACTIONS | _SECURE | _MULTI_RESULTS | _PLUGIN_AUTH
        flags |= _WITH_DB if self._where.database else 0
        named = greeting[end + 44 :].partition(b"\0")[0]
        plugin = named if named in (_NATIVE, _CACHING) else _NATIVE
        token = self.token(plugin, scramble)
        names = self._where.user.encode() + b"\0" + bytes([len(token)]) + token
        database = self._where.database.encode() + b"\0" if self._where.database else b""
        return struct.pack("<IIB23x", flags, _MOST, _UTF8MB4) + names + database + plugin + b"\0"

    def token(self, plugin: bytes, scramble: bytes) -> bytes:
        """Return the password as the plugin wants it: a hash of it, mixed with the server's scramble."""
        if not self._where.password:
            return b""
        first = _hashed(plugin, self._where.password.encode())
        second = _hashed(plugin, first)
        parts = (scramble[:20], second) if plugin == _NATIVE else (second, scramble[:20])
        return bytes(one ^ other for one, other in zip(first, _hashed(plugin, b"".join(parts)), strict=True))

    def answer(self, content: bytes) -> None:
        """Send the next packet of an exchange."""
        self._put(content)

    def _begin(self, exchange: Exchange) -> None:
        self._exchange = exchange
        next(exchange)

    def _put(self, content: bytes) -> None:
        for at in range(0, len(content) + 1, _MOST):
            part = content[at : at + _MOST]
            self._out += struct.pack("<I", len(part) | (self._sequence & 0xFF) << 24) + part
            self._sequence += 1
        self._flush()

    def _flush(self) -> None:
        if not self._out:
            return
        try:
            del self._out[: self._socket.send(self._out)]
        except OSError as error:
            if error.errno not in (*_NOT_YET, errno.ENOTCONN):
                raise ConnectionLost(str(error)) from error

    def _receive(self) -> None:
        try:
            while read := self._socket.recv(_READ_BYTES):
                self._in += read
                if len(read) < _READ_BYTES:
                    return
        except OSError as error:
            if error.errno in (*_NOT_YET, errno.ENOTCONN):
                return
            raise ConnectionLost(str(error)) from error
        if not self._in:
            raise ConnectionLost("the server closed the connection")

    def _packet(self) -> bytes | None:
        """Return the next whole packet that has arrived."""
        while len(self._in) >= 4:
            (head,) = struct.unpack_from("<I", self._in)
            size = head & _MOST
            if len(self._in) < 4 + size:
                return None
            content = bytes(memoryview(self._in)[4 : 4 + size])
            del self._in[: 4 + size]
            self._sequence = (head >> 24) + 1
            if size < _MOST and not self._long:
                return content
            self._long += content
            if size < _MOST:
                whole, self._long = bytes(self._long), bytearray()
                return whole
        return None


def _greeted(wire: Wire) -> Exchange:
    """Log in."""
    greeting = yield
    if greeting[:1] == b"\xff":
        return _error(greeting)
    wire.answer(wire.login(greeting))
    reply = yield
    if reply[:1] == b"\xfe":  # the account's way to tell a password is another than was guessed
        plugin, _, scramble = reply[1:].partition(b"\0")
        if plugin not in (_NATIVE, _CACHING):
            return Reply(code="2059", message=f"no way to log in by {plugin.decode()}; use {_CACHING.decode()}")
        wire.answer(wire.token(plugin, scramble))
        reply = yield
    if reply[:2] == _UNKNOWN:
        return Reply(code=NOT_INTRODUCED, message="the server wants the whole password, which only TLS may carry")
    if reply[:2] == _KNOWN:
        reply = yield
    return _error(reply) if reply[:1] == b"\xff" else Reply()


def _answered(tells: int) -> Exchange:
    """Take the answer to a statement; that to a CALL is the results of its queries, and then what it touched."""
    reply = Reply()
    while (yield from _result(reply, tells)):
        pass
    return reply


def _result(reply: Reply, tells: int) -> Generator[None, bytes, bool]:
    """Add what a statement touched, or its rows, to the reply; return whether another result follows."""
    first = yield
    if first[:1] == b"\xff":
        return _failed(reply, first)
    if first[:1] == b"\x00":
        touched, at = _length(first, 1)
        given, at = _length(first, at)  # the number of the first row that got one
        numbers = range(given, given + touched) if tells and given else ()
        reply.touched += touched
        reply.rows += [[str(number)] for number in numbers]
        return _has_more(first, at)
    columns, _ = _length(first, 0)
    kinds: list[tuple[int, bool]] = []
    while not _is_end(packet := (yield)):
        kinds.append(_kind(packet) if tells else (0, False))
    assert len(kinds) == columns
    while not _is_end(packet := (yield)):
        if packet[:1] == b"\xff":
            return _failed(reply, packet)
        reply.touched += 1
        if tells:
            reply.rows.append(_cells(packet, kinds)[-tells:])
    return _has_more(packet, 3)


def _prepared() -> Exchange:
    first = yield
    if first[:1] == b"\xff":
        return _error(first)
    number, columns, parameters = struct.unpack_from("<IHH", first, 1)
    for count in (parameters, columns):
        for _ in range(count + 1 if count else 0):  # each list has an end
            yield
    return Reply(number=number, parameters=parameters)


def _error(packet: bytes) -> Reply:
    (code,) = struct.unpack_from("<H", packet, 1)
    text = packet[9:] if packet[3:4] == b"#" else packet[3:]
    return Reply(code=str(code), message=text.decode("utf-8", "replace"))


def _failed(reply: Reply, packet: bytes) -> bool:
    """Put the error into the reply; nothing follows it."""
    error = _error(packet)
    reply.code, reply.message = error.code, error.message
    return False


def _has_more(packet: bytes, at: int) -> bool:
    """Say whether the server's status, which stands there, announces another result."""
    return bool(struct.unpack_from("<H", packet, at)[0] & _MORE_RESULTS)


def _is_end(packet: bytes) -> bool:
    return packet[:1] == b"\xfe" and len(packet) < 9


def _length(packet: bytes, at: int) -> tuple[int, int]:
    """Return a number of the protocol's own form, and where it ends."""
    first = packet[at]
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(packet[at + 1 : at + 1 + size], "little"), at + 1 + size


def _text(packet: bytes, at: int) -> tuple[bytes, int]:
    size, at = _length(packet, at)
    return packet[at : at + size], at + size


def _kind(packet: bytes) -> tuple[int, bool]:
    """Return a column's type and whether it is unsigned, from its description."""
    at = 0
    for _ in range(6):
        _, at = _text(packet, at)
    kind, flags = struct.unpack_from("<xxxxxxxBH", packet, at)
    return kind, bool(flags & 32)


_WHOLE = {1: "b", 2: "h", 13: "h", 3: "i", 9: "i", 8: "q"}
_REAL = {4: "f", 5: "d"}
_DATES, _DATE, _TIME = (7, 10, 12), 10, 11


def _cells(packet: bytes, kinds: Sequence[tuple[int, bool]]) -> list[str]:
    """Return the texts of a row in binary form; NULL is an empty text."""
    nulls, at, found = packet[1 : 1 + (len(kinds) + 9) // 8], 1 + (len(kinds) + 9) // 8, []
    for place, (kind, is_unsigned) in enumerate(kinds):
        text = ""
        if not nulls[(place + 2) // 8] >> (place + 2) % 8 & 1:
            text, at = _cell(packet, at, kind, is_unsigned)
        found.append(text)
    return found


def _cell(packet: bytes, at: int, kind: int, is_unsigned: bool) -> tuple[str, int]:  # noqa: FBT001
    if form := _WHOLE.get(kind):
        form = "<" + (form.upper() if is_unsigned else form)
        return str(struct.unpack_from(form, packet, at)[0]), at + struct.calcsize(form)
    if form := _REAL.get(kind):
        return repr(struct.unpack_from("<" + form, packet, at)[0]), at + struct.calcsize(form)
    content, at = _text(packet, at)
    if kind in _DATES:
        return _moment(content, is_date=kind == _DATE), at
    if kind == _TIME:
        return _time(content), at
    return content.decode("utf-8", "replace"), at


def _moment(content: bytes, *, is_date: bool) -> str:
    year, month, day, hour, minute, second, micros = struct.unpack("<HBBBBBI", content.ljust(11, b"\0"))
    text = f"{year:04}-{month:02}-{day:02}"
    if is_date:
        return text
    return f"{text} {hour:02}:{minute:02}:{second:02}" + (f".{micros:06}" if micros else "")


def _time(content: bytes) -> str:
    is_negative, days, hour, minute, second, micros = struct.unpack("<BIBBBI", content.ljust(12, b"\0"))
    text = f"{'-' if is_negative else ''}{days * 24 + hour:02}:{minute:02}:{second:02}"
    return text + (f".{micros:06}" if micros else "")


def _parameters(values: Sequence[bytes | None]) -> bytes:
    """Return the values of a prepared statement, all as texts."""
    if not values:
        return b""
    nulls = bytearray((len(values) + 7) // 8)
    for place, value in enumerate(values):
        if value is None:
            nulls[place // 8] |= 1 << place % 8
    kinds = b"".join(_NULL if value is None else _STRING for value in values)
    return bytes(nulls) + b"\x01" + kinds + b"".join(_sized(value) for value in values if value is not None)


def _sized(value: bytes) -> bytes:
    size = len(value)
    if size < 0xFB:
        return bytes([size]) + value
    if size < 1 << 16:
        return b"\xfc" + struct.pack("<H", size) + value
    return b"\xfe" + struct.pack("<Q", size) + value


def _hashed(plugin: bytes, content: bytes) -> bytes:
    name = "sha1" if plugin == _NATIVE else "sha256"
    return hashlib.new(name, content, usedforsecurity=False).digest()
