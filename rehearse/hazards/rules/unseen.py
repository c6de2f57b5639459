"""What a text does not tell: blocks of code, and what no reader of ours knows."""

from __future__ import annotations

from collections.abc import Iterator

from rehearse.hazards.rule import EVERY, Moment, Rule, Seen
from rehearse.hazards.rules._shop import family, postgres
from rehearse.measures._words import split
from rehearse.measures.deeds import unknown


def _block(moment: Moment) -> Iterator[Seen]:
    if moment.act.does == "unseen":
        yield Seen(says=f"what {moment.act.name} does cannot be seen in the text")
    elif moment.act.does == "select":
        called = next((found for words in split(moment.said.sql) or () if (found := unknown(words))), None)
        if called is not None:
            yield Seen(says=f"what {called} does cannot be seen in the text")


def _unread(moment: Moment) -> Iterator[Seen]:
    if moment.said.unread is not None:
        yield Seen(says=moment.said.unread)


RULES = (
    Rule(
        code="H001",
        name="code that is not looked into",
        asks="Does a statement run code whose deeds the text does not tell?",
        harm="It may do anything, and a lint that says nothing of it has looked at nothing.",
        remedy="Rehearse it (rehearse run): locks and rewrites are measured there, whoever asks for them. Say "
        "`-- rehearse:ignore H001 why` above what you know.",
        severity="unseen",
        looks=_block,
        engines=EVERY,
        bad={**postgres("DO $$ BEGIN NULL; END $$;"), **family("CALL tidy();")},
        good={**postgres("SELECT 1;"), **family("SELECT 1;")},
        covers={"strong_migrations": ("executing SQL directly",)},
    ),
    Rule(
        code="H002",
        name="text that cannot be read",
        asks="Is there a statement that the reader does not understand?",
        harm="Nothing is known of it.",
        remedy="See whether it is the right engine (--engine); a server's newer words are rehearsed, not linted.",
        severity="unseen",
        looks=_unread,
        engines=EVERY,
        per="statement",
        bad={
            **postgres("ALTER TABLE orders FROBNICATE;"),
            **family("ALTER TABLE orders ADD COLUMN a text DEFAULT 'x;"),
        },
        good={**postgres("SELECT 1;"), **family("SELECT 1;")},
        covers={"squawk": ("syntax-error",)},
    ),
)
