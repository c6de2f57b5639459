"""The public lists of migration linters, rule by rule: which of ours answers each, or why none does.

Names only, as the projects' own documents have them (November 2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rehearse.hazards.rules import RULES

_BY_RUNNING = "whether running code bears it is seen by running it: C001, T002, F001"
_OF_RUBY = "of Ruby's or Python's own words, which no SQL shows"
_ORDER = "about a project's files and their order, which the tool that runs them knows"
_HABIT = "a habit of one project; put it into a check of your own"

LISTS: Mapping[str, tuple[str, ...]] = {
    "squawk": (
        "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field",
        "adding-required-field", "adding-serial-primary-key-field", "ban-alter-domain-with-add-constraint",
        "ban-char-field", "ban-concurrent-index-creation-in-transaction", "ban-create-domain-with-constraint",
        "ban-drop-column", "ban-drop-database", "ban-drop-not-null", "ban-drop-table", "ban-truncate-cascade",
        "ban-uncommitted-transaction", "changing-column-type", "constraint-missing-not-valid",
        "disallowed-unique-constraint", "identifier-too-long", "prefer-big-int", "prefer-bigint-over-int",
        "prefer-bigint-over-smallint", "prefer-identity", "prefer-repack", "prefer-robust-stmts", "prefer-text-field",
        "prefer-timestamptz", "renaming-column", "renaming-table", "require-concurrent-index-creation",
        "require-concurrent-index-deletion", "require-concurrent-partition-detach", "require-concurrent-reindex",
        "require-enum-value-ordering", "require-lock-timeout", "require-statement-timeout", "require-table-schema",
        "require-timeout-settings", "syntax-error", "transaction-nesting",
        # its rules for an application that is rolled back while the schema stays
        "ban-add-column", "ban-add-composite-attribute", "ban-add-enum-value", "ban-alter-database-options",
        "ban-alter-extension", "ban-alter-function-options", "ban-alter-generated-expression", "ban-alter-identity",
        "ban-alter-policy-condition", "ban-alter-policy-roles", "ban-alter-role-options",
        "ban-alter-row-level-security",
        "ban-alter-sequence-values", "ban-alter-system-options", "ban-alter-view-options", "ban-create-policy",
        "ban-detach-inheritance", "ban-disable-trigger", "ban-drop-constraint", "ban-drop-default", "ban-drop-domain",
        "ban-drop-extension", "ban-drop-function", "ban-drop-generated-expression", "ban-drop-index",
        "ban-drop-policy", "ban-drop-schema", "ban-drop-sequence", "ban-drop-trigger", "ban-drop-type",
        "ban-drop-view", "ban-duplicate-column-assignments", "ban-new-write-restriction", "ban-replace-view-function",
        "ban-replica-identity", "ban-revoke", "ban-set-default", "ban-set-schema", "renaming-object",
    ),
    "eugene": (
        "E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10", "E11", "W12", "W13", "W14", "E15",
    ),
    "strong_migrations": (
        "removing a column", "changing the type of a column", "renaming a column", "renaming a table",
        "renaming a schema", "creating a table with the force option", "adding an auto-incrementing column",
        "adding a stored generated column", "adding a check constraint", "executing SQL directly", "backfilling data",
        "adding an index non-concurrently", "adding a reference", "adding a foreign key", "adding a unique constraint",
        "adding an exclusion constraint", "adding a json column", "setting NOT NULL on an existing column",
        "adding a column with a default value", "adding a column with a volatile default value",
        "using change_column_null with a default value", "keeping non-unique indexes to three columns or less",
        "removing an index non-concurrently", "lock timeout", "changing the default value of a column",
    ),
    "atlas": (
        "BC101", "BC102", "CD101", "DS101", "DS102", "DS103", "MF101", "MF102", "MF103", "MF104", "PG101", "PG102",
        "PG103", "PG104", "PG105", "PG110", "PG301", "PG302", "PG303", "PG304", "PG305", "MY101", "MY102", "MY110",
        "MY111", "MY112", "MY113", "MY120", "MY121", "MY122", "MY123", "NM101", "NM102", "NM103", "NM104", "NM105",
        "NM106", "LT101", "non-linear changes",
    ),
    "django-migration-linter": (
        "NOT_NULL", "DROP_COLUMN", "DROP_TABLE", "RENAME_COLUMN", "RENAME_TABLE", "ALTER_COLUMN", "ADD_UNIQUE",
        "RUNPYTHON_REVERSIBLE", "RUNPYTHON_ARGS_NAMING_CONVENTION", "RUNPYTHON_MODEL_IMPORT",
        "RUNPYTHON_MODEL_VARIABLE_NAME", "RUNSQL_REVERSIBLE", "CREATE_INDEX", "DROP_INDEX", "REINDEX",
    ),
}  # fmt: skip

LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "squawk": {
        "require-enum-value-ordering": "a value at the end is most often meant",
        "require-table-schema": "search_path is a setting of the migration, which a scenario says",
        "ban-duplicate-column-assignments": "the server refuses it, and so does the first rehearsal",
        "ban-drop-index": "what gets slower is measured: D004, T001",
        "ban-drop-trigger": "what a trigger kept is measured: I004 to I007, F001",
        "ban-drop-policy": _BY_RUNNING,
        **dict.fromkeys(
            (
                "ban-add-column", "ban-add-composite-attribute", "ban-add-enum-value", "ban-alter-extension",
                "ban-alter-function-options", "ban-alter-generated-expression", "ban-alter-identity",
                "ban-alter-policy-condition", "ban-alter-policy-roles", "ban-alter-sequence-values",
                "ban-alter-view-options", "ban-create-policy", "ban-detach-inheritance", "ban-drop-default",
                "ban-drop-generated-expression", "ban-new-write-restriction", "ban-replace-view-function",
                "ban-replica-identity", "ban-revoke", "ban-set-default",
            ),
            _BY_RUNNING,
        ),
        **dict.fromkeys(
            ("ban-alter-database-options", "ban-alter-role-options", "ban-alter-system-options"),
            "the server's own settings, no change of the schema; a rehearsal shows what they differ in",
        ),
    },
    "strong_migrations": {"changing the default value of a column": _OF_RUBY},
    "atlas": {
        "PG110": "alignment saves bytes and stops nobody",
        "LT101": "SQLite is no engine here",
        "non-linear changes": _ORDER,
        **dict.fromkeys(("NM101", "NM102", "NM103", "NM104", "NM105", "NM106"), _HABIT),
    },
    "django-migration-linter": {
        "RUNPYTHON_REVERSIBLE": "the way back is rehearsed: F002, D003",
        "RUNSQL_REVERSIBLE": "the way back is rehearsed: F002, D003",
        "RUNPYTHON_ARGS_NAMING_CONVENTION": _OF_RUBY,
        "RUNPYTHON_MODEL_IMPORT": _OF_RUBY,
        "RUNPYTHON_MODEL_VARIABLE_NAME": _OF_RUBY,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Theirs:
    """A rule of a public list, the codes of ours that answer it, and why none does."""

    project: str
    name: str
    ours: tuple[str, ...]
    why_not: str | None


def theirs() -> Iterator[Theirs]:
    """Yield every rule of the public lists."""
    for project, names in LISTS.items():
        for name in names:
            ours = tuple(rule.code for rule in RULES if name in rule.covers.get(project, ()))
            yield Theirs(project, name, ours, LEFT_OUT.get(project, {}).get(name))
