"""The mix: the calls of a scenario made ready to send, with the rows that their values are drawn from."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from rehearse import registry
from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import CallChoice, CallShape, Survey, TableFacts, WorkloadChoice
from rehearse.protocols import Database, Role
from rehearse.workload import default
from rehearse.workload.arrivals import PHASES, Schedule
from rehearse.workload.captured import captured
from rehearse.workload.draws import Calls
from rehearse.workload.ledger import Ledger, ledger
from rehearse.workload.shapes import touches
from rehearse.workload.statements import BadSql, Statement, pieces, split
from rehearse.workload.values import Draw, Wanted, check_names, draws

_PARAMETER = re.compile(r":p(\d+)\b")
_TRIES = 5  # sets of values that a call is tried with: one may meet a row that is there already
_KEYS = 200_000  # rows that keys are drawn from, at most
_VALUES = 20_000  # rows that other values are drawn from, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """A kind of call as it is sent.

    `draws` are its parameters; `places` says for each statement which of them are its $1 … $n.
    """

    name: str
    share: float
    ledgers: tuple[Ledger, ...]
    draws: tuple[Draw, ...]
    places: tuple[tuple[int, ...], ...]
    writes: bool
    version: str | None = None
    think_ns: int = 0
    retries: int = 0
    retry_on: tuple[str, ...] = ()

    @property
    def statements(self) -> tuple[str, ...]:
        """The SQL with $1 … $n, as it is prepared."""
        return tuple(one.sql for one in self.ledgers)

    @property
    def tells(self) -> tuple[int | None, ...]:
        """What each answer must tell; see `protocols.Call`."""
        return tuple(one.tells for one in self.ledgers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Calls, what they touch, and the rows that exist. `notes` is what a reader of the report must know of them."""

    engine: str
    calls: tuple[PreparedCall, ...]
    shapes: tuple[CallShape, ...]
    pools: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]

    @property
    def shares(self) -> list[float]:
        """The weights of the calls in the old version of the application."""
        return [0.0 if call.version == "new" else call.share for call in self.calls]

    @property
    def new_shares(self) -> list[float] | None:
        """The weights of the calls in the new version, where it has other calls than the old one."""
        if all(call.version is None for call in self.calls):
            return None
        return [0.0 if call.version == "old" else call.share for call in self.calls]

    @property
    def width(self) -> int:
        """How many random words a call needs at most."""
        return max((1 + one["word"] for call in self.calls for one in call.draws), default=1)

    def plan(self) -> dict[str, Any]:
        """Return what a sending process needs, as JSON can hold it."""
        return {
            "calls": [
                {
                    "name": call.name,
                    "share": call.share,
                    "statements": call.statements,
                    "tells": call.tells,
                    "writes": call.writes,
                    "draws": call.draws,
                    "think_ns": call.think_ns,
                    "retries": call.retries,
                    "retry_on": call.retry_on,
                    "places": call.places,
                }
                for call in self.calls
            ],
            "pools": self.pools,
            "width": self.width,
            "shares": self.shares,
            "new_shares": self.new_shares,
        }


def tries(mix: Mix, seed: int, *, count: int = _TRIES) -> list[list[list[list[bytes | None]]]]:
    """Return for each call a few sets of values, as its traffic would draw them, to try it with."""
    schedule = Schedule(seed=seed, phase=PHASES - 1, rate=1.0, shares=mix.shares, width=mix.width)
    drawn, block = Calls(mix.plan()["calls"], mix.pools, seed), schedule.block(0)
    rows = np.arange(count)
    now_us = time.time_ns() // 1000
    return [drawn.values(block, rows, now_us, np.full(count, kind)) for kind in range(len(mix.calls))]


def open_mix(
    choice: WorkloadChoice,
    database: Database,
    *,
    engine: str = "postgres",
    access: Mapping[str, float] | None = None,
    seed: int = 1,
    statements: Sequence[tuple[str, float]] = (),
) -> Mix:
    """Return the mix of a workload on a loaded database: SQL read, values found, rows sampled.

    Without calls a mix is derived from the schema, and a note says so. `access` gives single tables a skew of their
    own. `statements` are those that production counted, with their weights, for `mix = "profile"`. Raises
    ScenarioMistake, naming the call and the key, for SQL that the server refuses to prepare or a value that cannot be
    found.
    """
    part = registry.part("engine", engine, "survey")
    url = database.url(Role.OWNER)
    survey: Survey = part.survey(url)
    chosen, notes = _chosen(choice, survey, part, database.url(Role.OWNER), statements)
    wanted = Wanted(survey, lambda table, column: part.greatest(url, table, column))
    calls = tuple(_prepared(one, at, wanted, engine, choice.flags) for at, one in enumerate(chosen))
    _versions(calls)
    if not any(call.share for call in calls):
        raise ScenarioMistake("workload.flags: no user sends any call; a flag of 0 leaves its calls out")
    settings = {name: str(value) for name, value in choice.settings.items()}
    _refuse(calls, part, database.url(Role.APPLICATION), settings)
    _refuse_company(choice, part, database.url(Role.APPLICATION), settings)
    skews = {table: (access or {}).get(table, choice.skew) for table in survey.tables}
    sample = partial(part.sample, url, seed=seed & 0x7FFFFFFF)
    pools = tuple(_pool(sample, table, columns, skews[table.table]) for table, columns in wanted.pools)
    return Mix(
        engine=engine,
        calls=calls,
        shapes=tuple(_shape(one, survey, engine) for one in calls),
        pools=pools,
        notes=notes,
    )


def _chosen(
    choice: WorkloadChoice, survey: Survey, part: ModuleType, url: str, statements: Sequence[tuple[str, float]]
) -> tuple[list[CallChoice], tuple[str, ...]]:
    """Return the calls, and what a reader must know of how they were found."""
    if choice.mix != "profile":
        return (choice.calls, ()) if choice.calls else (default.calls(survey), (default.note(survey),))
    found = captured(statements, survey, partial(part.greatest, url))
    refused = part.refusals(url, [_PARAMETER.sub(r"$\1", str(one.sql)) for one in found.calls], {})
    good = [one for one, says in zip(found.calls, refused, strict=True) if says is None]
    if not good and not choice.calls:
        raise ScenarioMistake(
            "workload.mix = 'profile': the profile holds no statement that can be sent (pg_stat_statements was not "
            "there, or its statements need another schema); give workload.calls, or leave mix out"
        )
    out = [*found.left_out, *((str(one.sql), says) for one, says in zip(found.calls, refused, strict=True) if says)]
    share = 1.0 - sum(one.share for one in good) / (sum(weight for _, weight in statements) or 1.0)
    note = f"{len(good)} kinds of calls are statements that the profile saw in production, without their transactions"
    more = "; ".join(f"{sql[:120]}: {why}" for sql, why in out[:5])
    return [*good, *choice.calls], (
        f"{note}; {len(out)} were left out, {share:.0%} of the calls: {more}" if out else note,
    )


def flagged(choice: CallChoice, flags: Mapping[str, float], where: str) -> float:
    """Return the share of users who send a call: all, those for whom its flag is on, or the others."""
    if choice.flag is None:
        return 1.0
    name = choice.flag.removeprefix("not ")
    if name not in flags:
        known = [*flags, *(f"not {one}" for one in flags)]
        raise ScenarioMistake(f"{where}.flag: workload.flags has no {name!r}{near_miss(choice.flag, known)}")
    return flags[name] if name == choice.flag else 1.0 - flags[name]


def _prepared(choice: CallChoice, at: int, wanted: Wanted, engine: str, flags: Mapping[str, float]) -> PreparedCall:
    where = f"workload.calls[{at}]"
    statements = _statements(choice, where)
    parameters = tuple(dict.fromkeys(name for one in statements for name in one.parameters))
    found = draws(parameters, choice.values, wanted, where)
    ledgers = tuple(ledger(one.sql, wanted.survey, engine=engine) for one in statements)
    touched = touches([one.sql for one in statements], wanted.survey, engine=engine)
    return PreparedCall(
        name=choice.name,
        share=choice.share * flagged(choice, flags, where),
        ledgers=ledgers,
        draws=tuple(found),
        places=tuple(tuple(parameters.index(name) for name in one.parameters) for one in statements),
        writes=touched is None
        or any("writes" in kinds for kinds in touched.values())
        or any(one.writes for one in ledgers),
        version=choice.version,
        think_ns=choice.think,
        retries=choice.retries,
        retry_on=tuple(choice.retry_on),
    )


def check(choice: WorkloadChoice) -> None:
    """Raise a ScenarioMistake for a call whose SQL cannot be split or whose values do not fit it; needs no database."""
    for at, call in enumerate(choice.calls):
        flagged(call, choice.flags, f"workload.calls[{at}]")
        statements = _statements(call, f"workload.calls[{at}]")
        if call.think and len(statements) == 1:
            raise ScenarioMistake(
                f"workload.calls[{at}].think: {call.name!r} has one statement, after which there is nothing to think "
                "about; give it several, which make one transaction, or leave think out"
            )
        parameters = [name for one in statements for name in one.parameters]
        check_names(parameters, call.values, f"workload.calls[{at}]")
    unused = sorted(choice.flags.keys() - {(one.flag or "").removeprefix("not ") for one in choice.calls})
    if unused:
        raise ScenarioMistake(f"workload.flags.{unused[0]}: no call has this flag; give one flag = {unused[0]!r}")


def _versions(calls: Sequence[PreparedCall]) -> None:
    for one, other in (("old", "new"), ("new", "old")):
        if all(call.version == other for call in calls):
            raise ScenarioMistake(
                f"workload.calls: no call is left for the {one} version of the application; "
                f"give calls without a version, which both send, or some with version = {one!r}"
            )


def _statements(choice: CallChoice, where: str) -> tuple[Statement, ...]:
    texts = [choice.sql] if isinstance(choice.sql, str) else choice.sql
    try:
        return split(";\n".join(texts))
    except BadSql as bad:
        raise ScenarioMistake(f"{where}.sql: {bad}") from None


def _refuse(calls: Sequence[PreparedCall], part: ModuleType, url: str, settings: Mapping[str, str]) -> None:
    """Let the server prepare every statement once, so that a typo is told before anything is measured."""
    old = [(at, call) for at, call in enumerate(calls) if call.version != "new"]  # the new schema is not there yet
    statements = [(at, call.name, sql) for at, call in old for sql in call.statements]
    for (at, name, _), says in zip(
        statements, part.refusals(url, [sql for *_, sql in statements], settings), strict=True
    ):
        if says is not None:
            raise ScenarioMistake(f"workload.calls[{at}].sql ({name!r}): the server says: {says}")


def _refuse_company(choice: WorkloadChoice, part: ModuleType, url: str, settings: Mapping[str, str]) -> None:
    """Let the server prepare what company begins with: company that only fails keeps nobody waiting.

    Later statements may need what the first ones make; where they fail, the baseline is not sound (R002).
    """
    for at, one in enumerate(choice.company):
        texts = [one.sql] if isinstance(one.sql, str) else one.sql
        first = [each.sql for text in texts for each in pieces(text)][:1]
        for says in part.refusals(url, first, settings):
            if says is not None:
                raise ScenarioMistake(f"workload.company[{at}].sql ({one.name!r}): the server says: {says}")


def _pool(
    sample: Callable[..., list[list[str | None]]], table: TableFacts, columns: tuple[str, ...], skew: float
) -> Mapping[str, Any]:
    keyed = columns == table.key
    found = sample(table, columns, limit=_KEYS if keyed else _VALUES)
    if not found[0]:
        raise ScenarioMistake(f"workload: {table.table} has no rows to take {', '.join(columns)} from")
    return {"columns": found, "skew": skew if keyed else 0.0}


def _shape(call: PreparedCall, survey: Survey, engine: str) -> CallShape:
    return CallShape(
        name=call.name,
        sql=call.statements,
        share=call.share,
        touches=touches(call.statements, survey, engine=engine),
        version=call.version,
    )
