"""MySQL, and all that MariaDB shares with it: `flavour` says in what they differ."""
