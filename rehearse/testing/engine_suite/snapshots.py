"""A snapshot sees every single change of a schema, names it, and sees none where there was none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rehearse.model import Snapshot
from rehearse.protocols import Role, Server
from rehearse.testing.engine_suite.subject import Subject, fresh

_MADE = (
    "create table kinds (id int primary key)",
    "create table things (id int primary key, kind_id int, word varchar(20), amount int, spare int)",
    "insert into things values (1, null, 'one', 1, 1)",
)
CHANGES: Mapping[str, str | None] = MappingProxyType(
    {
        "a column that came": "alter table things add column extra int",
        "a column that went": "alter table things drop column spare",
        "a type": None,
        "a default": "alter table things alter column amount set default 7",
        "that it may be null": None,
        "an index": "create index things_word on things (word)",
        "a unique key": "alter table things add constraint things_once unique (word, amount)",
        "a foreign key": "alter table things add constraint things_kind foreign key (kind_id) references kinds (id)",
        "a check": "alter table things add constraint things_positive check (amount > 0)",
        "a view": "create view wordy as select id, word from things",
        "a comment": None,
    }
)
"""What is changed, one after the other, and how; None: each engine has its own words, which make `things.amount`
another type, then not null, and say 'seen' of `things`."""
_NAMED = {"a column that came": "extra", "a column that went": "spare", "a view": "wordy"}


def it_sees_each_change_of_a_schema(subject: Subject, server: Server) -> None:
    """See that every change, made alone, makes a difference that names what was changed."""
    with fresh(server, "schemas") as database:
        subject.ask(database.url(Role.MIGRATION), *_MADE)
        before = database.snapshot("start")
        for what, usual in CHANGES.items():
            assert usual or what in subject.words.changes, f"say in Words.changes how this engine changes {what}"
            statement = subject.words.changes.get(what, usual)
            if statement is None:
                continue
            subject.ask(database.url(Role.MIGRATION), statement)
            after = database.snapshot("forward")
            changed = _changed(before, after)
            assert changed, f"{what} was changed by {statement!r}, and nothing was seen"
            assert any(_NAMED.get(what, "things") in one for one in changed), f"{what} is called {changed}"
            before = after


def it_sees_no_change_where_there_was_none(subject: Subject, server: Server) -> None:
    """See that two snapshots of the same are the same, and that what was made and unmade leaves no difference."""
    with fresh(server, "quiet") as database:
        url = database.url(Role.MIGRATION)
        subject.ask(url, *_MADE, "create index things_amount on things (amount)")
        before = database.snapshot("start")
        subject.ask(url, "create table passing (id int primary key)", "drop table passing")
        subject.ask(url, "alter table things add column passing int", "alter table things drop column passing")
        subject.ask(url, "update things set amount = 2 where id = 1", "update things set amount = 1 where id = 1")
        after = database.snapshot("back")
        assert not _changed(before, after)
        assert after.tables["things"].is_like(before.tables["things"])


PROMISES = (it_sees_each_change_of_a_schema, it_sees_no_change_where_there_was_none)


def _changed(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the objects whose properties differ."""
    both = [*before.schema, *after.schema]
    return sorted({one for one in both if before.schema.get(one) != after.schema.get(one)})
