"""New columns out of old ones: split and merge."""

from __future__ import annotations

from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, Steps, batches, patient, together
from rehearse.strategies.postgres import columns, parts
from rehearse.strategies.postgres.names import beside, made, quoted, table
from rehearse.strategies.postgres.target import gone, new_columns, new_values


def plain(site: Site) -> Steps:
    """Write all in one transaction."""
    where = table(site.plan)
    sets = ", ".join(f"{quoted(one)} = {value}" for one, value in new_values(site).items())
    forward = [*_added(site), f"UPDATE {where} SET {sets}", *_dropped(site)]
    back: list[str] = []
    if gone(site):
        back += [sql for one in gone(site) for sql in columns.made_again(site.plan, one)]
        old = ", ".join(f"{quoted(one)} = {value}" for one, value in site.change.back.items())
        back.append(f"UPDATE {where} SET {old}")
        back += columns.ruled_again(site.plan, gone(site))
    back += _undone(site)
    return Steps(forward=(together("All in one.", *forward),), back=(together("Undone.", *back),))


def _added(site: Site) -> list[str]:
    return [f"ALTER TABLE {table(site.plan)} ADD COLUMN {parts.column(one)}" for one in new_columns(site)]


def _dropped(site: Site) -> list[str]:
    columns.refuse_read(site.plan, gone(site))
    return [f"ALTER TABLE {table(site.plan)} DROP COLUMN {quoted(one)}" for one in gone(site)]


def _undone(site: Site) -> list[str]:
    return [f"ALTER TABLE {table(site.plan)} DROP COLUMN {quoted(one)}" for one in new_values(site)]


def expand(site: Site) -> Steps:
    """Have a trigger fill the new columns, fill old rows in batches, and take the trigger away at the end."""
    where, back = table(site.plan), []
    forward = [
        patient(
            "Expand: new columns that every write fills from now on.",
            *_added(site),
            *_trigger(site, new_values(site), dict(site.change.back)),
        ),
        _filled(site, new_values(site)),
        patient(
            "Contract, when the new version of the application is live: the trigger goes"
            + (", and the old columns." if gone(site) else "."),
            *_untriggered(site),
            *_dropped(site),
        ),
    ]
    if gone(site):
        old = dict(site.change.back)
        again = [sql for one in gone(site) for sql in columns.made_again(site.plan, one)]
        back += [
            patient("The old columns, which every write fills.", *again, *_trigger(site, old, new_values(site))),
            _filled(site, old),
            *columns.ruled_carefully(site, gone(site)),
            patient("The new ones go.", *_untriggered(site), *_undone(site)),
        ]
    else:
        back.append(patient("The new columns go.", *_undone(site)))
    return Steps(forward=tuple(forward), back=tuple(back), notes=(f"In between, both versions work with {where}.",))


def _filled(site: Site, values: dict[str, str]) -> Step:
    sets = ", ".join(f"{quoted(one)} = {value}" for one, value in values.items())
    undone = " OR ".join(f"{quoted(one)} IS DISTINCT FROM ({value})" for one, value in values.items())
    return batches("Old rows in batches.", f"UPDATE {table(site.plan)} SET {sets} WHERE ({undone})", site.key())


def _trigger(site: Site, values: dict[str, str], others: dict[str, str]) -> list[str]:
    """Return a trigger that fills columns from the others; a write to these columns alone goes the other way."""
    name, function = quoted(made("zz_" + site.plan.own, "__sync")), beside(site.plan, made(site.plan.own, "__sync"))
    row = f"FROM (SELECT NEW.*) AS {quoted(site.plan.own)}"
    forth = "\n".join(f"        NEW.{quoted(one)} := (SELECT {value} {row});" for one, value in values.items())
    back = "\n".join(f"        NEW.{quoted(one)} := (SELECT {value} {row});" for one, value in others.items())
    body = forth.replace("        ", "    ")
    if gone(site):
        same = " AND ".join(f"NEW.{quoted(one)} IS NOT DISTINCT FROM OLD.{quoted(one)}" for one in others)
        written = " OR ".join(f"NEW.{quoted(one)} IS DISTINCT FROM OLD.{quoted(one)}" for one in values)
        empty = " AND ".join(f"NEW.{quoted(one)} IS NULL" for one in others)
        given = " OR ".join(f"NEW.{quoted(one)} IS NOT NULL" for one in values)
        body = (
            f"    IF TG_OP = 'INSERT' AND {empty} AND ({given})\n"
            f"        OR TG_OP = 'UPDATE' AND {same} AND ({written}) THEN\n{back}\n    ELSE\n{forth}\n    END IF;"
        )
    return [
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql\n"
        f"SET search_path FROM CURRENT AS $rehearse$\nBEGIN\n{body}\n    RETURN NEW;\nEND\n$rehearse$",
        f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table(site.plan)}\n"
        f"FOR EACH ROW EXECUTE FUNCTION {function}()",
    ]


def _untriggered(site: Site) -> list[str]:
    name, function = quoted(made("zz_" + site.plan.own, "__sync")), beside(site.plan, made(site.plan.own, "__sync"))
    return [f"DROP TRIGGER {name} ON {table(site.plan)}", f"DROP FUNCTION {function}()"]
