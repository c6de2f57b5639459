"""What the application does: calls of a mix, due by a schedule that no answer can change, sent by worker processes."""
