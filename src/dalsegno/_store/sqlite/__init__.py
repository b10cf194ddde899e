"""The embedded database: SQLite in one file. `database.SqliteDatabase` opens it; knows no record."""
