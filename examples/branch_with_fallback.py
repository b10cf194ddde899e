"""Three ways to decide what runs: an `if`, a trigger, and a fallback.

Run it: `python examples/branch_with_fallback.py`
"""

from __future__ import annotations

from typing import Any

from dalsegno import flow, task
from dalsegno.triggers import all_finished, any_failed

LAST_PRICES = {"tea": 3.20, "coffee": 8.90}


def last_price(error: Exception, arguments: dict[str, Any]) -> float:
    print(f"{error}; taking the last price of {arguments['product']}")
    return LAST_PRICES[arguments["product"]]


@task(fallback=last_price)
def fetch_price(product: str) -> float:
    """Fails for good tonight. With its fallback it ends as Completed, and the record says why."""
    raise ConnectionError("the price service does not answer")


@task
def order_now(product: str) -> str:
    print(f"ordering {product}")
    return f"{product} ordered"


@task
def ask_buyer(product: str, price: float) -> str:
    raise LookupError(f"nobody is there to say yes to {product} at {price:.2f}")


@task(trigger=any_failed)
def wake_someone(product: str) -> None:
    print(f"waking someone for {product}")


@task(trigger=all_finished)
def close_books(product: str) -> None:
    print(f"books of {product} closed")


@flow
def buy(product: str) -> None:
    price = fetch_price(product)
    # A branch is an `if`: what is not called is not run.
    if price < 5:
        order = order_now.submit(product)
    else:
        print(f"{product} is dear: asking the buyer")
        order = ask_buyer.submit(product, price)
    # A trigger looks at how the upstreams ended. This one is skipped if all went well ...
    alarm = wake_someone.submit(product, wait_for=[order])
    # ... and this one runs in any case, once they have ended.
    close_books.submit(product, wait_for=[order, alarm])


if __name__ == "__main__":
    buy("tea")
    buy("coffee")
