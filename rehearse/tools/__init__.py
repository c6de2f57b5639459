"""Migration tools: one module each; modules whose name starts with an underscore are parts of them."""

NAMES = ("sql", "alembic", "command")
