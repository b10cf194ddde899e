"""All or nothing: when a step in a transaction fails, the steps before it are taken back, the last one first.

Run it: `python examples/transaction_rollback.py`
"""

from __future__ import annotations

from dalsegno import flow, task
from dalsegno.transactions import Transaction, get_transaction, transaction

BOOKINGS: list[str] = []


@task
def book_train(city: str) -> None:
    BOOKINGS.append(f"train to {city}")
    print(f"booked the train to {city}")
    get_transaction().set("booking", f"train to {city}")


@task
def book_hotel(city: str) -> None:
    BOOKINGS.append(f"hotel in {city}")
    print(f"booked the hotel in {city}")
    get_transaction().set("booking", f"hotel in {city}")


@book_train.on_rollback
@book_hotel.on_rollback
def cancel_booking(taken_back: Transaction) -> None:
    """Each task run is a transaction of its own: what it set, its hook finds."""
    booking = taken_back.get("booking")
    BOOKINGS.remove(booking)
    print(f"cancelled the {booking}")


@task
def pay(budget: int) -> None:
    if budget < 300:
        raise ValueError(f"the card has {budget}, the trip costs 300")
    print("paid")


@flow
def travel(city: str, budget: int) -> None:
    with transaction():
        book_train(city)
        book_hotel(city)
        pay(budget)


if __name__ == "__main__":
    travel("Lyon", budget=500)
    try:
        travel("Rome", budget=100)
    except ValueError as error:
        print(f"no trip to Rome: {error}")
    print(f"booked in the end: {', '.join(BOOKINGS)}")
