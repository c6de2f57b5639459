"""MariaDB, on a server that is installed here."""
