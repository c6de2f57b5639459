"""The statistical shape of a database, and of the tables that it describes; holds no rows."""

from rehearse.profiles.profile import Access, Facts, Joint, NullBy, Profile, QueryMix, Source, Table
from rehearse.profiles.structure import Column, ForeignKey, Structure, Type
from rehearse.profiles.structure import Table as TableStructure

__all__ = [
    "Access",
    "Column",
    "Facts",
    "ForeignKey",
    "Joint",
    "NullBy",
    "Profile",
    "QueryMix",
    "Source",
    "Structure",
    "Table",
    "TableStructure",
    "Type",
]
