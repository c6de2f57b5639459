"""What will be run, settled before anything is: the statement for a range, the key, the ranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from rehearse.backfill.seams import Dialect, Key, Session, Target
from rehearse.backfill.statement import Reading
from rehearse.backfill.task import Backfill
from rehearse.errors import Mistake

_T = "rehearse_t"  # the table in queries of ours: a bare name would be that of a column as text
_STRIDE = 500_000  # keys
_RANGES_A_WORKER = 4  # so that none is idle for long where keys are not spread evenly


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A range of keys, beyond `after` and up to and with `upto` (None: open), of which `done` is the last one done."""

    number: int
    after: Key | None = None
    upto: Key | None = None
    done: Key | None = None
    rows: int = 0
    keys: int = 0
    batches: int = 0
    is_done: bool = False

    @property
    def reached(self) -> Key | None:
        """The key beyond which the next batch begins."""
        return self.done or self.after


@dataclass(frozen=True, slots=True)
class Plan:
    """A backfill on one server's table."""

    task: Backfill
    dialect: Dialect
    reading: Reading
    target: Target

    @property
    def name(self) -> str:
        """What tells this backfill from any other: its statement, its table and its key."""
        key = ",".join(one.name for one in self.target.key)
        words = (self.target.schema, self.target.name, key, " ".join(self.reading.template.split()))
        return blake2b("\0".join(words).encode(), digest_size=8).hexdigest()

    @property
    def is_whole_number(self) -> bool:
        """Say whether the key is one whole number."""
        return len(self.target.key) == 1 and self.target.key[0].is_whole

    @property
    def table(self) -> str:
        """The table's name with its schema."""
        return self.dialect.named(self.target.schema, self.target.name)

    @property
    def state(self) -> str:
        """The name of the table of states, in the schema of the table."""
        return self.dialect.named(self.target.schema, self.task.state)

    def statement(self, after: Key | None, upto: Key | None) -> str:
        """Return the user's statement for a range of keys."""
        return self.reading.within(self.dialect.bounds(self.target, self.reading.alias, after, upto))

    def matching(self, after: Key | None, upto: Key | None, condition: str | None = None) -> str | None:
        """Return what counts the rows of a range for which a condition holds, the statement's own where none is given.

        None: the statement has none that tells which rows it would touch.
        """
        bounds = self.dialect.bounds(self.target, self.reading.alias, after, upto)
        if condition is None:
            if self.reading.kind == "insert" or self.reading.condition is None:
                return None
            return f"SELECT count(*) FROM {self.reading.source} WHERE {bounds} AND ({self.reading.condition}\n)"
        return f"SELECT count(*) FROM {self._own()} WHERE {bounds} AND ({condition}\n)"

    def example(self, after: Key | None, upto: Key | None, condition: str) -> str:
        """Return what selects the key of one row of a range for which a condition holds."""
        bounds = self.dialect.bounds(self.target, self.reading.alias, after, upto)
        selected = self.dialect.selected(self.target, self.reading.alias)
        own = self.reading.source if condition == self.reading.condition else self._own()
        return f"SELECT {selected} FROM {own} WHERE {bounds} AND ({condition}\n) LIMIT 1"

    def _own(self) -> str:
        return f"{self.table} AS {self.dialect.named(self.reading.alias)}"

    def nth_key(self, after: Key | None, upto: Key | None, keys: int) -> str:
        """Return what selects the key of a range that so many keys end with; no row where it has fewer."""
        return f"{self._keys(after, upto)} ORDER BY {self._order()} LIMIT 1 OFFSET {keys - 1}"

    def last_key(self, after: Key | None, upto: Key | None) -> str:
        """Return what selects the last key of a range; no row where it has none."""
        return f"{self._keys(after, upto)} ORDER BY {self._order(' DESC')} LIMIT 1"

    def _keys(self, after: Key | None, upto: Key | None) -> str:
        bounds = self.dialect.bounds(self.target, _T, after, upto)
        return f"SELECT {self.dialect.selected(self.target, _T)} FROM {self.table} AS {_T} WHERE {bounds}"

    def _order(self, direction: str = "") -> str:
        return ", ".join(f"{_T}.{self.dialect.named(one.name)}{direction}" for one in self.target.key)


def planned(session: Session, dialect: Dialect, task: Backfill) -> Plan:
    """Read the statement and the catalogs; a Mistake says why this cannot be run in batches."""
    reading = dialect.read(task.statement)
    target = dialect.target(session, reading, task.key)
    plan = Plan(task, dialect, reading, target)
    moved = sorted({one.name for one in target.key} & set(reading.sets))
    if moved:
        raise Mistake(f"the statement sets {', '.join(moved)}, by which the batches go; choose another unique key")
    if not task.once:
        _check_idempotent(reading)
    if task.workers > 1:
        _check_parallel(reading)
    return plan


def _check_idempotent(reading: Reading) -> None:
    way_out = "or say --once: then each range of keys is run once, as the table of states has it, and no second time"
    if reading.kind == "update" and reading.condition is None:
        raise Mistake(f"the UPDATE has no WHERE that tells rows that are done: add one (such as x IS NULL), {way_out}")
    if reading.kind == "insert" and not (reading.skips_existing or reading.overwrites):
        raise Mistake(
            "the INSERT does not say what to do with rows that are there: add ON CONFLICT DO NOTHING (INSERT IGNORE "
            f"on MySQL), or WHERE NOT EXISTS, {way_out}"
        )


def _check_parallel(reading: Reading) -> None:
    if reading.reads_others:
        raise Mistake(
            "several workers need a statement that touches its own table alone, or inserts from one table into "
            "another: this one reads a second table or a subquery, whose rows two workers may share; take one worker"
        )
    if reading.kind == "insert" and reading.target[-1] == reading.table[-1]:
        raise Mistake("several workers cannot insert into the table that they read; take one worker")


def warnings(plan: Plan) -> Iterator[str]:
    """Yield what the user should know before it begins."""
    if plan.task.workers > 1 and plan.target.triggers:
        yield (
            f"trigger {', '.join(plan.target.triggers)} fires for each row: where it writes to rows that several "
            "workers share, they wait for each other and deadlocks are retried"
        )
    if plan.reading.overwrites and not plan.task.verify:
        yield "an INSERT that updates what is there does not tell what was right before: give --verify a condition"
    if plan.task.once:
        yield (
            "once: rows that others insert from now on, beyond the last key that there is, are not touched; and the "
            "table of states alone tells what is done, so that it is left there at the end"
        )


def ranges(session: Session, plan: Plan) -> list[Range]:
    """Return the ranges of keys to be worked on, of about as many keys each; the last one is open unless it is once.

    For several workers an evenly spread whole number is divided; else an index on the key is read once.
    """
    last = _one(session.ask(plan.last_key(None, None))) if plan.task.once or plan.task.workers > 1 else None
    cuts = _cuts(session, plan, last) if plan.task.workers > 1 and last is not None else []
    ends: list[Key | None] = [*cuts, last if plan.task.once else None]
    return [
        Range(number=number, after=ends[number - 1] if number else None, upto=end) for number, end in enumerate(ends)
    ]


def _cuts(session: Session, plan: Plan, last: Key) -> list[Key]:
    """Return the keys between the ranges."""
    wanted = plan.task.workers * _RANGES_A_WORKER
    first = _one(session.ask(plan.nth_key(None, None, 1)))
    if first is None:
        return []
    if plan.is_whole_number:
        low, high = int(first[0]), int(last[0])
        return [(str(cut),) for cut in sorted({low + (high - low) * n // wanted for n in range(1, wanted)})]
    keys = (plan.target.rows or 0) // wanted
    return list(islice(_every(session, plan, keys), wanted - 1)) if keys >= plan.task.batch else []


def _every(session: Session, plan: Plan, keys: int) -> Iterator[Key]:
    """Yield the key that each so many keys end with; no query of it reads more of the index than a second's worth."""
    at: Key | None = None
    while True:
        ahead = keys
        while ahead:
            stride = min(ahead, _STRIDE)
            at = _one(session.ask(plan.nth_key(at, None, stride)))
            if at is None:
                return
            ahead -= stride
        assert at is not None
        yield at


def _one(found: object) -> Key | None:
    assert isinstance(found, list | tuple)
    return tuple(map(str, found[0])) if found else None
