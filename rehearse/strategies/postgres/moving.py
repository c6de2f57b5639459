"""Columns that move to a table of their own, which has the same key and a row for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rehearse.errors import ScenarioMistake
from rehearse.model.names import split, told
from rehearse.profiles.blueprint import Constraint, Index, Plan
from rehearse.profiles.made_up import made_up
from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, Steps, alone, batches, patient, together
from rehearse.strategies.postgres import columns, parts
from rehearse.strategies.postgres.names import beside, listed, made, quoted, table


def plain(site: Site) -> Steps:
    """Write all in one transaction."""
    one = _Move(site)
    return Steps(
        forward=(together("All in one.", *one.made(), one.copied(), *one.indexed(), *one.dropped()),),
        back=(together("Undone.", *one.again(), one.restored(), *one.ruled(), f"DROP TABLE {one.there}"),),
    )


def expand(site: Site) -> Steps:
    """Have a trigger write to the new table, copy old rows in batches, and take the old columns away at the end."""
    one = _Move(site)
    forward = [
        together("The table, empty.", *one.made()),
        patient("From now on every write goes to both.", *one.forth()),
        batches(
            "Old rows in batches; those that were written since are newer, and stay.",
            f"{one.copied()}\nFOR KEY SHARE\nON CONFLICT DO NOTHING",
            one.key,
        ),
    ]
    forward += [
        alone("An index of it, while everyone works.", *parts.concurrent(site.plan, one.there, index))
        for index in one.indexes()
    ]
    forward.append(
        patient("Contract, when the new version is live: trigger and old columns go.", *one.untied(), *one.dropped())
    )
    back = [
        patient("The columns again, empty, and filled by every write to the new table.", *one.again(), *one.home()),
        batches("Old rows in batches.", one.restored(is_repeated=True), one.key),
        *columns.ruled_carefully(site, site.columns),
        patient("The new table goes.", f"DROP TABLE {one.there}", f"DROP FUNCTION {one.function}()"),
    ]
    return Steps(forward=tuple(forward), back=tuple(back))


@dataclass(frozen=True, slots=True)
class _Move:
    """Columns of a table, and the table that they go to."""

    site: Site

    def __post_init__(self) -> None:
        plan, moved = self.site.plan, set(self.site.columns)
        if self.name in self.site.blueprint.tables:
            raise ScenarioMistake(f"change.to: there is a table {self.name} already; name a new one")
        columns.refuse_read(plan, self.site.columns)
        if moved & set(self.key):
            raise ScenarioMistake("change.columns: a column of the key stays where it is")
        every: list[Constraint | Index] = [*plan.constraints, *plan.indexes]
        for one in every:
            of = set(one.columns)
            if (of & moved and not of <= moved | set(self.key)) or (
                isinstance(one, Constraint)
                and of & moved
                and (
                    one.kind in ("foreign key", "exclusion")
                    or any(one.name == index.constraint for index in plan.indexes)
                )
            ):
                raise ScenarioMistake(f"change.columns: {one.name} of {plan.name} is of them; drop it first")

    @property
    def key(self) -> tuple[str, ...]:
        return self.site.key()

    @property
    def name(self) -> str:
        schema, own = split(str(self.site["to"]))
        return told(schema or self.site.plan.schema, own)

    @property
    def own(self) -> str:
        return split(self.name)[1]

    @property
    def there(self) -> str:
        return beside(replace(self.site.plan, schema=split(self.name)[0] or "public"), self.own)

    @property
    def where(self) -> str:
        return table(self.site.plan)

    @property
    def function(self) -> str:
        return beside(self.site.plan, made(self.site.plan.own, "__sync"))

    @property
    def trigger(self) -> str:
        return quoted(made("zz_" + self.site.plan.own, "__sync"))

    def _plan(self) -> Plan:
        return self.site.plan

    def made(self) -> Iterator[str]:
        """Yield what makes the new table, empty, with all that the columns had."""
        plan, moved = self._plan(), self.site.columns
        keyed = [replace(plan.columns[one], default=None) for one in self.key]
        lines = [parts.column(one) for one in (*keyed, *(plan.columns[each] for each in moved))]
        key = listed(self.key)
        lines.append(f"PRIMARY KEY ({key})")
        lines.append(f"FOREIGN KEY ({key}) REFERENCES {self.where} ({key}) ON DELETE CASCADE ON UPDATE CASCADE")
        lines += [f"CONSTRAINT {quoted(one.name)} {one.definition}" for one in self._checks()]
        yield f"CREATE TABLE {self.there} (\n    " + ",\n    ".join(lines) + "\n)"
        for name in moved:
            yield from parts.of_column(plan, plan.columns[name], where=self.there)
        yield from (parts.grant(one, self.there) for one in plan.grants if one.column is None)

    def _checks(self) -> list[Constraint]:
        return [one for one in self._plan().of_kind("check") if set(one.columns) & set(self.site.columns)]

    def indexes(self) -> list[Index]:
        """Return the indexes of the columns; those of made-up names get the new table's."""
        plan = self._plan()
        found = [one for one in plan.indexes if set(one.columns) & set(self.site.columns)]
        usual = {one.name: made_up(plan.own, one.words, "idx") for one in found}
        return [
            replace(
                one,
                name=made_up(self.own, one.words, "idx") if one.name == usual[one.name] else made(one.name, "_moved"),
            )
            for one in found
        ]

    def indexed(self) -> Iterator[str]:
        """Yield what makes the indexes."""
        return (parts.index(self.there, one) for one in self.indexes())

    def copied(self) -> str:
        """Return what copies all rows."""
        names = listed((*self.key, *self.site.columns))
        return f"INSERT INTO {self.there} ({names})\nSELECT {names}\nFROM {self.where}"

    def dropped(self) -> list[str]:
        """Return what takes the columns away."""
        return [f"ALTER TABLE {self.where} DROP COLUMN {quoted(one)}" for one in self.site.columns]

    def again(self) -> list[str]:
        """Return what makes the columns again."""
        return [sql for one in self.site.columns for sql in columns.made_again(self._plan(), one)]

    def ruled(self) -> Iterator[str]:
        """Yield what gives them their rules again."""
        return columns.ruled_again(self._plan(), self.site.columns)

    def restored(self, *, is_repeated: bool = False) -> str:
        """Return what brings their values back."""
        own = quoted(self._plan().own)
        sets = ", ".join(f"{quoted(one)} = moved.{quoted(one)}" for one in self.site.columns)
        same = " AND ".join(f"moved.{quoted(one)} = {own}.{quoted(one)}" for one in self.key)
        undone = " OR ".join(f"{own}.{quoted(one)} IS DISTINCT FROM moved.{quoted(one)}" for one in self.site.columns)
        tail = f" AND ({undone})" if is_repeated else ""
        return f"UPDATE {self.where} SET {sets} FROM {self.there} AS moved WHERE {same}{tail}"

    def forth(self) -> Iterator[str]:
        """Yield a trigger by which every write goes to the new table, too."""
        names = [quoted(one) for one in (*self.key, *self.site.columns)]
        sets = ", ".join(f"{quoted(one)} = EXCLUDED.{quoted(one)}" for one in self.site.columns)
        values = ", ".join(f"NEW.{one}" for one in names)
        yield self._function(
            f"    INSERT INTO {self.there} ({', '.join(names)}) VALUES ({values})\n"
            f"    ON CONFLICT ({listed(self.key)}) DO UPDATE SET {sets};"
        )
        yield self._trigger(self.where)

    def home(self) -> Iterator[str]:
        """Yield a trigger by which every write to the new table goes to the old columns, too."""
        sets = ", ".join(f"{quoted(one)} = NEW.{quoted(one)}" for one in self.site.columns)
        same = " AND ".join(f"{quoted(one)} = NEW.{quoted(one)}" for one in self.key)
        yield self._function(f"    UPDATE {self.where} SET {sets} WHERE {same};")
        yield self._trigger(self.there)

    def _function(self, body: str) -> str:
        return (
            f"CREATE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
            f"SET search_path FROM CURRENT AS $rehearse$\nBEGIN\n{body}\n    RETURN NULL;\nEND\n$rehearse$"
        )

    def _trigger(self, on: str) -> str:
        return (
            f"CREATE TRIGGER {self.trigger} AFTER INSERT OR UPDATE ON {on}\n"
            f"FOR EACH ROW EXECUTE FUNCTION {self.function}()"
        )

    def untied(self) -> list[str]:
        """Return what takes the trigger away."""
        return [f"DROP TRIGGER {self.trigger} ON {self.where}", f"DROP FUNCTION {self.function}()"]


__all__ = ["Step", "expand", "plain"]
