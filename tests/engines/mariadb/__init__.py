"""What MariaDB alone promises, on a server that is installed here."""
