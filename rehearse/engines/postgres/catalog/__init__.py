"""The system catalogs of PostgreSQL 14–18 as objects in words; each module holds the queries of one family.

A query yields rows of (object, properties): an object in words such as "table orders column status", and a JSON object
{property: text}. Columns that only some versions have are read through `to_jsonb(row) ->> 'name'`, which is null where
the column is not there. OIDs never come out.
"""
