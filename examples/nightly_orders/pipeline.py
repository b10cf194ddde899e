"""The nightly pipeline: a website's orders, checked, converted to euros and loaded into a warehouse.

It is a list of steps from top to bottom, as one would write it without a workflow engine. `@task` records
each step and keeps its result; `@flow` ties them together. When a step fails, `dalsegno flow-run retry`
starts this flow again, and what was done already is answered from the records.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import duckdb
import pandas as pd

from dalsegno import flow, task, unmapped
from dalsegno.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from dalsegno.transactions import Transaction, transaction
from diary import signed  # only for the demo's own count of what ran
from report import draw_line, write_page, write_table

# Extract ----------------------------------------------------------------------------------------------


def open_website(path: Path) -> closing[sqlite3.Connection]:
    """The website's database, for reading. Not a task: tasks call functions as any code does."""
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True))


@task(task_run_name="01 check the website's database")
@signed
def check_website(website: Path) -> Path:
    with open_website(website) as database:
        (fault,) = database.execute("PRAGMA quick_check").fetchone()
    if fault != "ok":
        raise ValueError(f"{website} is damaged: {fault}")
    return website


def read_table(website: Path, table: str) -> pd.DataFrame:
    """One whole table."""
    with open_website(website) as database:
        return pd.read_sql_query(f"SELECT * FROM {table}", database)


@task(task_run_name="02 extract countries")
@signed
def extract_countries(website: Path) -> pd.DataFrame:
    return read_table(website, "countries")


@task(task_run_name="03 extract customers")
@signed
def extract_customers(website: Path) -> pd.DataFrame:
    return read_table(website, "customers")


@task(task_run_name="04 extract products")
@signed
def extract_products(website: Path) -> pd.DataFrame:
    return read_table(website, "products")


@task(task_run_name="05 extract coupons")
@signed
def extract_coupons(website: Path) -> pd.DataFrame:
    return read_table(website, "coupons")


@task(task_run_name="06 extract orders")
@signed
def extract_orders(website: Path) -> pd.DataFrame:
    orders = read_table(website, "orders")
    return orders.assign(day=orders["ordered_at"].str[:10], fault=None)


@task(task_run_name="07 extract order lines")
@signed
def extract_lines(website: Path) -> pd.DataFrame:
    return read_table(website, "order_lines").assign(fault=None)


# Validate: a bad row is marked with its fault, then set aside; nothing is dropped in silence -----------


def mark(rows: pd.DataFrame, bad: pd.Series, fault: str) -> pd.DataFrame:
    """A copy of `rows` where bad rows that had no fault yet have this one."""
    return rows.assign(fault=rows["fault"].mask(bad & rows["fault"].isna(), fault))


@task(task_run_name="08 mark repeated orders")
@signed
def mark_repeated(orders: pd.DataFrame) -> pd.DataFrame:
    return mark(orders, orders["order_id"].duplicated(), "repeated order")


@task(task_run_name="09 mark orders without a customer")
@signed
def mark_no_customer(orders: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    return mark(orders, ~orders["customer_id"].isin(customers["customer_id"]), "no customer")


@task(task_run_name="10 mark orders from unknown countries")
@signed
def mark_unknown_country(orders: pd.DataFrame, countries: pd.DataFrame) -> pd.DataFrame:
    return mark(orders, ~orders["country"].isin(countries["country"]), "unknown country")


@task(task_run_name="11 mark faulty order lines")
@signed
def mark_faulty_lines(lines: pd.DataFrame, products: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    good_orders = orders.loc[orders["fault"].isna(), "order_id"]
    lines = mark(lines, lines["quantity"] < 0, "negative quantity")
    lines = mark(lines, lines["quantity"] == 0, "nothing sold")
    lines = mark(lines, ~lines["product_id"].isin(products["product_id"]), "unknown product")
    return mark(lines, ~lines["order_id"].isin(good_orders), "order set aside")


@task(task_run_name="12 set marked rows aside")
@signed
def set_aside(orders: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    marked = pd.concat([orders.assign(kind="order"), lines.assign(kind="line")])
    return marked.loc[marked["fault"].notna(), ["kind", "fault", "order_id", "product_id", "quantity"]]


@task(task_run_name="13 keep good orders")
@signed
def keep_good_orders(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[orders["fault"].isna()].drop(columns="fault").astype({"customer_id": "int64"})


@task(task_run_name="14 keep good order lines")
@signed
def keep_good_lines(lines: pd.DataFrame) -> pd.DataFrame:
    return lines[lines["fault"].isna()].drop(columns="fault")


@task(task_run_name="15 reconcile with the website")
@signed
def reconcile(website: Path, orders: pd.DataFrame, lines: pd.DataFrame, aside: pd.DataFrame) -> dict[str, Any]:
    query = "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM order_lines)"
    with open_website(website) as database:
        (there,) = database.execute(query).fetchone()
    here = len(orders) + len(lines) + len(aside)
    if here != there:
        raise ValueError(f"the website has {there:,} rows, but {here:,} were kept or set aside")
    faults = aside["fault"].value_counts().to_dict()
    return {"orders": len(orders), "lines": len(lines), "set aside": faults}


@task(task_run_name="16 add up the orders")
@signed
def add_up(orders: pd.DataFrame, lines: pd.DataFrame, countries: pd.DataFrame) -> pd.DataFrame:
    amounts = lines.groupby("order_id", as_index=False)["amount"].sum()
    orders = orders.merge(amounts, on="order_id", how="left").fillna({"amount": 0.0})
    return orders.merge(countries, on="country")


# Convert ----------------------------------------------------------------------------------------------


@task(task_run_name="17 fetch exchange rates", retries=2, retry_delay_seconds=0.5)
@signed
def fetch_rates(url: str) -> dict[str, float]:
    try:
        with urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise ConnectionError(f"{url} answered {error.code} {error.reason}") from None


@task(task_run_name="18 convert to euros")
@signed
def convert(orders: pd.DataFrame, rates: dict[str, float]) -> pd.DataFrame:
    per_euro = orders["currency"].map(rates)
    return orders.assign(per_euro=per_euro, euros=orders["amount"] / per_euro)


# Measure ----------------------------------------------------------------------------------------------


def measure(orders: pd.DataFrame) -> dict[str, float]:
    """The figures that we give for any selection of orders."""
    return {
        "orders": len(orders),
        "customers": orders["customer_id"].nunique(),
        "revenue": round(float(orders["euros"].sum()), 2),
        "per_order": round(float(orders["euros"].mean()), 2),
    }


@task(task_run_name="19 measure {country}")
@signed
def measure_country(country: str, orders: pd.DataFrame) -> dict[str, str | float]:
    return {"country": country} | measure(orders[orders["country"] == country])


@task(task_run_name="20 measure {day}")
@signed
def measure_day(day: str, orders: pd.DataFrame) -> dict[str, str | float]:
    return {"day": day} | measure(orders[orders["day"] == day])


@task(task_run_name="21 measure departments")
@signed
def measure_departments(orders: pd.DataFrame, lines: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    sold = lines.merge(products, on="product_id").merge(orders[["order_id", "per_euro"]], on="order_id")
    sold = sold.assign(revenue=sold["amount"] / sold["per_euro"])
    departments = sold.groupby("department").agg(lines=("revenue", "size"), revenue=("revenue", "sum"))
    return departments.round(2).sort_values("revenue", ascending=False).reset_index()


@task(task_run_name="22 find the best categories")
@signed
def find_best_categories(lines: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    sold = lines.merge(products, on="product_id")
    orders = sold.groupby(["department", "category"])["order_id"].nunique()
    return orders.rename("orders").nlargest(10).reset_index()


@task(task_run_name="23 sort customers into segments")
@signed
def segment_customers(orders: pd.DataFrame, coupons: pd.DataFrame) -> pd.DataFrame:
    spent = orders.groupby("customer_id")["euros"].sum()
    segments = pd.qcut(spent, [0, 0.5, 0.9, 1], labels=["occasional", "regular", "best"]).astype("str")
    used = coupons["customer_id"].value_counts().reindex(spent.index, fill_value=0)
    customers = pd.DataFrame({"segment": segments, "spent": spent.round(2), "coupons": used})
    return customers.reset_index()


# Load -------------------------------------------------------------------------------------------------


@task(task_run_name="24 load the warehouse")
@signed
def load_warehouse(warehouse: Path, night: str, **tables: pd.DataFrame | list[dict]) -> None:
    with duckdb.connect(warehouse) as database:
        database.begin()
        for name, rows in tables.items():
            frame = pd.DataFrame(rows)
            database.register("frame", frame)
            select = f"SELECT DATE '{night}' AS night, * FROM frame"
            database.execute(f"CREATE TABLE IF NOT EXISTS {name} AS {select} LIMIT 0")
            database.execute(f"DELETE FROM {name} WHERE night = '{night}'")
            database.execute(f"INSERT INTO {name} {select}")
        database.commit()


@load_warehouse.on_rollback
def unload_warehouse(loading: Transaction) -> None:
    """If the check below fails, nobody shall read tonight's figures: the last night's stay."""
    with duckdb.connect(loading.get("warehouse")) as database:
        for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            database.execute(f"DELETE FROM {name} WHERE night = '{loading.get('night')}'")


@task(task_run_name="25 check the warehouse")
@signed
def check_warehouse(warehouse: Path, night: str, orders: pd.DataFrame) -> None:
    query = f"""
        SELECT (SELECT sum(euros) FROM orders WHERE night = '{night}'),
               (SELECT sum(revenue) FROM countries WHERE night = '{night}')
    """
    with duckdb.connect(warehouse, read_only=True) as database:
        by_order, by_country = database.execute(query).fetchone()
    for revenue in (by_order, by_country):
        if abs(revenue - orders["euros"].sum()) > 1:
            raise ValueError(f"the warehouse has a revenue of {revenue}, not of {orders['euros'].sum()}")


# Publish ----------------------------------------------------------------------------------------------


@task(task_run_name="26 publish the table of countries")
@signed
def publish_countries(countries: list[dict]) -> None:
    create_table_artifact(countries, key="revenue-by-country", description="Last night's figures, in euros")


@task(task_run_name="27 publish the summary")
@signed
def publish_summary(night: str, counts: dict[str, Any], departments: pd.DataFrame) -> None:
    best = departments.iloc[0]
    faults = "".join(f"- {fault}: {rows:,}\n" for fault, rows in counts["set aside"].items())
    summary = (
        f"# Orders of {night}\n\n"
        f"{counts['orders']:,} orders with {counts['lines']:,} lines were loaded. "
        f"{best['department'].capitalize()} sold most: {best['revenue']:,.0f} EUR.\n\n"
        f"Rows that were set aside:\n\n{faults}"
    )
    create_markdown_artifact(summary, key="nightly-summary")


@task(task_run_name="28 draw the year's revenue")
@signed
def draw_revenue(days: list[dict]) -> str:
    label = f"Revenue a day in euros, {days[0]['day']} to {days[-1]['day']}"
    return draw_line([day["revenue"] for day in days], label)


@task(task_run_name="29 write the report")
@signed
def write_report(path: Path, night: str, chart: str, countries: list[dict], *tables: pd.DataFrame) -> Path:
    departments, categories = tables
    parts = [
        chart,
        write_table("Countries", pd.DataFrame(countries)),
        write_table("Departments", departments.head(10)),
        write_table("Best categories", categories),
    ]
    path.write_text(write_page(f"Orders of {night}", *parts), encoding="utf-8")
    create_link_artifact(path.as_uri(), link_text=f"Report of {night}", key="nightly-report")
    return path


# The pipeline -----------------------------------------------------------------------------------------


@flow(log_prints=True)
def nightly_orders(folder: Path, rates_url: str, night: str = "2017-12-31") -> Path:
    """Take the website's orders in `folder` to the warehouse and the report beside them.

    `rates_url` answers with JSON: how much of each currency a euro is.
    """
    website = check_website(folder / "website.sqlite")

    # Submitted tasks run side by side. What they give are futures, to be passed on as if they were values.
    countries = extract_countries.submit(website)
    customers = extract_customers.submit(website)
    products = extract_products.submit(website)
    coupons = extract_coupons.submit(website)
    orders = extract_orders.submit(website)
    lines = extract_lines.submit(website)

    # Called tasks run here and now, one after the other, and give their values.
    orders = mark_repeated(orders)
    orders = mark_no_customer(orders, customers)
    orders = mark_unknown_country(orders, countries)
    lines = mark_faulty_lines(lines, products, orders)
    aside = set_aside(orders, lines)
    orders = keep_good_orders(orders)
    lines = keep_good_lines(lines)
    counts = reconcile(website, orders, lines, aside)
    orders = add_up(orders, lines, countries)

    rates = fetch_rates(rates_url)
    orders = convert(orders, rates)

    # One task run for each country, and one for each day: as many as the data has.
    by_country = measure_country.map(sorted(orders["country"].unique()), unmapped(orders)).result()
    by_day = measure_day.map(sorted(orders["day"].unique()), unmapped(orders)).result()
    departments = measure_departments.submit(orders, lines, products)
    categories = find_best_categories.submit(lines, products)
    segments = segment_customers.submit(orders, coupons)

    # Both or neither: a load that fails its check is taken back.
    warehouse = folder / "warehouse.duckdb"
    with transaction() as loading:
        loading.set("warehouse", warehouse)
        loading.set("night", night)
        load_warehouse(
            warehouse,
            night,
            orders=orders,
            order_lines=lines,
            set_aside=aside,
            countries=by_country,
            days=by_day,
            departments=departments,
            categories=categories,
            customers=segments,
        )
        check_warehouse(warehouse, night, orders)

    publish_countries(by_country)
    publish_summary(night, counts, departments)
    chart = draw_revenue(by_day)
    return write_report(folder / "report.html", night, chart, by_country, departments, categories)
