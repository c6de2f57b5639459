"""A rule of the linter as data, and what its recogniser is given and says: Rule, Moment, Seen, Claim, Hazard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rehearse.hazards.acts import Act, Said
from rehearse.hazards.known import Known
from rehearse.hazards.modes import Lock

Severity = Literal["outage", "fails", "breaks old code", "loses data", "note", "unseen"]
FAILING: tuple[Severity, ...] = ("outage", "fails", "breaks old code", "loses data")
Engine = Literal["postgres", "mysql", "mariadb"]
POSTGRES: tuple[Engine, ...] = ("postgres",)
FAMILY: tuple[Engine, ...] = ("mysql", "mariadb")
EVERY: tuple[Engine, ...] = (*POSTGRES, *FAMILY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a server does that a rehearsal can see: what it locks, writes anew or reads whole, and by which algorithm.

    `scans`: it reads all rows, so that its time grows with them. A table of `rewrites` is written anew.
    """

    locks: tuple[Lock, ...] = ()
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    algorithm: str = ""  # MySQL's word


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A place where a rule's condition holds. What is None is as the rule has it."""

    says: str
    claim: Claim = field(default_factory=Claim)
    rewrite: str | None = None  # the safer SQL, where it is certain
    severity: Severity | None = None
    table: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A statement, the act of it that is looked at, and what is known before it."""

    said: Said
    act: Act
    known: Known

    @property
    def engine(self) -> str:
        """The kind of database."""
        return self.known.engine

    def since(self, *version: int) -> bool:
        """Say whether the server is of this version or later."""
        return self.known.version >= version


Looks = Callable[[Moment], Iterator[Seen]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A migration for a rule to find, or to let pass, and the schema that it starts from.

    `transaction` is as in a scenario; `version` is the engine's, where that matters.
    """

    sql: str
    schema: str = ""
    transaction: str = "file"
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: its words (as a check has them), when it is asked, and the migrations that it is shown by.

    `proof` is "rehearsal" where a server shows what is claimed, else "static". `covers` has, for each public list, the
    names of its rules that this one answers. `versions` says in words where an engine's version matters. `once`: it is
    said once a script.
    """

    code: str
    name: str
    asks: str
    harm: str
    remedy: str
    severity: Severity
    looks: Looks
    engines: tuple[Engine, ...] = EVERY
    bad: Mapping[Engine, Example]
    good: Mapping[Engine, Example]
    per: Literal["act", "statement", "end"] = "act"
    proof: Literal["rehearsal", "static"] = "static"
    covers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    versions: str = ""
    once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """A rule's finding in a statement."""

    rule: Rule
    severity: Severity
    statement: int  # from 1
    sql: str
    place: str
    says: str
    table: str = ""
    claim: Claim = field(default_factory=Claim)
    rewrite: str | None = None

    @property
    def fails(self) -> bool:
        """Say whether a lint fails by it."""
        return self.severity in FAILING
