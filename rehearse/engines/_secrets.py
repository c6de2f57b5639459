"""Secrets in a schema: told from one another, and never said."""

from __future__ import annotations

import hashlib
import secrets

_KEY = secrets.token_bytes(32)  # gone with the process, so that no digest can be tried against a list of passwords


def hidden(value: str) -> str:
    """Return what tells a secret from another within this process, and from which it cannot be had."""
    return f"(hidden {hashlib.blake2b(value.encode(), key=_KEY, digest_size=4).hexdigest()})"
