"""What is told of other sessions' statements."""

from __future__ import annotations

import pytest

from rehearse.engines.postgres.query_texts import told


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("UPDATE t SET a = 5, b = 'x''y' WHERE id = $1", "UPDATE t SET a = ?, b = ? WHERE id = $1"),
        ("select e'it\\'s', $x$ mine $x$, 1e5, t1.c2 from \"a 'b\"", 'select ?, ?, ?, t1.c2 from "a \'b"'),
        ("select 1 -- for anna@example.org\nfrom t /* 42", "select ? from t"),
        ("select 'cut off in the mid", "select ?"),
        ("ALTER ROLE bob PASSWORD 'hunter2'", "ALTER ROLE …"),
        ("CREATE USER MAPPING FOR me SERVER s OPTIONS (\"Password\" 'x')", "CREATE USER …"),
        ("autovacuum: VACUUM public.orders", "autovacuum: VACUUM public.orders"),
        ("<insufficient privilege>", None),
        ("", None),
        (None, None),
    ],
)
def test_values_and_secrets_are_left_out(query: str | None, says: str | None) -> None:
    assert told(query) == says


def test_a_long_statement_is_cut() -> None:
    assert len(told("select " + "a, " * 500) or "") == 300
