"""A database's objects and their properties, in a normal form that is equal where the meaning is.

Every column of the information schema's views is read, but for short lists of what is no property (places, times,
counts, estimates); so a new version's new columns are in by themselves. SHOW CREATE is read for what they lack.
"""
