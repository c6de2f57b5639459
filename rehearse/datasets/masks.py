"""Batches of rows through their columns' treatments, with a tally of what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import partial
from threading import Lock
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets import documents
from rehearse.datasets.masking import KEEP, Rule, Spot, Treatment, form_for
from rehearse.datasets.permutation import derived
from rehearse.datasets.pseudonyms import Form, Pseudonyms
from rehearse.datasets.remembered import Remembered, valid_pairs
from rehearse.datasets.sightings import Sightings
from rehearse.profiles import Column, Structure

Verify = Literal["sample", "full", "none"]
# What never stays as it is.
_MOVED: tuple[Form, ...] = (
    "text",
    "email",
    "mailbox",
    "phone",
    "card",
    "iban",
    "uuid",
    "url",
    "words",
    "int16",
    "int32",
    "int64",
)
_FAR: tuple[Form, ...] = ("text", "email", "phone", "iban", "uuid", "url")


@dataclass(slots=True)
class Tally:
    """What was done to a column. `unmoved` are values that are what they were; `sightings` None where none are kept.

    The values of documents and arrays are the texts and numbers in them that are masked. A value that comes again may
    be counted among the unmoved each time, or once.
    """

    treatment: Treatment
    rows: int = 0
    nulls: int = 0
    unmoved: int = 0
    sightings: Sightings | None = None

    @property
    def leaks(self) -> int:
        """How many values of the source were found in the copy that a pseudonym should stand for."""
        return self.unmoved + (self.sightings.seen_again_far() if self.sightings else 0)


@dataclass(frozen=True, slots=True)
class _Masked:
    """Values without nulls, and what one rule made of them, row for row."""

    rule: Rule
    before: pa.Array
    after: pa.Array


class Masks:
    """What turns the rows of a source, all columns as text, into those of its copy."""

    def __init__(
        self, key: bytes, structure: Structure, treated: Mapping[Spot, Treatment], *, verify: Verify = "sample"
    ) -> None:
        """Begin with empty tallies; what `verify` says of the masked values is looked for in the copy.

        "sample" compares every value with its own pseudonym, and looks for some 50,000 different ones of each column
        in all of the copy; "full" looks for all, which needs 24 bytes for each different value.
        """
        self._pseudonyms = Pseudonyms(key)
        self._columns: Mapping[Spot, Column] = {
            (table.name, name): column for table in structure.tables.values() for name, column in table.columns.items()
        }
        self._locks = {name: Lock() for name in structure.tables}
        self._remembered: dict[Spot, Remembered] = {}
        self.verify = verify
        self.tallies: dict[Spot, Tally] = {}
        for spot, treatment in treated.items():
            masks = treatment.rule.word not in ("keep", "null")
            looks = Sightings(of_all=verify == "full") if masks and verify != "none" else None
            self.tallies[spot] = Tally(treatment, sightings=looks)
            if masks:
                self._remembered[spot] = Remembered()

    def batch(self, table: str, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return a table's rows masked."""
        columns = [self._column((table, name), rows.column(name)) for name in rows.schema.names]
        return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)

    def _column(self, spot: Spot, values: pa.Array) -> pa.Array:
        tally = self.tallies[spot]
        leaves: list[_Masked] = []
        deed = partial(self._treated, spot, tally.treatment, leaves)
        with self._locks[spot[0]]:
            done, pairs = self._remembered[spot].of(values, deed) if spot in self._remembered else (deed(values), None)
            tally.rows += len(values)
            tally.nulls += done.null_count
            if tally.sightings is not None and pairs is not None:
                is_made_of_values = self._columns[spot].type.kind in ("array", "json")
                for one in leaves if is_made_of_values else [_Masked(tally.treatment.rule, *pairs)]:
                    _look(tally, tally.sightings, one)
        return done

    def _treated(self, spot: Spot, treatment: Treatment, leaves: list[_Masked], values: pa.Array) -> pa.Array:
        """Return a column's values masked; what was masked in documents and arrays is added to `leaves`."""
        rule, column = treatment.rule, self._columns[spot]
        if rule.keeps:
            return values
        if rule.word == "null":
            return pa.nulls(len(values), pa.string())
        if column.type.kind == "array":
            return documents.masked_arrays(values, lambda _path, _number, part: self._leaf(rule, leaves, part))
        if column.type.kind == "json":
            return documents.masked_documents(
                values,
                lambda path, is_number, part: self._leaf(
                    _rule_at(treatment, spot[1], path, is_number=is_number), leaves, part
                ),
                treatment.value_keys,
            )
        return self._by_rule(rule, values)

    def _by_rule(self, rule: Rule, values: pa.Array) -> pa.Array:
        if rule.form is not None:
            return self._pseudonyms.of(rule.form, values)
        if rule.word == "null":
            return pa.nulls(len(values), pa.string())
        if rule.days is not None:
            return shifted(self._pseudonyms.key, rule.days, values)
        return rounded(rule.digits or "", values) if rule.digits else values

    def _leaf(self, rule: Rule, leaves: list[_Masked], values: pa.Array) -> pa.Array:
        done = self._by_rule(rule, values)
        if rule.word not in ("keep", "null"):
            leaves.append(_Masked(rule, *valid_pairs(values, done)))
        return done


def _rule_at(treatment: Treatment, column: str, path: str, *, is_number: bool) -> Rule:
    """Return what is done to what stands at one path of documents: to numbers only where a name or a rule says so."""
    rule = treatment.paths.get(path)
    if rule is None:
        named = documents.kind_of(path or (column if treatment.why == "name" else ""))
        rule = Rule(named, form=form_for(named)) if named else KEEP if is_number else Rule("text", form="text")
    if is_number and rule.form is not None:
        return Rule(rule.word, form="place" if rule.form == "place" else "number")
    return rule


def _look(tally: Tally, sightings: Sightings, masked: _Masked) -> None:
    form = masked.rule.form
    sightings.add(masked.before, masked.after, far=form in _FAR)
    if form in _MOVED:
        same = pc.equal(masked.before, masked.after)
        if pc.any(same).as_py():
            moves = pc.match_substring_regex(masked.before.filter(same), r"[0-9A-Za-z]")
            tally.unmoved += pc.sum(moves).as_py() or 0


def shifted(key: bytes, days: int, values: pa.Array) -> pa.Array:
    """Return dates, with or without a time, all moved by the same 1 to `days` days, forth or back as the key has it."""
    drawn = int.from_bytes(derived(key, "shift", days, size=8), "big")
    move = (1 + drawn % max(days, 1)) * (1 if drawn >> 62 & 1 else -1)
    fit = pc.fill_null(pc.match_substring_regex(values, r"^\d{4}-\d\d-\d\d(?:[ T].*)?$"), False)  # noqa: FBT003
    fit = pc.and_(fit, pc.invert(pc.fill_null(pc.match_substring(values, "BC"), False)))  # noqa: FBT003
    chosen = values.filter(fit)
    dates = pc.utf8_slice_codeunits(chosen, 0, 10).cast(pa.date32()).cast(pa.int32())
    moved = pc.add(dates, pa.scalar(move, pa.int32())).cast(pa.date32()).cast(pa.string())
    fresh = pc.binary_join_element_wise(moved, pc.utf8_slice_codeunits(chosen, 10), "")
    return pc.replace_with_mask(values, fit, fresh)


def rounded(digits: str, values: pa.Array) -> pa.Array:
    """Return numbers with so many digits that count and noughts behind them, or moments cut to the month or year."""
    deed = partial(_rounded, int(digits)) if digits.isdigit() else partial(_cut, digits)
    coded = values.dictionary_encode()
    fresh = pa.array([deed(one) for one in coded.dictionary.to_pylist()], pa.string())
    return fresh.take(coded.indices)


def _rounded(digits: int, text: str) -> str:
    number = Decimal(text)
    if not number.is_finite() or not number:
        return text
    with localcontext(prec=max(digits, 1)):
        found: Any = +number
    return f"{found:f}"


def _cut(unit: str, text: str) -> str:
    if not text[:4].isdigit():  # infinity
        return text
    date, blank, _ = text.partition(" ")
    first = f"{date[:4]}-01-01" if unit == "year" else f"{date.rpartition('-')[0]}-01"
    return f"{first}{' 00:00:00' if blank else ''}{'+00' if blank and text.endswith('+00') else ''}"
