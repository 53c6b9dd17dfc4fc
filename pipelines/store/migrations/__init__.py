"""How the store came to be what it is, step by step; a store that lacks some goes through them when it is opened.

To add a step: change ``pipelines/store/schema.py``, and write beside the others the next number,
``0002_what_it_does.py``, with ``revision``, ``down_revision`` (the number before) and ``upgrade()``. A step is history:
it is written in its own words, imports nothing of ours, and is never changed once it has been released. A test compares
where the steps lead with the schema, on SQLite and PostgreSQL.
"""
