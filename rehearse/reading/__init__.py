"""Text to frozen values; every complaint names the file, the key and a near miss."""
