"""The command line: help, mistakes, exit codes."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from rehearse import cli
from rehearse.cli import COMMANDS
from rehearse.cli.data import _refuse_no_tables
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.errors import ScenarioMistake
from rehearse.profiles import Profile
from rehearse.protocols import Role
from rehearse.recording import folder
from rehearse.testing import examples

SHOP = Path(__file__).parents[2] / "scenarios" / "shop" / "schema.sql"
README = Path(__file__).parents[2] / "README.md"


def rehearse(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as `main` does, in this process."""
    out, told = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd or Path.cwd()), contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
        code = cli._guarded(lambda: cli.group.main(list(args), prog_name="rehearse", standalone_mode=False))
    return subprocess.CompletedProcess(args, code, out.getvalue(), told.getvalue())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    done = rehearse(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert f"`rehearse {name}" in README.read_text(encoding="utf-8")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, rehearse.cli as cli\n"
        "try: cli.group.main(['--help'], standalone_mode=True)\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'pydantic', 'psycopg', 'sqlglot', 'faker', 'pyarrow', 'rich'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_wrong_command_is_named_with_a_near_miss() -> None:
    done = rehearse("rnu")
    assert done.returncode == 2
    assert "did you mean 'run'?" in done.stderr


def test_a_mistake_is_words_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "a"\n[engine]\nvia = "dokcer"\n', encoding="utf-8")
    done = rehearse("run", "a.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "rehearse: a.toml: engine.via = 'dokcer'; did you mean 'docker'?\n"


@pytest.mark.slow
def test_explain_says_harm_and_remedy() -> None:
    done = rehearse("explain", "l001")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("L001", "Asks", "Harm", "Remedy"))
    wrong = rehearse("explain", "L01")
    assert wrong.returncode == 2
    assert "did you mean 'L001'?" in wrong.stderr


@pytest.mark.slow
def test_a_recording_is_judged_again_without_a_server(tmp_path: Path) -> None:
    folder.save(examples.clean(), tmp_path)
    assert rehearse("judge", str(tmp_path)).returncode == 0
    strict = rehearse("judge", str(tmp_path), "--budget", "blocked=1ns")
    assert strict.returncode == 1
    assert "L001" in strict.stdout


@pytest.mark.slow
@pytest.mark.parametrize("form", ["html", "md", "json", "junit", "sarif", "plan"])
def test_a_recording_is_written_in_every_form(tmp_path: Path, form: str) -> None:
    folder.save(examples.harmful(), tmp_path)
    out = tmp_path / "out"
    done = rehearse("report", str(tmp_path), "--as", form, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 500


@pytest.mark.slow
@pytest.mark.parametrize("what", ["engines", "tools", "checks", "reports"])
def test_lists_have_a_line_each(what: str) -> None:
    done = rehearse("list", what)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 1


def test_a_fault_of_our_own_is_no_failed_migration(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise ZeroDivisionError

    assert cli._guarded(broken) == 3
    assert "a fault of rehearse" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["nan", "inf", "0", "-1"])
def test_a_scale_that_is_no_share_is_a_mistake(tmp_path: Path, scale: str) -> None:
    (tmp_path / "a.toml").write_text('name = "a"\n', encoding="utf-8")
    done = rehearse("run", "a.toml", f"--scale={scale}", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_file_for_a_folder_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('name = "a"\n[migration]\nforward = "select 1"\n', encoding="utf-8")
    asked = (
        ("judge", str(file)),
        ("report", str(file)),
        ("run", str(file), "--out", str(file)),
        ("data", "shop", "--scale=0.0001", "--out", f"{file}/there"),
    )
    for args in asked:
        done = rehearse(*args, cwd=tmp_path)
        assert (done.returncode, done.stderr.count("rehearse: ")) == (2, 1), done.stderr
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.slow
def test_an_error_about_a_url_does_not_tell_its_password(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "a"\n[migration]\nforward = "select 1"\n', encoding="utf-8")
    for url in ("mysql://me:hidden@db/x", "postgresql://me:hid%den@db/x", "postgresql://me:hidden@127.0.0.1:1/x"):
        for args in (("init", url), ("data", "shop", "--into", url), ("run", "a.toml", "--via", url)):
            done = rehearse(*args, cwd=tmp_path)
            assert done.returncode in (2, 3), done.stderr
            assert "Traceback" not in done.stderr
            assert "hid" not in done.stdout + done.stderr


@pytest.mark.slow
def test_data_is_made_in_no_database_that_somebody_uses(database: PostgresDatabase) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE theirs (n int)")
        connection.execute("INSERT INTO theirs VALUES (1)")
        connection.execute(SHOP.read_text(encoding="utf-8"))
    ask = ("data", "shop", "--scale=0.00001", "--into", database.url(Role.OWNER))
    refused = rehearse(*ask)
    assert refused.returncode == 2
    assert "public.theirs of that database holds rows" in refused.stderr
    assert rehearse(*ask, "--yes-this-is-disposable").returncode == 0
    again = rehearse(*ask, "--yes-this-is-disposable")
    assert again.returncode == 2
    assert "only empty tables are filled" in again.stderr


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ((), "  rehearse explain L001            what a finding means"),
        (("profile",), "  rehearse profile data_profiles/shop.toml --check"),
        (("anonymize",), '  "products.title" = "keep"'),
    ],
)
def test_examples_in_a_help_text_have_a_line_each(args: tuple[str, ...], line: str) -> None:
    shown = rehearse(*args, "--help").stdout
    assert "\\b" not in shown
    assert line in shown.splitlines()


def test_help_offers_each_way_to_a_server() -> None:
    assert "--via embedded|binary|docker|URL" in rehearse("run", "--help").stdout


@pytest.mark.parametrize(
    "named", ["postgresql://u:hidden@h/db", "postgresql://h/db?password=hidden", "host=h user=u password=hidden"]
)
def test_a_database_in_the_place_of_a_profile_is_not_echoed(named: str) -> None:
    for args in (("profile", named, "--check"), ("data", named, "--into", "postgresql://127.0.0.1:1/x")):
        done = rehearse(*args)
        assert done.returncode == 2
        assert "hidden" not in done.stdout + done.stderr
    assert "FILE: this is a database and no profile" in rehearse("profile", named, "--check").stderr


def test_a_mistyped_profile_is_told_with_the_word_of_the_command_line(tmp_path: Path) -> None:
    done = rehearse("data", "shpo", "--out", str(tmp_path / "out"))
    assert done.stderr == "rehearse: PROFILE = 'shpo': there is no such profile; did you mean 'shop'?\n"


MISTYPED = """
name = "a"
[migration]
forward = "create table t (a int)"
[[workload.calls]]
name = "read"
sql = "select :id::int"
values = { ide = 7 }
"""


@pytest.mark.slow
def test_a_mistyped_call_starts_no_server_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(MISTYPED, encoding="utf-8")
    done = rehearse("run", "a.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "workload.calls[0].values.ide: the SQL has no :ide; did you mean 'id'?" in done.stderr
    assert "start the server" not in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["a.toml"]


@pytest.mark.slow
def test_a_folder_of_reports_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(MISTYPED, encoding="utf-8")
    (tmp_path / "reports").mkdir()
    rehearse("run", "a.toml", cwd=tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.toml", "reports"]


@pytest.mark.slow
def test_data_for_a_database_without_tables_says_how_to_make_them(database: PostgresDatabase) -> None:
    done = rehearse("data", "shop", "--scale=0.00001", "--into", database.url(Role.OWNER))
    assert done.returncode == 2
    assert done.stderr.startswith("rehearse: --into: this database has no tables")
    assert "schema.sql" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "client"),
    [("mariadb://h/d", "mysql -h HOST DATABASE < schema.sql"), ("postgresql://h/d", "psql URL -f schema.sql")],
)
def test_how_to_make_tables_is_said_with_the_client_of_the_database(url: str, client: str) -> None:
    with pytest.raises(ScenarioMistake, match=f"make them first: {client}, or run"):
        _refuse_no_tables(Profile(name="a"), Path("schema.sql"), url)


@pytest.mark.parametrize("command", ["run", "judge", "report", "profile"])
def test_a_url_in_the_place_of_a_file_does_not_show_its_password(command: str) -> None:
    for url in ("postgresql://me:hidden@127.0.0.1:1/x", "mysql://me:hid%40den@db/x?password=hidden"):
        done = rehearse(command, url)
        assert done.returncode in (2, 3), done.stderr
        assert "hid" not in done.stdout + done.stderr


def test_only_passwords_are_masked() -> None:
    for text in ("a.toml: data.profile = 'x'", "http://localhost:80/a b@c", "at 10:30: me@example.org", "C:/me/x.toml"):
        assert cli.masked(text) == text
    assert cli.masked("postgresql:/me:s:e/c@db/x is no file") == "postgresql:/me:***@db/x is no file"
    assert cli.masked("host=h password=abc dbname=x") == "host=h password=*** dbname=x"
