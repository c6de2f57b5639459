"""How alike a copy is to its source in a planner's eyes: plan shapes of 40 queries, and rows of 18 conditions.

    python -m tests.bench.queries [--json FILE]

A copy has other values, so literals are put in by their place: `{order_order.date_placed@0.9}` is the 0.9 quantile in
the database that is asked, `{order_line.product_id@mode}` its most frequent value, `{auth_user.username@0.5:3}` the
first three characters of the median. Codes (statuses, currencies) stand as they are. Every copy is analysed once more
before it is compared: so the control (A/A), a fork of the source, shows what the sample of ANALYZE alone changes.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.roles import Connection
from tests.bench.sources import bench_server, copies, oscar

QUERIES = (
    # points and short ranges
    "SELECT * FROM order_order WHERE id = {order_order.id@0.7}",
    "SELECT * FROM order_order WHERE number = {order_order.number@0.3}",
    "SELECT * FROM order_line WHERE order_id = {order_line.order_id@0.5}",
    "SELECT * FROM auth_user WHERE username = {auth_user.username@0.5}",
    "SELECT * FROM auth_user WHERE lower(email) = lower({auth_user.email@0.5})",
    "SELECT * FROM order_line WHERE product_id = {order_line.product_id@mode}",
    "SELECT * FROM order_line WHERE product_id = {order_line.product_id@0.9}",
    "SELECT * FROM analytics_userproductview WHERE user_id = {analytics_userproductview.user_id@mode}",
    "SELECT * FROM order_order WHERE user_id = {order_order.user_id@mode} ORDER BY date_placed DESC LIMIT 20",
    # ranges of time
    "SELECT * FROM order_order WHERE date_placed >= {order_order.date_placed@0.99}",
    "SELECT * FROM order_order WHERE date_placed < {order_order.date_placed@0.4}",
    "SELECT * FROM order_order "
    "WHERE date_placed BETWEEN {order_order.date_placed@0.50} AND {order_order.date_placed@0.53}",
    "SELECT count(*) FROM payment_transaction WHERE date_created >= {payment_transaction.date_created@0.9}",
    "SELECT date_trunc('month', date_placed), count(*), sum(total_incl_tax) FROM order_order GROUP BY 1 ORDER BY 1",
    "SELECT * FROM order_orderstatuschange ORDER BY date_created DESC LIMIT 50",
    # statuses, with and without a range
    "SELECT * FROM order_order WHERE status = 'Pending'",
    "SELECT * FROM order_order WHERE status = 'Complete'",
    "SELECT * FROM order_order WHERE status = 'Pending' AND date_placed < {order_order.date_placed@0.9}",
    "SELECT * FROM basket_basket WHERE status = 'Open' AND date_created < {basket_basket.date_created@0.2}",
    "SELECT * FROM reviews_productreview WHERE status = 0 ORDER BY date_created LIMIT 25",
    "SELECT status, count(*) FROM order_order GROUP BY status",
    "SELECT * FROM catalogue_product WHERE is_public AND structure = 'parent' ORDER BY date_created DESC LIMIT 24",
    # texts
    "SELECT * FROM auth_user WHERE username LIKE {auth_user.username@0.5:3} || '%'",
    "SELECT * FROM catalogue_product WHERE slug LIKE {catalogue_product.slug@0.8:4} || '%'",
    "SELECT query, count(*) FROM analytics_usersearch GROUP BY query ORDER BY 2 DESC LIMIT 10",
    "SELECT * FROM order_shippingaddress WHERE country_id = 'GB' AND line4 = {order_shippingaddress.line4@mode}",
    # joins
    "SELECT o.number, l.* FROM order_order o JOIN order_line l ON l.order_id = o.id "
    "WHERE o.date_placed >= {order_order.date_placed@0.995}",
    "SELECT o.number, l.title FROM order_order o JOIN order_line l ON l.order_id = o.id "
    "WHERE o.user_id = {order_order.user_id@mode}",
    "SELECT p.id, sum(l.quantity) FROM order_line l JOIN catalogue_product p ON p.id = l.product_id "
    "WHERE p.product_class_id = 2 GROUP BY p.id",
    "SELECT u.email, o.number, l.title FROM auth_user u JOIN order_order o ON o.user_id = u.id "
    "JOIN order_line l ON l.order_id = o.id WHERE u.is_staff",
    "SELECT c.name, count(*) FROM catalogue_category c JOIN catalogue_productcategory pc ON pc.category_id = c.id "
    "JOIN catalogue_product p ON p.id = pc.product_id WHERE c.depth = 1 AND p.is_public GROUP BY c.name",
    "SELECT a.country_id, sum(o.total_incl_tax) FROM order_order o "
    "JOIN order_shippingaddress a ON a.id = o.shipping_address_id GROUP BY 1 ORDER BY 2 DESC",
    "SELECT t.* FROM payment_transaction t JOIN payment_source s ON s.id = t.source_id "
    "JOIN order_order o ON o.id = s.order_id WHERE o.number = {order_order.number@0.6}",
    "SELECT v.code, count(*) FROM voucher_voucher v JOIN voucher_voucherapplication a ON a.voucher_id = v.id "
    "JOIN order_order o ON o.id = a.order_id JOIN auth_user u ON u.id = o.user_id WHERE u.is_active GROUP BY v.code",
    "SELECT p.id, r.price FROM catalogue_product p JOIN partner_stockrecord r ON r.product_id = p.id "
    "WHERE r.num_in_stock = 0 AND p.is_public ORDER BY r.price DESC LIMIT 10",
    # semi and anti joins
    "SELECT * FROM auth_user u WHERE NOT EXISTS (SELECT FROM order_order o WHERE o.user_id = u.id)",
    "SELECT * FROM catalogue_product p WHERE EXISTS "
    "(SELECT FROM reviews_productreview r WHERE r.product_id = p.id AND r.score = 1)",
    "SELECT * FROM order_order WHERE id IN (SELECT order_id FROM order_orderdiscount WHERE amount > 50)",
    "SELECT * FROM basket_basket b WHERE b.status = 'Submitted' "
    "AND NOT EXISTS (SELECT FROM order_order o WHERE o.basket_id = b.id)",
    "SELECT r.* FROM reviews_productreview r "
    "WHERE (SELECT sum(delta) FROM reviews_vote v WHERE v.review_id = r.id) > 5",
)
# What follows FROM in SELECT count(*).
CONDITIONS = (
    "order_order WHERE status = 'Pending'",
    "order_order WHERE status = 'Complete' AND date_placed >= {order_order.date_placed@0.98}",
    "order_order WHERE status = 'Shipped' AND date_placed >= {order_order.date_placed@0.98}",
    "order_order WHERE user_id IS NULL AND billing_address_id IS NOT NULL",
    "order_order WHERE user_id = {order_order.user_id@mode}",
    "order_order WHERE total_incl_tax > {order_order.total_incl_tax@0.95}",
    "order_line WHERE product_id = {order_line.product_id@mode}",
    "order_line WHERE tax_code = 'Z' AND quantity > 1",
    "order_line WHERE partner_id = 1 AND stockrecord_id IS NULL",
    "basket_basket WHERE status = 'Open' AND owner_id IS NULL",
    "catalogue_product WHERE structure = 'child' AND product_class_id IS NULL",
    "order_shippingaddress WHERE country_id = 'GB' AND state = ''",
    "auth_user WHERE last_login >= {auth_user.last_login@0.5} AND date_joined < {auth_user.date_joined@0.5}",
    "order_line l JOIN order_order o ON o.id = l.order_id WHERE o.status = 'Cancelled'",
    "order_line l JOIN catalogue_product p ON p.id = l.product_id "
    "WHERE p.date_created >= {catalogue_product.date_created@0.8}",
    "order_line l JOIN order_order o ON o.id = l.order_id JOIN auth_user u ON u.id = o.user_id "
    "WHERE u.date_joined < {auth_user.date_joined@0.25}",
    "reviews_vote v JOIN reviews_productreview r ON r.id = v.review_id WHERE r.score = 1",
    "payment_transaction t JOIN payment_source s ON s.id = t.source_id "
    "WHERE t.txn_type = 'Refund' AND s.source_type_id = 1",
)
_PLACE = re.compile(r"\{(?P<table>\w+)\.(?P<column>\w+)@(?P<at>mode|[\d.]+)(?::(?P<prefix>\d+))?\}")
_SHOWN = ("Node Type", "Parent Relationship", "Strategy", "Partial Mode", "Join Type", "Relation Name", "Index Name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition's rows as the planner expects them and as they are, on the source and on the copy."""

    sql: str
    expected: tuple[int, int]
    true: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How alike a copy is to its source: `differing` are the queries whose plans have another shape."""

    queries: int
    differing: tuple[str, ...]
    conditions: tuple[Condition, ...]

    @property
    def same_plans(self) -> float:
        """The share of queries whose plans have the same nodes, relations, indexes and order of joins."""
        return 1 - len(self.differing) / self.queries

    @property
    def expected_q(self) -> list[float]:
        """The q-errors of the rows that the planner expects on the copy, against those on the source; sorted."""
        return sorted(q_error(*one.expected) for one in self.conditions)

    @property
    def true_q(self) -> list[float]:
        """The q-errors of the rows that there are on the copy, against those on the source; sorted."""
        return sorted(q_error(*one.true) for one in self.conditions)


class Side:
    """One of the databases that are compared; it puts its own values into the queries."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found: dict[str, str] = {}

    def plan(self, query: str) -> Any:
        """Return the planner's tree, as EXPLAIN gives it; nothing is run."""
        return self._one(f"EXPLAIN (FORMAT JSON) {self._filled(query)}")[0]["Plan"]

    def expected(self, condition: str) -> int:
        """Return the rows that the planner expects."""
        return int(self.plan(f"SELECT 1 FROM {condition}")["Plan Rows"])

    def true(self, condition: str) -> int:
        """Return the rows that there are."""
        return int(self._one(f"SELECT count(*) FROM {self._filled(condition)}"))

    def _filled(self, query: str) -> str:
        return _PLACE.sub(self._literal, query)

    def _literal(self, place: re.Match[str]) -> str:
        if place[0] not in self._found:
            how = "mode()" if place["at"] == "mode" else f"percentile_disc({place['at']})"
            value = self._one(f"SELECT {how} WITHIN GROUP (ORDER BY {place['column']}) FROM {place['table']}")
            if place["prefix"]:
                value = re.sub(r"([\\%_])", r"\\\1", str(value)[: int(place["prefix"])])
            self._found[place[0]] = sql.Literal(value).as_string(self._connection)
        return self._found[place[0]]

    def _one(self, query: str) -> Any:
        row = self._connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def shape(node: Any) -> tuple[Any, ...]:
    """Return a plan without its figures: kinds of nodes, relations, indexes, kinds and order of joins."""
    return (*(node.get(name) for name in _SHOWN), *map(shape, node.get("Plans", ())))


def q_error(one: int, other: int) -> float:
    """Return how many times the one is the other, whichever is larger; none counts as one."""
    larger, smaller = max(one, other, 1), max(min(one, other), 1)
    return larger / smaller


def compare(source: PostgresDatabase, copy: PostgresDatabase) -> Likeness:
    """Return how alike the copy is to the source: 40 plans each, and 18 counts each, which read whole tables."""
    with source.connect() as here, copy.connect() as there:
        sides = Side(here), Side(there)
        plans = ((query, [shape(side.plan(query)) for side in sides]) for query in QUERIES)
        return Likeness(
            queries=len(QUERIES),
            differing=tuple(query for query, (one, other) in plans if one != other),
            conditions=tuple(_condition(text, *sides) for text in CONDITIONS),
        )


def _condition(text: str, source: Side, copy: Side) -> Condition:
    return Condition(
        sql=text,
        expected=(source.expected(text), copy.expected(text)),
        true=(source.true(text), copy.true(text)),
    )


def told(name: str, found: Likeness) -> Iterator[str]:
    """Yield the figures of a copy, and what differs."""
    yield f"{name}: {found.same_plans:.0%} of {found.queries} plans alike"
    for what, errors in (("expected rows", found.expected_q), ("true rows", found.true_q)):
        yield f"  q-error of {what}, {len(errors)} conditions: {_figures(errors)}"
    for query in found.differing:
        yield f"  another plan: {query}"
    for one in found.conditions:
        if max(q_error(*one.expected), q_error(*one.true)) > 2:
            yield f"  expected {one.expected}, true {one.true}: {one.sql}"


def _figures(errors: Sequence[float]) -> str:
    tenths = statistics.quantiles(errors, n=10)
    return f"median {statistics.median(errors):.2f}, p90 {tenths[8]:.2f}, worst {errors[-1]:.4g}"


def main() -> None:
    """Build the webshop and its copies, compare, print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    found: dict[str, Likeness] = {}
    with bench_server() as server:
        source = oscar(server)
        for name, copy in copies(source).items():
            with copy.connect() as connection:
                connection.execute("ANALYZE")
            found[name] = compare(source, copy)
            print("\n".join(told(name, found[name])), flush=True)
    if given.json:
        lines = {name: asdict(one) | {"same_plans": one.same_plans} for name, one in found.items()}
        given.json.write_text(json.dumps(lines, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
