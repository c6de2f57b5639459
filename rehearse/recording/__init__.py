"""What a rehearsal wrote down: the journal while it runs, the history afterwards, both ends in a folder."""
