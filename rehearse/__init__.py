"""Know what a database migration will do before production does it."""
