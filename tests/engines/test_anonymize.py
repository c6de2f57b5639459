from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from psycopg import conninfo

from rehearse.cli.anonymize import command
from rehearse.engines import _local
from rehearse.engines.postgres import binaries
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import NotDisposable, ScenarioMistake
from rehearse.protocols import Role

pytestmark = pytest.mark.slow

SCHEMA = """
    CREATE EXTENSION IF NOT EXISTS citext;
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE TABLE countries (code text PRIMARY KEY);
    CREATE TABLE customers (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        uid uuid NOT NULL UNIQUE,
        email citext NOT NULL UNIQUE CHECK (email ~ '@'),
        full_name text NOT NULL,
        phone varchar(20),
        iban text, card_number text, ssn text UNIQUE, tax_no bigint,
        birth_date date, last_ip inet, mood mood,
        plan text CHECK (plan IN ('free', 'paid')),
        channel text, balance numeric, lat double precision, avatar_url text, photo bytea,
        profile jsonb, tags text[], notes text, country text REFERENCES countries,
        manager bigint REFERENCES customers DEFERRABLE INITIALLY DEFERRED,
        manager_email citext REFERENCES customers (email) DEFERRABLE INITIALLY DEFERRED,
        search tsvector, lowered text GENERATED ALWAYS AS (lower(full_name)) STORED,
        blank text, created_at timestamptz
    );
    CREATE TABLE orders (
        id int PRIMARY KEY, customer_uid uuid NOT NULL REFERENCES customers (uid),
        customer_email citext REFERENCES customers (email), placed_at timestamptz, gift_note text
    );
    CREATE TABLE "Odd Table" ("Full Name" text, "say ""hi"" twice" text);
    CREATE SCHEMA audit;
    CREATE TABLE audit.log (at date NOT NULL, actor_email text, entry json) PARTITION BY RANGE (at);
    CREATE TABLE audit.log_old PARTITION OF audit.log FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
    CREATE TABLE audit.log_new PARTITION OF audit.log FOR VALUES FROM ('2025-01-01') TO (MAXVALUE);
    CREATE TABLE nothing (id int PRIMARY KEY, secret text);
    ALTER TABLE countries ADD COLUMN found_by bigint REFERENCES customers;
    CREATE MATERIALIZED VIEW named AS SELECT full_name FROM customers;
"""
ROWS = """
    INSERT INTO countries SELECT 'C' || n FROM generate_series(1, 5) n;
    INSERT INTO customers (uid, email, full_name, phone, iban, card_number, ssn, tax_no, birth_date, last_ip, mood,
        plan, channel, balance, lat, avatar_url, photo, profile, tags, notes, country, manager, manager_email,
        search, blank, created_at)
    SELECT md5(n::text)::uuid, 'planted.' || n || '@plantedcorp' || n % 7 || '.com',
        (ARRAY['Quirinus', 'Zenobia', 'Anna', 'Łukasz'])[1 + n % 4] || ' Plantedsson' || chr(97 + n % 26),
        '+49 30 ' || 5550000 + n, 'DE89370400440532013000', '4111 1111 1111 1111', '078-05-' || 1000 + n, 9000000 + n,
        date '1950-01-01' + n * 13 % 18000, ('203.0.113.' || n % 250)::inet, 'glad', 'paid',
        (ARRAY['web', 'shop'])[1 + n % 2], n / 3.0, 52.5 + n / 1e5, 'https://planted.example/u/' || n || '?k=planted',
        convert_to('plantedphoto' || n, 'utf8'),
        jsonb_build_object('contact', jsonb_build_object('email', 'inner' || n || '@plantedjson.org'),
            'list', jsonb_build_array('plantedword' || n, 1.50, null, true), 'size', 12345678901234567890123.10),
        ARRAY['plantedtag' || n, 'with "quotes" \\ and, planted'], 'Planted remark number ' || n
            || E',\\nwith a "line"',
        'C' || 1 + n % 5, 1 + n % 400, 'planted.' || 1 + n % 400 || '@plantedcorp' || (1 + n % 400) % 7 || '.com',
        to_tsvector('planted lexeme' || n),
        CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN NULL ELSE 'plantedblank' END,
        '2024-02-29 12:00:00.123456+00'
    FROM generate_series(1, 400) n;
    INSERT INTO orders SELECT n, md5((1 + n % 97)::text)::uuid,
        'planted.' || 1 + n % 97 || '@plantedcorp' || (1 + n % 97) % 7 || '.com', now(), 'to planted ' || n
    FROM generate_series(1, 1000) n;
    INSERT INTO "Odd Table" VALUES ('Planted Person', 'plantedsaying'), (NULL, '');
    INSERT INTO audit.log SELECT date '2024-12-01' + n, 'planted.' || n || '@plantedcorp' || n % 7 || '.com',
        json_build_object('Planted Name ' || n, 1, 'phone', 493012345678)
    FROM generate_series(1, 90) n;
    UPDATE countries SET found_by = 7;
    REFRESH MATERIALIZED VIEW named;
    ANALYZE;
"""
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def source(server: PostgresServer) -> Iterator[PostgresDatabase]:
    made = server.create("anonymize_source")
    with made.connect(Role.OWNER) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute(ROWS.encode())
    yield made
    made.drop()


@pytest.fixture(scope="module")
def copied(server: PostgresServer, source: PostgresDatabase) -> Iterator[tuple[PostgresDatabase, Any]]:
    made = server.create("anonymize_copy")
    result = run(source, "--into", made.url(Role.OWNER), "--json")
    yield made, json.loads(result.stdout)
    made.drop()


def run(source: PostgresDatabase, *arguments: str, key: str = KEY, code: int = 0) -> Result:
    call = [source.url(Role.OWNER), *arguments]
    result = CliRunner().invoke(command, call, env={"REHEARSE_KEY": key}, standalone_mode=False)
    if result.exception:
        raise result.exception
    assert (result.return_value or 0) == code, result.output
    return result


def ask(database: PostgresDatabase, query: str) -> list[Any]:
    with database.connect(Role.OWNER) as connection:
        return connection.execute(query.encode()).fetchall()


def both(source: PostgresDatabase, copied: tuple[PostgresDatabase, Any], query: str) -> None:
    assert ask(copied[0], query) == ask(source, query)


def test_no_planted_word_is_in_a_dump_of_the_copy(copied: tuple[PostgresDatabase, Any]) -> None:
    program = binaries.program("pg_dump", None, at_least=18)
    dump = _local.run([program, "--dbname", copied[0].url(Role.OWNER)], None)
    assert dump.returncode == 0, dump.stderr
    assert "COPY public.customers" in dump.stdout
    for word in ("planted", "Zenobia", "078-05-1", "4111 1111", "DE8937", "203.0.113.", "706c616e746564", "+49 30 555"):
        assert word not in dump.stdout.lower() and word not in dump.stdout, word
    assert not [stats for (stats,) in ask(copied[0], "SELECT s::text FROM pg_stats s") if "planted" in stats]


def test_joins_keep_their_cardinalities(source: PostgresDatabase, copied: tuple[PostgresDatabase, Any]) -> None:
    for query in (
        "SELECT count(*) FROM orders o JOIN customers c ON c.uid = o.customer_uid AND c.email = o.customer_email",
        "SELECT count(*) FROM customers c JOIN customers m ON m.email = c.manager_email AND m.id = c.manager",
        "SELECT count(*) FROM customers c JOIN countries k ON k.code = c.country",
        "SELECT count(*) FROM audit.log l JOIN customers c ON c.email = l.actor_email",
        "SELECT array_agg(n ORDER BY n) FROM (SELECT count(*) n FROM orders GROUP BY customer_email) x",
    ):
        both(source, copied, query)


@pytest.mark.parametrize("column", ["uid", "email", "full_name", "phone", "ssn", "tax_no", "notes", "photo", "country"])
def test_different_values_stay_different(
    source: PostgresDatabase, copied: tuple[PostgresDatabase, Any], column: str
) -> None:
    both(source, copied, f"SELECT count(DISTINCT {column}) FROM customers")


def test_forms_nulls_and_empty_texts_survive(source: PostgresDatabase, copied: tuple[PostgresDatabase, Any]) -> None:
    for query in (
        "SELECT id, length(full_name), regexp_replace(phone, '[0-9]', '9', 'g'), length(notes) FROM customers "
        "ORDER BY id",
        "SELECT id, blank IS NULL, blank = '', photo IS NULL, mood, plan, channel, balance, created_at FROM customers "
        "ORDER BY id",
        "SELECT id, extract(year FROM birth_date), floor(lat), length(photo), cardinality(tags) FROM customers "
        "ORDER BY id",
        'SELECT count(*), count("Full Name"), count(*) FILTER (WHERE "say ""hi"" twice" = \'\') FROM "Odd Table"',
        "SELECT tableoid::regclass::text, count(*) FROM audit.log GROUP BY 1 ORDER BY 1",
        "SELECT profile->'list'->1, profile->'list'->2, profile->'list'->3, profile->'size' FROM customers ORDER BY id",
    ):
        both(source, copied, query)
    assert ask(copied[0], "SELECT count(*) FROM customers WHERE NOT last_ip << '10.0.0.0/8'") == [(0,)]
    assert ask(copied[0], "SELECT count(*) FROM customers WHERE lowered <> lower(full_name)") == [(0,)]


def test_documents_are_masked_by_path_and_keep_their_keys(
    source: PostgresDatabase, copied: tuple[PostgresDatabase, Any]
) -> None:
    emails = ask(copied[0], "SELECT profile->'contact'->>'email' FROM customers")
    assert all(one.count("@") == 1 and one.endswith(".org") for (one,) in emails)
    assert len(set(emails)) == 400
    entries = ask(copied[0], "SELECT entry FROM audit.log")
    assert all("phone" in entry and entry["phone"] != 493012345678 and len(entry) == 2 for (entry,) in entries)


def test_sequences_views_and_constraints_are_there(copied: tuple[PostgresDatabase, Any]) -> None:
    assert ask(copied[0], "SELECT nextval(pg_get_serial_sequence('customers', 'id'))") == [(401,)]
    assert ask(copied[0], "SELECT count(*) FROM named") == [(400,)]
    assert ask(copied[0], "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == [(0,)]
    assert ask(copied[0], "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]


def test_the_report_says_what_was_done_and_why(copied: tuple[PostgresDatabase, Any]) -> None:
    told = {f"{one['table']}.{one['column']}": one for one in copied[1]["columns"]}
    assert (copied[1]["repeatable"], copied[1]["verify"]) == (True, "sample")
    reasons = {name: (one["rule"], one["why"]) for name, one in told.items()}
    assert reasons["customers.email"] == ("email", "name")
    assert reasons["customers.channel"] == ("keep", "codes")
    assert reasons["customers.plan"] == ("keep", "check")
    assert reasons["customers.mood"] == ("keep", "type")
    assert reasons["customers.blank"] == ("text", "default")
    assert reasons["customers.search"] == ("null", "default")
    assert reasons["customers.lowered"] == ("keep", "computed")
    assert reasons["audit.log.actor_email"] == ("email", "name")
    assert (told["customers.email"]["different_before"], told["customers.email"]["different_after"]) == (400, 400)
    assert told["customers.email"]["rows"] == 400
    assert all(not one["leaks"] for one in told.values())


def test_the_same_key_gives_the_same_copy_and_another_key_another(
    source: PostgresDatabase, copied: tuple[PostgresDatabase, Any], server: PostgresServer
) -> None:
    query = "SELECT email, full_name, profile, photo FROM customers ORDER BY id"
    for name, key, same in (("again", KEY, True), ("other", KEY[::-1], False)):
        target = server.create(f"anonymize_{name}")
        run(source, "--into", target.url(Role.OWNER), "--no-verify", key=key)
        assert (ask(target, query) == ask(copied[0], query)) is same
        target.drop()


def test_rules_are_obeyed(source: PostgresDatabase, database: PostgresDatabase, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[columns]\n"customers.notes" = "null"\n"customers.channel" = "text"\ncustomers.balance = "round 1"\n'
        '"orders.placed_at" = "shift 30d"\n"customers.profile.list" = "keep"\n"audit.log.entry.phone" = "keep"\n'
    )
    run(source, "--into", database.url(Role.OWNER), "--rules", str(rules), "--workers", "1")
    assert ask(database, "SELECT count(*) FROM customers WHERE notes IS NOT NULL") == [(0,)]
    assert ask(database, "SELECT count(*) FROM customers WHERE channel IN ('web', 'shop')") == [(0,)]
    assert ask(database, "SELECT balance FROM customers WHERE id = 100") == [(30,)]
    assert ask(database, "SELECT profile->'list'->>0 FROM customers WHERE id = 7") == [("plantedword7",)]
    before, after = (
        dict(ask(one, "SELECT id, extract(epoch FROM placed_at)::bigint FROM orders")) for one in (source, database)
    )
    moved = {after[one] - before[one] for one in before}
    assert len(moved) == 1 and 86_400 <= abs(moved.pop()) <= 30 * 86_400


@pytest.mark.parametrize(
    "line, complaint",
    [
        ('"custommers.email" = "email"', "did you mean 'customers'"),
        ('"customers.emial" = "email"', "did you mean 'email'"),
        ('"customers.email" = "e-mail"', "did you mean 'email'"),
        ('"customers.email" = "null"', "NOT NULL"),
        ('"customers.notes" = "shift 3d"', "dates and timestamps"),
        ('"customers.email" = "email"\n"orders.customer_email" = "keep"', "same rule"),
        ('"customers.email" = 3', "is no rule"),
    ],
)
def test_a_rule_that_cannot_be_is_told(
    source: PostgresDatabase, database: PostgresDatabase, tmp_path: Path, line: str, complaint: str
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(f"[columns]\n{line}\n")
    with pytest.raises(ScenarioMistake, match=complaint):
        run(source, "--into", database.url(Role.OWNER), "--rules", str(rules))
    assert ask(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


@pytest.mark.parametrize("text, complaint", [
    ("[schema]\nkept = []", "did you mean 'keep'"),
    ("[schema]\nkeep = 'Ann'", "write a list of texts"),
    ("schema = 1", "no such key"),
    ("[collumns]", "did you mean 'columns'"),
])  # fmt: skip
def test_rules_for_a_schema_that_cannot_be_are_told(
    source: PostgresDatabase, tmp_path: Path, text: str, complaint: str
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(text)
    with pytest.raises(ScenarioMistake, match=complaint):
        run(source, "--plan", "--rules", str(rules))


def test_a_database_that_somebody_uses_is_not_written_to(source: PostgresDatabase, database: PostgresDatabase) -> None:
    with database.connect(Role.OWNER) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS n")
    with pytest.raises(NotDisposable, match=r"public\.mine"):
        run(source, "--into", database.url(Role.OWNER))
    with pytest.raises(NotDisposable, match="the database to be copied"):
        run(source, "--into", source.url(Role.OWNER), "--yes-this-is-disposable")
    assert ask(source, "SELECT count(*) FROM customers") == [(400,)]


def test_a_table_that_the_target_lacks_is_told(source: PostgresDatabase, database: PostgresDatabase) -> None:
    with database.connect(Role.OWNER) as connection:
        connection.execute("CREATE TABLE order_ (id int)")
    with pytest.raises(ScenarioMistake, match="there is no table"):
        run(source, "--into", database.url(Role.OWNER))


def test_files_hold_the_same_pseudonyms(
    source: PostgresDatabase, copied: tuple[PostgresDatabase, Any], tmp_path: Path
) -> None:
    told = run(source, "--out", str(tmp_path), "--verify", "full").stdout
    assert "verified: every masked value against its own pseudonym, where none may stay; all of each column's" in told
    table = pq.read_table(tmp_path / "customers.parquet")
    assert table.num_rows == 400
    emails = dict(zip(table["id"].to_pylist(), table["email"].to_pylist(), strict=True))
    assert emails == dict(ask(copied[0], "SELECT id, email::text FROM customers"))
    assert pq.read_table(tmp_path / "nothing.parquet").num_rows == 0
    with pytest.raises(NotDisposable, match="is there already"):
        told = run(source, "--out", str(tmp_path), "--verify", "full").stdout
    assert "verified: every masked value against its own pseudonym, where none may stay; all of each column's" in told


def test_a_plan_writes_nothing(source: PostgresDatabase) -> None:
    told = json.loads(run(source, "--plan", "--json").stdout)
    assert {one["rule"] for one in told["columns"] if one["column"] == "email"} == {"email"}


def test_a_key_that_can_be_guessed_is_refused(source: PostgresDatabase) -> None:
    with pytest.raises(ScenarioMistake, match="can be guessed"):
        run(source, "--plan", key="short")


def test_a_password_is_in_no_message(source: PostgresDatabase) -> None:
    url = "postgresql://nobody:hunter22@127.0.0.1:1/none"
    result = CliRunner().invoke(command, [url, "--plan"], standalone_mode=False)
    assert "no connection" in str(result.exception)
    assert "hunter22" not in str(result.exception) + result.output


@pytest.fixture
def production(server: PostgresServer) -> Iterator[PostgresDatabase]:
    """A source that a test fills, beside the database that is copied into."""
    made = server.create("anonymize_production")
    yield made
    made.drop()


def fill(database: PostgresDatabase, sql: str) -> None:
    with database.connect(Role.OWNER) as connection:
        connection.execute(sql.encode())


def dumped(database: PostgresDatabase) -> str:
    program = binaries.program("pg_dump", None, at_least=18)
    dump = _local.run([program, "--dbname", database.url(Role.OWNER)], None)
    assert dump.returncode == 0, dump.stderr
    return dump.stdout


def elsewhere(database: PostgresDatabase) -> str:
    """Return SQL for a foreign server that is this very database, and its table `people` seen through that."""
    with database.connect(Role.OWNER) as connection:
        known = connection.info
        return f"""
            CREATE EXTENSION postgres_fdw;
            CREATE SERVER crm FOREIGN DATA WRAPPER postgres_fdw
                OPTIONS (host '{known.host}', port '{known.port}', dbname '{known.dbname}');
            CREATE USER MAPPING FOR PUBLIC SERVER crm OPTIONS (user '{known.user}', password '{known.password}');
            CREATE FOREIGN TABLE crm_people (id int, full_name text) SERVER crm OPTIONS (table_name 'people');
        """


PEOPLE = """
    CREATE TABLE people (id int PRIMARY KEY, full_name text);
    INSERT INTO people VALUES (1, 'Zenobia Plantedsson');
    CREATE MATERIALIZED VIEW local_names AS SELECT full_name FROM people;
"""


def test_a_copy_leads_to_no_other_server(production: PostgresDatabase, database: PostgresDatabase) -> None:
    fill(production, PEOPLE + elsewhere(production))
    fill(
        production,
        """
        COMMENT ON FOREIGN TABLE crm_people IS 'people';
        CREATE VIEW crm_view AS SELECT full_name FROM crm_people;
        CREATE MATERIALIZED VIEW crm_names AS SELECT full_name FROM crm_view;
        CREATE UNIQUE INDEX ON crm_names (full_name);
        CREATE PUBLICATION everything FOR ALL TABLES;
        """,
    )
    told = json.loads(run(production, "--into", database.url(Role.OWNER), "--json").stdout)
    out = {"server crm", "foreign table crm_people", "view crm_view", "materialized view crm_names"}
    assert out == set(told["left_out"])
    assert ask(database, "SELECT count(*) FROM pg_foreign_server") == [(0,)]
    assert ask(database, "SELECT count(*) FROM pg_user_mapping") == ask(database, "SELECT count(*) FROM pg_publication")
    assert ask(database, "SELECT count(*) FROM pg_class WHERE relkind = 'f' OR relname ~ '^crm'") == [(0,)]
    names = ask(database, "SELECT full_name FROM local_names")
    assert len(names) == 1 and "Zenobia" not in dumped(database)


def test_a_view_over_another_server_is_not_filled_in_a_database_of_the_user_s(
    production: PostgresDatabase, database: PostgresDatabase
) -> None:
    views = """
        CREATE FUNCTION through() RETURNS SETOF text LANGUAGE sql AS 'SELECT full_name FROM public.crm_people';
        CREATE MATERIALIZED VIEW crm_names AS SELECT full_name FROM crm_people {rows};
        CREATE MATERIALIZED VIEW crm_called AS SELECT * FROM through() {rows};
    """
    fill(production, PEOPLE + elsewhere(production))
    fill(production, views.format(rows=""))
    fill(database, PEOPLE.partition("INSERT")[0] + elsewhere(production) + views.format(rows="WITH NO DATA"))
    told = run(production, "--into", database.url(Role.OWNER)).stdout
    for view in ("crm_names", "crm_called"):
        assert f"left empty: materialized view public.{view}: it may read from another server" in told
    assert ask(database, "SELECT count(*) FROM pg_class WHERE relkind = 'm' AND relispopulated") == [(0,)]


@pytest.mark.parametrize("made, name", [
    ("CREATE TABLE logs (id int, full_name text) PARTITION BY RANGE (id); CREATE FOREIGN TABLE logs_far "
     "PARTITION OF logs FOR VALUES FROM (0) TO (9) SERVER crm OPTIONS (table_name 'people')", "logs_far"),
    ("CREATE TABLE holds (one crm_people)", "holds"),
])  # fmt: skip
def test_a_table_of_which_a_part_is_on_another_server_is_told(
    production: PostgresDatabase, database: PostgresDatabase, made: str, name: str
) -> None:
    fill(production, PEOPLE + elsewhere(production))
    fill(production, made)
    with pytest.raises(ScenarioMistake, match=f"{name}: it is .* lies on another server, which a copy must not reach"):
        run(production, "--into", database.url(Role.OWNER))
    assert ask(database, "SELECT count(*) FROM pg_class WHERE relname = 'people'") == [(0,)]


def test_keys_by_which_rows_are_spread_are_masked_or_told(
    production: PostgresDatabase, database: PostgresDatabase, tmp_path: Path
) -> None:
    fill(
        production,
        """
        CREATE TABLE clients (email text PRIMARY KEY) PARTITION BY HASH (email);
        CREATE TABLE clients_0 PARTITION OF clients FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE clients_1 PARTITION OF clients FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO clients SELECT 'planted' || n || '@plantedcorp.org' FROM generate_series(1, 300) n;
        CREATE TABLE sales (code text, at date) PARTITION BY LIST (lower(code));
        CREATE TABLE sales_eu PARTITION OF sales FOR VALUES IN ('de', 'fr');
        INSERT INTO sales VALUES ('DE', '2024-01-01'), ('fr', '2024-01-01');
        CREATE TABLE tenants (n int, owner text) PARTITION BY RANGE (n);
        CREATE TABLE tenants_1 PARTITION OF tenants FOR VALUES FROM (1) TO (9) PARTITION BY LIST (owner);
        CREATE TABLE tenants_1_a PARTITION OF tenants_1 DEFAULT;
        INSERT INTO tenants VALUES (1, 'okonkwo'), (2, 'jdoe');
        """,
    )
    with pytest.raises(ScenarioMistake, match=r"tenants\.owner: the table is partitioned by list of it.*--rules FILE"):
        run(production, "--into", database.url(Role.OWNER))
    rules = tmp_path / "rules.toml"
    rules.write_text('[columns]\n"tenants.owner" = "user name"\n')
    run(production, "--into", database.url(Role.OWNER), "--rules", str(rules))
    assert ask(database, "SELECT count(*) FROM clients") == [(300,)]
    assert ask(database, "SELECT code FROM sales ORDER BY 1") == [("DE",), ("fr",)]
    text = dumped(database)
    assert not [word for word in ("planted", "okonkwo", "jdoe") if word in text]


def test_names_numbers_and_logins_in_odd_places_are_not_in_the_copy(
    production: PostgresDatabase, database: PostgresDatabase
) -> None:
    fill(
        production,
        """
        CREATE TABLE visits (
            id int PRIMARY KEY, created_by text, assigned_to text, doctor text, contact bigint, status text,
            plan text CHECK (plan IN ('free')),
            login text CHECK (lower(login) = ANY (ARRAY['jdoe']) OR login LIKE '%@%'),
            iban text CHECK (length(iban) IN (18, 22)), phone text CHECK (phone IN ('n/a') OR phone ~ '^[+0-9]+$'),
            scores jsonb, plain jsonb
        );
        INSERT INTO visits SELECT n, (ARRAY['jdoe', 'asmith', 'garcia'])[1 + n % 3],
            (ARRAY['smith', 'nguyen'])[1 + n % 2], (ARRAY['Okonkwo', 'Przybylski'])[1 + n % 2], 4915112345000 + n,
            (ARRAY['open', 'closed'])[1 + n % 2], 'free', 'user' || n || '@plantedcorp.org',
            'DE89' || lpad(n::text, 18, '3'), '+49151' || lpad(n::text, 8, '7'),
            jsonb_build_object('jdoe' || n, 3, 'okonkwo', 2),
            (ARRAY['{"qty": 3, "ok": true}', '5', 'null'])[1 + n % 3]::jsonb
        FROM generate_series(1, 300) n;
        """,
    )
    told = json.loads(run(production, "--into", database.url(Role.OWNER), "--json").stdout)
    assert not [one["column"] for one in told["columns"] if one["leaks"]]
    query = "SELECT id, status, plan, plain FROM visits ORDER BY id"
    assert ask(database, query) == ask(production, query)
    rows = dumped(database).partition("COPY public.visits")[2]
    words = "jdoe|asmith|garcia|smith|nguyen|okonkwo|przybylski|49151123|de893333|49151777|planted"
    assert not re.findall(words, rows.lower())


TOLD = """
    CREATE TYPE owners AS ENUM ('Ann Lee', 'nobody');
    CREATE TABLE accounts (
        id int PRIMARY KEY, owner owners, zone text DEFAULT 'Europe/Berlin',
        note text DEFAULT 'call Ann Lee +49 151 1234567',
        created_by text CHECK (created_by IN ('okonkwo', 'system')), CHECK (note <> 'Bob Stone')
    );
    COMMENT ON TABLE accounts IS 'ask ann.lee@example.org';
    COMMENT ON COLUMN accounts.id IS 'the number';
    CREATE INDEX ON accounts (id) WHERE note = 'Carl Gauss';
    CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN
        -- Emmy Noether wants it so
        RETURN 'Ada Lovelace'; END $f$;
    CREATE FUNCTION g() RETURNS text LANGUAGE sql AS $$ SELECT 'host=db password=planted9' $$;
    INSERT INTO accounts (id, owner, created_by) VALUES (1, 'Ann Lee', 'okonkwo');
"""


def test_texts_of_the_schema_that_may_tell_of_people_are_told(
    production: PostgresDatabase, database: PostgresDatabase, server: PostgresServer, tmp_path: Path
) -> None:
    fill(production, TOLD)
    told = run(production, "--into", database.url(Role.OWNER), code=3).stdout
    for look in ("type owners: name 'Ann Lee'", "'call Ann Lee +49 151 1234567'", "name 'Bob Stone'", "'Carl Gauss'",
                 "function f(): name 'Ada Lovelace'", "'Emmy Noether wants it so'", "function g(): secret",
                 "accounts.created_by: user name 'okonkwo'"):  # fmt: skip
        assert look in told, look
    assert "planted9" not in told and "Europe" not in told and "1 comments" in told
    comments = "SELECT obj_description('accounts'::regclass), col_description('accounts'::regclass, 1)"
    assert ask(database, comments) == [(None, "the number")]
    rules = tmp_path / "rules.toml"
    rules.write_text('[schema]\nkeep = ["* Lee*", "Bob Stone", "Carl*", "Ada*", "Emmy*", "okonkwo", "host=*"]\n')
    again = server.create("anonymize_vouched")
    assert "look:" not in run(production, "--into", again.url(Role.OWNER), "--rules", str(rules)).stdout
    again.drop()


@pytest.mark.parametrize(
    "policy", ["", "GRANT SELECT ON people TO reader; ALTER TABLE people ENABLE ROW LEVEL SECURITY"]
)
def test_a_reader_who_may_not_read_all_is_told_so(production: PostgresDatabase, policy: str) -> None:
    fill(production, PEOPLE)
    fill(production, "CREATE ROLE reader LOGIN PASSWORD 'only4reading'")
    try:
        fill(production, policy or "SELECT")
        url = conninfo.make_conninfo(production.url(Role.OWNER), user="reader", password="only4reading")
        result = CliRunner().invoke(command, [url, "--plan"], standalone_mode=False)
        assert isinstance(result.exception, ScenarioMistake)
        assert "people: it may not be read whole" in str(result.exception) and "BYPASSRLS" in str(result.exception)
    finally:
        fill(production, "DROP OWNED BY reader; DROP ROLE reader")


def test_tables_with_a_dot_or_without_columns_are_copied(
    production: PostgresDatabase, database: PostgresDatabase, tmp_path: Path
) -> None:
    fill(
        production,
        """
        CREATE TABLE "a.b" (id int PRIMARY KEY, v text, w text);
        INSERT INTO "a.b" VALUES (1, 'planted', 'kept');
        CREATE TABLE nothing ();
        """,
    )
    rules = tmp_path / "rules.toml"
    rules.write_text('[columns]\n"public.a.b.w" = "keep"\n')
    run(production, "--into", database.url(Role.OWNER), "--rules", str(rules))
    ((v, w),) = ask(database, 'SELECT v, w FROM "a.b"')
    assert v != "planted" and w == "kept"
    assert ask(database, "SELECT count(*) FROM nothing") == [(0,)]


def test_pseudonyms_that_a_condition_refuses_are_told_with_a_rule_that_helps(
    production: PostgresDatabase, server: PostgresServer, tmp_path: Path
) -> None:
    fill(
        production,
        r"""
        CREATE TABLE staff (id int PRIMARY KEY, email text CHECK (email ~ '@corp\.example\.com$'));
        INSERT INTO staff SELECT n, 'planted' || n || '@corp.example.com' FROM generate_series(1, 50) n;
        """,
    )
    rules = tmp_path / "rules.toml"
    rules.write_text('[columns]\n"staff.email" = "mailbox"\n')
    first, second = server.create("anonymize_refused"), server.create("anonymize_mailbox")
    try:
        with pytest.raises(
            ScenarioMistake, match=r'staff\.email: the server refuses.*"staff\.email" = .*"mailbox"'
        ) as told:
            run(production, "--into", first.url(Role.OWNER))
        assert "profile" not in str(told.value) and "Failing row" not in str(told.value)
        run(production, "--into", second.url(Role.OWNER), "--rules", str(rules))
        assert ask(second, "SELECT count(*) FROM staff WHERE email !~ 'planted'") == [(50,)]
    finally:
        first.drop()
        second.drop()


def test_what_takes_too_long_to_count_is_masked(production: PostgresDatabase) -> None:
    fill(
        production,
        """
        CREATE TABLE big (id int PRIMARY KEY, status text);
        INSERT INTO big SELECT n, (ARRAY['open', 'closed'])[1 + n % 2] FROM generate_series(1, 400000) n;
        """,
    )

    def rule(*options: str) -> str:
        told = json.loads(run(production, "--plan", "--json", *options).stdout)
        return next(str(one["rule"]) for one in told["columns"] if one["column"] == "status")

    assert (rule(), rule("--timeout", "1ms")) == ("keep", "text")


def test_what_is_kept_is_told_and_moments_are_shifted_if_that_is_asked_for(
    production: PostgresDatabase, database: PostgresDatabase
) -> None:
    fill(
        production,
        """
        CREATE TABLE visits (id int PRIMARY KEY, begun timestamptz, ended timestamptz, on_day date, letter text);
        INSERT INTO visits SELECT n, timestamptz '2024-01-01 12:00:00.123456+00' + n * interval '1 hour',
            timestamptz '2024-01-01 13:00:00+00' + n * interval '1 hour', date '2024-01-01' + n, chr(96 + n)
        FROM generate_series(1, 26) n;
        """,
    )
    told = run(production, "--into", database.url(Role.OWNER), "--shift-times", "60").stdout
    assert "kept as they are: keys (visits.id): who holds the source" in told and "seen again:" in told
    query = "SELECT ended - begun, (begun AT TIME ZONE 'UTC')::date - on_day FROM visits ORDER BY id"
    assert ask(database, query) == ask(production, query)
    both_begun = [ask(one, "SELECT min(begun), min(on_day) FROM visits")[0] for one in (production, database)]
    (before, day), (after, other_day) = both_begun
    assert 1 <= abs((after - before).days) <= 60 and (other_day - day) == (after - before)
