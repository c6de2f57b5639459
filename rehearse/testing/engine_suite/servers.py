"""A server is of its version, tells roles and databases apart, forks, ends sessions, and takes its settings back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from unittest import SkipTest

from rehearse.protocols import Forkable, Role, Server
from rehearse.testing.engine_suite.subject import COUNTED, LIMIT_S, Subject, fresh, make, rows


def it_is_of_the_version_that_was_asked_for(subject: Subject, server: Server) -> None:
    """See that a server says its version, which begins with the one that was chosen."""
    assert server.version[:1].isdigit()
    assert server.version.startswith(subject.choice.version or "")


def it_tells_its_roles_apart(subject: Subject, server: Server) -> None:
    """See that the migration makes, the application writes and makes nothing, the observer writes nothing."""
    with fresh(server, "roles") as database:
        make(subject, database)
        subject.ask(database.url(Role.APPLICATION), "update made set word = 'ein' where id = 1")
        assert rows(subject, database, Role.OBSERVER) == 2
        for role, refused in (
            (Role.APPLICATION, "create table more (id int)"),
            (Role.APPLICATION, "drop table made"),
            (Role.OBSERVER, "delete from made"),
        ):
            assert subject.refuses(database.url(role), refused), f"{role} may {refused!r}"


def it_keeps_databases_apart(subject: Subject, server: Server) -> None:
    """See that what is made in one database is not in another, and that one that was dropped is gone."""
    with fresh(server, "first") as first, fresh(server, "second") as second:
        make(subject, first)
        assert subject.refuses(second.url(Role.MIGRATION), COUNTED)
    assert subject.refuses(first.url(Role.MIGRATION), COUNTED)


def it_forks_a_database(subject: Subject, server: Server) -> None:
    """See that a fork has the rows, the schema and the rights, and a life of its own."""
    with fresh(server, "original") as original:
        if not isinstance(original, Forkable):
            raise SkipTest("a database of this engine cannot be forked")
        make(subject, original)
        subject.ask(original.url(Role.MIGRATION), "create index made_word on made (word)")
        before = original.snapshot("start")
        fork = original.fork("copy")
        try:
            copied = fork.snapshot("start")
            assert copied.schema == before.schema
            assert copied.tables["made"].is_like(before.tables["made"])
            subject.ask(fork.url(Role.APPLICATION), "delete from made")
            assert rows(subject, fork, Role.OBSERVER) == 0
            assert rows(subject, original, Role.OBSERVER) == 2
        finally:
            fork.drop()


def it_ends_the_sessions_of_a_role(subject: Subject, server: Server) -> None:
    """See that what a role still runs is ended, and that the role can be used afterwards."""
    with fresh(server, "ended") as database, ThreadPoolExecutor(1) as beside:
        make(subject, database)
        sleeping = beside.submit(subject.refuses, database.url(Role.MIGRATION), subject.words.sleeps)
        deadline = time.monotonic() + LIMIT_S
        while not sleeping.done():  # it may not have begun yet
            assert time.monotonic() < deadline, "the statement still runs"
            database.end_sessions(Role.MIGRATION)
            wait([sleeping], 0.05)
        assert sleeping.result(), "the statement was not ended, it came to its end"
        assert rows(subject, database, Role.MIGRATION) == 2


def its_settings_are_back_after_a_load(subject: Subject, server: Server) -> None:
    """See that what was loaded is there and the settings are as they were, after a load that failed too."""
    before = dict(server.settings())
    with fresh(server, "loaded") as database:
        with server.loading():
            make(subject, database)
        assert rows(subject, database, Role.OBSERVER) == 2
    assert dict(server.settings()) == before
    try:
        with server.loading():
            raise KeyError
    except KeyError:
        assert dict(server.settings()) == before


PROMISES = (
    it_is_of_the_version_that_was_asked_for,
    it_tells_its_roles_apart,
    it_keeps_databases_apart,
    it_forks_a_database,
    it_ends_the_sessions_of_a_role,
    its_settings_are_back_after_a_load,
)
