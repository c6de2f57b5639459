"""`rehearse lint`: files, folders and scenarios, what is known besides, what is passed over, and how it is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import rehearse

SCENARIOS = Path(__file__).parents[2] / "scenarios"
INDEX = "-- why\nCREATE INDEX orders_made ON orders (made);\n"


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def codes(*args: str, cwd: Path | None = None) -> list[tuple[str, str, int]]:
    """Return the codes of what fails or cannot be seen, with file and line."""
    done = rehearse("lint", *args, "--json", cwd=cwd)
    found = json.loads(done.stdout)["hazards"]
    return [(one["code"], one["file"], one["line"]) for one in found if one["severity"] != "note"]


def test_a_hazard_is_told_with_its_place_its_lock_and_what_to_do(tmp_path: Path) -> None:
    written(tmp_path, "up.sql", INDEX)
    done = rehearse("lint", "up.sql", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("up.sql:2: ")
    assert "H110 outage: orders is closed to writes until the index is built" in done.stdout
    assert "ShareLock on orders stops writes" in done.stdout
    assert "CREATE INDEX CONCURRENTLY orders_made ON orders (made);" in done.stdout
    assert done.stdout.splitlines()[-1] == "✗ 1 hazard, 1 note in 1 statement of 1 migration"


def test_notes_fail_nothing_and_code_that_is_not_seen_into_is_no_pass(tmp_path: Path) -> None:
    written(tmp_path, "note.sql", "ALTER TABLE orders ADD COLUMN note text;")
    written(tmp_path, "block.sql", "DO $$ BEGIN NULL; END $$;")
    assert rehearse("lint", "note.sql", cwd=tmp_path).returncode == 0
    assert rehearse("lint", "block.sql", cwd=tmp_path).returncode == 3


def test_a_hazard_is_passed_over_with_a_reason_and_without_one_is_a_mistake(tmp_path: Path) -> None:
    written(tmp_path, "a.sql", "-- rehearse:ignore H110 a table of ten rows\n" + INDEX + INDEX.replace("made", "paid"))
    assert codes("a.sql", cwd=tmp_path) == [("H110", "a.sql", 5)]
    written(tmp_path, "b.sql", "-- rehearse:ignore H110\n" + INDEX)
    done = rehearse("lint", "b.sql", cwd=tmp_path)
    assert done.returncode == 2
    assert "b.sql:1: rehearse:ignore: name a code, and say why" in done.stderr


@pytest.mark.parametrize("engine", ["postgres", "mysql:8.0"])
def test_a_comment_passes_over_no_other_statement_of_its_line(engine: str, tmp_path: Path) -> None:
    text = "DROP TABLE a; DROP TABLE b; -- rehearse:ignore H401 b was a test\nDROP TABLE c;\n"
    written(tmp_path, "a.sql", text)
    found = codes("a.sql", "--engine", engine, cwd=tmp_path)
    assert found == [("H401", "a.sql", 1), ("H401", "a.sql", 2)]


def test_a_comment_with_a_code_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    written(tmp_path, "a.sql", "-- rehearse:ignore H11O a table of ten rows\n" + INDEX)
    done = rehearse("lint", "a.sql", cwd=tmp_path)
    assert done.returncode == 2
    assert "rehearse:ignore: no hazard has the code 'H11O'; did you mean" in done.stderr


def test_a_version_that_is_none_is_a_mistake_and_is_not_taken_for_the_newest(tmp_path: Path) -> None:
    written(tmp_path, "a.sql", INDEX)
    done = rehearse("lint", "a.sql", "--engine", "postgres:latest", cwd=tmp_path)
    assert (done.returncode, "'latest' is no version; write it as postgres:16" in done.stderr) == (2, True)


def test_a_rule_is_left_out_and_a_wrong_code_is_a_mistake(tmp_path: Path) -> None:
    written(tmp_path, "a.sql", INDEX)
    assert codes("a.sql", "--disable", "h110", cwd=tmp_path) == []
    done = rehearse("lint", "a.sql", "--disable", "H11O", cwd=tmp_path)
    assert (done.returncode, "did you mean" in done.stderr) == (2, True)


def test_a_marker_of_the_layout_says_that_there_is_no_transaction(tmp_path: Path) -> None:
    index = "CREATE INDEX CONCURRENTLY i ON orders (made);"
    written(tmp_path, "a/1_x.sql", f"-- migrate:up transaction:false\n{index}\n-- migrate:down\n")
    written(tmp_path, "b/1_x.sql", f"-- migrate:up\n{index}\n-- migrate:down\n")
    assert codes("a", cwd=tmp_path) == []
    assert codes("b", cwd=tmp_path) == [("H202", "b/1_x.sql", 2)]


def test_a_folder_is_read_version_by_version_and_what_was_made_before_is_known(tmp_path: Path) -> None:
    written(
        tmp_path, "m/1_a.up.sql", "CREATE TABLE orders (id bigint, code varchar(10)); CREATE INDEX i ON orders (id);"
    )
    written(tmp_path, "m/2_b.up.sql", "ALTER TABLE orders ALTER code TYPE varchar(20);")
    written(tmp_path, "m/3_c.up.sql", "CREATE INDEX j ON orders (code);")
    written(tmp_path, "m/3_c.down.sql", "DROP TABLE orders;")
    assert codes("m", cwd=tmp_path) == [("H110", "m/3_c.up.sql", 1)]
    assert [one[0] for one in codes("m", "--back", cwd=tmp_path)] == ["H110", "H401"]


def test_a_folder_of_prismas_is_read_and_flyways_repeatable_files_come_last(tmp_path: Path) -> None:
    written(tmp_path, "p/migration_lock.toml", 'provider = "postgresql"')
    written(tmp_path, "p/20240101_a/migration.sql", "CREATE TABLE orders (id int);")
    written(tmp_path, "p/20240102_b/migration.sql", "DROP TABLE orders;")
    assert codes("p", cwd=tmp_path) == [("H401", "p/20240102_b/migration.sql", 1)]
    written(tmp_path, "f/R__a.sql", "DROP TABLE report;")
    written(tmp_path, "f/V1__b.sql", "CREATE TABLE report (id int);")
    written(tmp_path, "f/U1__b.sql", "DROP TABLE report;")
    assert codes("f", cwd=tmp_path) == [("H401", "f/R__a.sql", 1)]


def test_a_file_of_a_folder_that_is_not_read_is_told(tmp_path: Path) -> None:
    written(tmp_path, "m/1_a.sql", "SELECT 1;")
    written(tmp_path, "m/more/2_b.sql", "DROP TABLE orders;")
    done = rehearse("lint", "m", cwd=tmp_path)
    assert "m/more/2_b.sql: not read" in done.stderr


def test_a_new_table_is_waited_for_by_nobody(tmp_path: Path) -> None:
    for engine, sql in (("postgres", "CREATE TABLE a (id int);"), ("mysql", "CREATE TABLE a (id int);")):
        written(tmp_path, "a.sql", sql)
        assert "H901" not in rehearse("lint", "a.sql", "--engine", engine, cwd=tmp_path).stdout, engine


def test_the_schema_and_the_rows_are_reckoned_with(tmp_path: Path) -> None:
    written(tmp_path, "up.sql", "ALTER TABLE orders ALTER code TYPE varchar(20); CREATE INDEX i ON orders (id);")
    schema = written(tmp_path, "schema.sql", "CREATE TABLE orders (id bigint, code varchar(10));")
    assert [one[0] for one in codes("up.sql", cwd=tmp_path)] == ["H104", "H110"]
    assert [one[0] for one in codes("up.sql", "--schema", str(schema), cwd=tmp_path)] == ["H110"]
    written(tmp_path, "small.toml", 'name = "small"\nschema = "schema.sql"\n[tables.orders]\nrows = 900\n')
    assert codes("up.sql", "--profile", "small.toml", cwd=tmp_path) == []


def test_the_same_text_is_another_hazard_on_another_engine(tmp_path: Path) -> None:
    written(tmp_path, "up.sql", "ALTER TABLE orders ADD COLUMN n int AFTER id, ALGORITHM=INSTANT;")
    assert codes("up.sql", "--engine", "mysql:8.0", cwd=tmp_path) == []
    assert codes("up.sql", "--engine", "mysql:8.0.20", cwd=tmp_path) == [("H208", "up.sql", 1)]
    assert codes("up.sql", cwd=tmp_path) == [("H002", "up.sql", 1)]
    done = rehearse("lint", "up.sql", "--engine", "mongo", cwd=tmp_path)
    assert (done.returncode, "hazards are known of postgres" in done.stderr) == (2, True)


def test_python_is_not_read_and_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    written(tmp_path, "0001.py", "")
    for name, words in (("0001.py", "sqlmigrate"), ("no.sql", "no such file")):
        done = rehearse("lint", name, cwd=tmp_path)
        assert (done.returncode, words in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("add_column_volatile_default", "H101"),
        ("set_not_null", "H106"),
        ("add_foreign_key", "H108"),
        ("create_index", "H110"),
        ("int_to_bigint", "H104"),
        ("rename_column", "H303"),
        ("drop_column", "H301"),
        ("mariadb_add_column", "H504"),
        ("mysql_add_column", "H508"),
        ("mysql_varchar", "H501"),
        ("mysql_foreign_key", "H503"),
        ("mysql_charset", "H502"),
        ("mysql_lock_refused", "H208"),
    ],
)
def test_a_scenario_is_judged_both_ways_with_its_engine_and_its_schema(topic: str, expected: str) -> None:
    bad, good = ({one[0] for one in codes(str(SCENARIOS / topic / f"{way}.toml"))} for way in ("bad", "good"))
    assert expected in bad
    assert expected not in good


def test_a_way_back_that_is_found_beside_the_forward_file_has_its_path_and_its_comments(tmp_path: Path) -> None:
    for way, sql in (("up", "CREATE TABLE b (id bigint);"), ("down", "ALTER TABLE a DROP COLUMN b;")):
        written(tmp_path, f"migrations/0002_b.{way}.sql", sql)
    written(tmp_path, "migrations/0001_a.up.sql", "CREATE TABLE a (id bigint PRIMARY KEY, b int);")
    lines = 'name = "s"\n[migration]\nschema = "migrations"\nforward = "migrations/0002_b.up.sql"\n'
    written(tmp_path, "s.toml", lines)
    down = "migrations/0002_b.down.sql"
    found = [one for one in codes("s.toml", cwd=tmp_path) if "down" in one[1]]
    assert ("H301", down, 1) in found
    written(tmp_path, down, "-- rehearse:ignore H301 it was new\nALTER TABLE a DROP COLUMN b;")
    assert "H301" not in [one[0] for one in codes("s.toml", cwd=tmp_path)]


def test_a_scenario_with_words_for_several_engines_is_judged_for_the_one_that_is_asked_for() -> None:
    path = str(SCENARIOS / "add_column_dialects" / "bad.toml")
    assert [one[0] for one in codes(path)] == ["H101"]
    assert [one[0] for one in codes(path, "--engine", "mariadb:10.11")] == ["H504"]


def test_code_scanning_gets_each_hazard_at_its_line(tmp_path: Path) -> None:
    written(tmp_path, "up.sql", INDEX)
    done = rehearse("lint", "up.sql", "--sarif", cwd=tmp_path)
    (run,) = json.loads(done.stdout)["runs"]
    result = next(one for one in run["results"] if one["ruleId"] == "H110")
    assert result["level"] == "error"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "H110"
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("up.sql", 2)


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_what_a_tool_prints_is_read_from_a_pipe(name: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "rehearse", "lint", name, "--json"]
    done = subprocess.run(
        words, cwd=tmp_path, input="SELECT 1;\nDROP TABLE orders;", capture_output=True, check=False, text=True
    )
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["statements"] == 2
    assert [(one["code"], one["file"], one["line"]) for one in found["hazards"] if one["code"] == "H401"] == [
        ("H401", "stdin", 2)
    ]


def test_sql_within_a_scenario_is_placed_at_the_scenario(tmp_path: Path) -> None:
    written(tmp_path, "base.sql", "CREATE TABLE orders (id int);")
    text = 'name = "x"\n[data]\nload = ["base.sql"]\n[migration]\nforward = "SELECT 1;\\nDROP TABLE orders;"\n'
    written(tmp_path, "x.toml", text)
    done = rehearse("lint", "x.toml", "--sarif", cwd=tmp_path)
    (told,) = json.loads(done.stdout)["runs"]
    places = [one["locations"][0]["physicalLocation"] for one in told["results"] if one["ruleId"] == "H401"]
    assert places == [{"artifactLocation": {"uri": "x.toml"}, "region": {"startLine": 1}}]


def test_a_hazard_is_explained_with_its_examples_and_listed() -> None:
    done = rehearse("explain", "h110")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("H110", "Asks", "Harm", "Remedy", "Bad:", "Good:", "CONCURRENTLY"))
    assert any(line.startswith("H110  ") for line in rehearse("list", "hazards").stdout.splitlines())
    assert "did you mean" in rehearse("explain", "H11O").stderr
