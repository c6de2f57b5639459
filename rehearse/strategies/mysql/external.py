"""Tools of others that change a table beside its traffic: pt-online-schema-change, and a recipe for gh-ost."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable

from rehearse.errors import ScenarioMistake
from rehearse.strategies._site import Site
from rehearse.strategies._steps import Step, Steps, alone
from rehearse.strategies.mysql import alter
from rehearse.strategies.mysql.clauses import clauses, widened
from rehearse.strategies.mysql.names import quoted

# The password stands in a file that only its owner reads, and never in a process list.
_HEAD = r"""set -eu
conf=$(mktemp)
trap 'rm -f "$conf"' EXIT
told() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
printf '[client]\nprotocol=tcp\nhost="%s"\nport="%s"\nuser="%s"\npassword="%s"\n' \
    "$MYSQL_HOST" "$MYSQL_TCP_PORT" "$(told "$MYSQL_USER")" "$(told "$MYSQL_PWD")" > "$conf"
run() { "$(command -v mariadb || command -v mysql)" --defaults-file="$conf" -N "$MYSQL_DATABASE" -e "$1"; }"""
_PT_NEEDS = ("pt-online-schema-change (Debian: apt-get install percona-toolkit)", "the client mariadb or mysql")
_GH_NEEDS = (
    "gh-ost (https://github.com/github/gh-ost; from MySQL 8.4 on 1.1.7 or later)",
    "a binary log in row format, and the rights REPLICATION CLIENT and REPLICATION SLAVE",
)
_GH_OF_MARIADB = 11  # it asks for transaction_isolation, which older ones do not know
_NOTE = "While foreign keys are away nothing keeps orphans out; they come back without a look at the rows."


def pt_osc(site: Site) -> Steps:
    """Return the change by pt-online-schema-change."""
    return _by(site, _pt, _PT_NEEDS)


def gh_ost(site: Site) -> Steps:
    """Return the change by gh-ost."""
    if site.engine == "mariadb" and not site.at_least(_GH_OF_MARIADB):
        raise ScenarioMistake("strategies.way: gh-ost runs on MariaDB from 11.1 on; take 'pt-osc' or 'shadow'")
    return _by(site, _gh, _GH_NEEDS)


def _by(site: Site, tool: Callable[[Site, str, Iterable[str]], str], needs: tuple[str, ...]) -> Steps:
    """Return the commands that fill, change and change back by a tool."""
    if site.change.kind == "widen key":
        every = widened(site)
        forward = [tool(site, name, alter.modified(site, name, types)) for name, types in every.items()]
        old = {name: dict.fromkeys(types, "") for name, types in every.items()}
        back = [tool(site, name, alter.modified(site, name, types)) for name, types in old.items()]
    else:
        said = clauses(site)
        if site.change.kind == "set not null" or not said.fill:
            filled = [_filled(said.fill, site)] if said.fill else []
        else:
            raise ScenarioMistake("change.fill: a tool that copies a table takes no values of its own; take 'careful'")
        every = {site.plan.name: {}}
        forward = [*filled, tool(site, site.plan.name, said.all)]
        if said.back is None:
            return _steps(site, every, forward, None, needs, no_back=said.no_back)
        back = [tool(site, site.plan.name, [*said.back_then, *said.back])]
    return _steps(site, every, forward, back, needs)


def _steps(
    site: Site,
    tables: Iterable[str],
    forward: list[str],
    back: list[str] | None,
    needs: tuple[str, ...],
    *,
    no_back: str | None = None,
) -> Steps:
    names = list(tables)
    return Steps(
        forward=(_script(site, names, forward),),
        back=None if back is None else (_script(site, names, back),),
        no_back=no_back,
        needs=needs,
    )


def _script(site: Site, tables: list[str], commands: list[str]) -> Step:
    added, dropped = alter.tied(site, tables)
    lines = [_HEAD]
    lines += [f"# {_NOTE}"] if dropped else []
    lines += [f"run {shlex.quote(one)}" for one in dropped]
    lines += commands
    unchecked = "SET foreign_key_checks = 0; "
    lines += [f"run {shlex.quote(f'{unchecked}{one}, ALGORITHM=INPLACE, LOCK=NONE')}" for one in added]
    return alone("The tool copies the table beside its traffic, and swaps it.", "\n".join(lines))


def _filled(fill: str, site: Site) -> str:
    batch = f"{fill} LIMIT {site.options.batch}; SELECT row_count()"
    return f'until [ "$(run {shlex.quote(batch)})" = 0 ]; do :; done'


def _pt(site: Site, name: str, words: Iterable[str]) -> str:
    plan = site.blueprint.tables[name]
    own = _plain(plan.own)
    if not any(one.unique for one in plan.indexes):
        raise ScenarioMistake(
            f"change.table: {name} has no primary key and no unique index, by which pt-online-schema-change keeps the "
            "copy in step; take 'plain', or add a key first"
        )
    checks = [one.name for one in plan.of_kind("check")]
    if checks:  # 3.2.1 puts an underscore before the name of each, and takes it away the next time
        raise ScenarioMistake(
            f"change.table: pt-online-schema-change calls the checks of {name} otherwise ({', '.join(checks)}); take "
            "another way"
        )
    words = [one.replace("DROP CONSTRAINT `", "DROP CONSTRAINT `_") for one in words]
    seconds = 1
    variables = [f"lock_wait_timeout={seconds}", f"innodb_lock_wait_timeout={seconds}"]
    if site.engine == "mysql" and site.at_least(9):
        variables.append("explain_format=TRADITIONAL")  # else the tool believes the table to be empty
    options = [
        "--execute",
        "--recursion-method=none",
        "--no-check-replication-filters",
        "--no-version-check",
        "--no-check-alter",
        "--preserve-triggers",
        "--chunk-time=0.05",
        f"--tries=create_triggers:{site.options.attempts}:1,drop_triggers:{site.options.attempts}:1,"
        f"swap_tables:{site.options.attempts}:1,copy_rows:{site.options.attempts}:0.25",
        f"--set-vars={','.join(variables)}",
        f"--alter={_clause(words)}",
        *site.options.tool_words,
    ]
    quoted_options = " ".join(shlex.quote(one) for one in options)
    target = '"D=$MYSQL_DATABASE,t=' + own + '"'
    return f'pt-online-schema-change --defaults-file="$conf" {quoted_options} {target}'


def _gh(site: Site, name: str, words: Iterable[str]) -> str:
    own = _plain(site.blueprint.tables[name].own)
    options = [
        "--allow-on-master",
        "--assume-rbr",
        "--initially-drop-ghost-table",
        "--initially-drop-old-table",
        "--ok-to-drop-table",
        "--cut-over-lock-timeout-seconds=1",
        f"--default-retries={site.options.attempts}",
        f"--alter={_clause(words)}",
        *site.options.tool_words,
        "--execute",
    ]
    quoted_options = " ".join(shlex.quote(one) for one in options)
    return (
        'gh-ost --conf="$conf" --host="$MYSQL_HOST" --port="$MYSQL_TCP_PORT" --database="$MYSQL_DATABASE" '
        f"--table={shlex.quote(own)} {quoted_options}"
    )


def _clause(words: Iterable[str]) -> str:
    return alter.alter("x", words).removeprefix(f"ALTER TABLE {quoted('x')} ")


def _plain(name: str) -> str:
    if set(name) & set(",=\"$`\\'"):
        raise ScenarioMistake(f"change.table: {name!r} cannot be told to this tool; take another way")
    return name
