"""The database of what is recorded: SQLite in one file, or PostgreSQL.

`connection` says what the two have in common; the packages `sqlite` and `postgresql` hold what is their own, and the
other modules the statements.
"""
