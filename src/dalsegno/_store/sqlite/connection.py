"""Connections of the sqlite3 module that say what they are."""

from __future__ import annotations

import sqlite3

from dalsegno._store.connection import Dialect


class SqliteConnection(sqlite3.Connection):
    """All that it does is the sqlite3 module's own."""

    dialect: Dialect = "sqlite"
