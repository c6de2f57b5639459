"""The truth about locks, to the microsecond: kernel probes on the server's own functions (Linux, as root).

LockAcquireExtended returns when a lock is granted or given up; LockReleaseAll lets a transaction's locks go, and
LockRelease one of them. All are exported by the server's program, so their places are in its table of symbols.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from rehearse.engines.postgres.modes import STOPS

TRACING = Path("/sys/kernel/tracing")
_REGISTERS = {"x86_64": ("%di", "%si"), "aarch64": ("%x0", "%x1")}
_FUNCTIONS = ("LockAcquireExtended", "LockReleaseAll", "LockRelease")
_LINE = re.compile(r"-(?P<pid>\d+)\s+\[\d+\]\s+\S+\s+(?P<at>[\d.]+): (?P<event>\w+): \(.*?\)(?P<words>.*)")
_WORD = re.compile(r"(\w+)=(\w+)")
_RELATION = 0  # of LockTagType
_OURS = 16384  # relations below are the server's own
MODES = dict(enumerate(STOPS, 1))


class NoOracle(Exception):
    """Why there are no kernel probes here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A lock of a backend on a relation, by CLOCK_MONOTONIC: released between the two last times."""

    session: int
    relation: int
    mode: str
    asked_ns: int
    granted_ns: int
    release_began_ns: int | None
    release_ended_ns: int | None


class Oracle:
    """What the probes wrote; `truths` reads it once."""

    def __init__(self, instance: Path) -> None:
        self._instance = instance

    def truths(self) -> list[Truth]:
        """Return the locks on relations of users, in the order in which they were granted."""
        found: list[Truth] = []
        asked: dict[int, list[tuple[int, int, int, int]]] = {}  # a lock may ask for another one on its way
        releasing: dict[int, int] = {}
        lone: dict[int, tuple[int, int, int]] = {}
        held: dict[int, list[tuple[int, int, int, int]]] = {}
        for pid, at, event, words in self._lines():
            if event == "ask":
                asked.setdefault(pid, []).append((at, words["type"], words["relation"], words["mode"]))
            elif event == "got" and asked.get(pid):
                began, kind, relation, mode = asked[pid].pop()
                if kind == _RELATION and relation >= _OURS and mode in MODES:
                    held.setdefault(pid, []).append((began, at, relation, mode))
            elif event == "drop" and words["type"] == _RELATION:  # one lock alone: back to a savepoint, or by itself
                lone[pid] = (at, words["relation"], words["mode"])
            elif event == "lost" and pid in lone:
                began, relation, mode = lone.pop(pid)
                gone = [one for one in held.get(pid, ()) if one[2:] == (relation, mode)]
                for one in gone:
                    held[pid].remove(one)
                    found.append(_truth(pid, *one, began, at))
            elif event == "let":
                releasing[pid] = at
            elif event == "gone" and pid in releasing:
                found += (_truth(pid, *one, releasing[pid], at) for one in held.pop(pid, ()))
        found += (_truth(pid, *one, None, None) for pid, some in held.items() for one in some)
        return sorted(found, key=lambda one: one.granted_ns)

    def _lines(self) -> Iterator[tuple[int, int, str, dict[str, int]]]:
        for line in (self._instance / "trace").read_text(encoding="utf-8").splitlines():
            told = _LINE.search(line)
            if told:
                seconds, _, micros = told["at"].partition(".")
                at = int(seconds) * 10**9 + int(micros.ljust(9, "0"))
                words = {name: int(value, 0) for name, value in _WORD.findall(told["words"]) if value.isdigit()}
                yield int(told["pid"]), at, told["event"], words


def _truth(pid: int, asked: int, granted: int, relation: int, mode: int, begin: int | None, end: int | None) -> Truth:
    return Truth(
        session=pid,
        relation=relation,
        mode=MODES[mode],
        asked_ns=asked,
        granted_ns=granted,
        release_began_ns=begin,
        release_ended_ns=end,
    )


@contextmanager
def oracle(program: Path) -> Iterator[Oracle]:
    """Probe a server's program while the block runs, in a trace buffer of our own."""
    if os.geteuid() != 0 or platform.machine() not in _REGISTERS:
        raise NoOracle("kernel probes need root, on Linux on x86-64 or ARM64")
    first, second = _REGISTERS[platform.machine()]
    group = f"rehearse{os.getpid()}"
    with _tracing():
        offsets = _offsets(program)
        acquire, release, one = (f"{program}:{offsets[name]:#x}" for name in _FUNCTIONS)
        lock = f"relation=+4({first}):u32 type=+14({first}):u8 mode={second}:u32"
        probes = (
            f"p:{group}/ask {acquire} {lock}",
            f"r:{group}/got {acquire}",
            f"p:{group}/let {release}",
            f"r:{group}/gone {release}",
            f"p:{group}/drop {one} {lock}",
            f"r:{group}/lost {one}",
        )
        instance = TRACING / "instances" / group
        try:
            for probe in probes:
                _define(probe)
            instance.mkdir()
            (instance / "trace_clock").write_text("mono")
            (instance / "buffer_size_kb").write_text("8192")
            (instance / "events" / group / "enable").write_text("1")
            yield Oracle(instance)
        except OSError as error:
            raise NoOracle(f"the kernel takes no probes here: {error}") from error
        finally:
            with suppress(OSError):
                (instance / "events" / group / "enable").write_text("0")
            with suppress(OSError):
                instance.rmdir()
            for name in ("ask", "got", "let", "gone", "drop", "lost"):
                with suppress(OSError):
                    _define(f"-:{group}/{name}")


def _define(probe: str) -> None:
    """Add a probe to the kernel's list, or take one off it; Python's own append mode seeks, which the list refuses."""
    number = os.open(TRACING / "uprobe_events", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(number, f"{probe}\n".encode())
    finally:
        os.close(number)


@contextmanager
def _tracing() -> Iterator[None]:
    """Have the kernel's tracing files there; mount them where they are not, and take them away again."""
    if (TRACING / "uprobe_events").exists():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"nodev", bytes(TRACING), b"tracefs", 0, None) != 0 or not (TRACING / "uprobe_events").exists():
        raise NoOracle(f"the kernel's tracing cannot be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(bytes(TRACING), 2)  # lazily: the files are let go by whoever still has them open


def _offsets(program: Path) -> dict[str, int]:
    """Return where in the file the program's exported functions begin."""
    with program.open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".dynsym")
        if symbols is None:
            raise NoOracle(f"{program} exports no symbols")
        segments = [one.header for one in elf.iter_segments() if one.header.p_type == "PT_LOAD"]
        places = {one.name: one["st_value"] for one in symbols.iter_symbols() if one["st_value"]}
    found = {
        name: places[name] - segment.p_vaddr + segment.p_offset
        for name in _FUNCTIONS
        if name in places
        for segment in segments
        if segment.p_vaddr <= places[name] < segment.p_vaddr + segment.p_filesz
    }
    if len(found) != len(_FUNCTIONS):
        raise NoOracle(f"{program} does not export the functions that are probed")
    return found
