"""What MySQL and MariaDB share: the protocol, the application's session, SQL for comparing. MariaDB is built on it."""
