"""The embedded database: SQLite in one file. `connections.Database` opens it; the other modules hold the
statements."""
