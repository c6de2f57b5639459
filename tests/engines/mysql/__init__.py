"""MariaDB and MySQL, on servers that are installed here."""
