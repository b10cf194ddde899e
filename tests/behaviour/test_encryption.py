"""Results that are encrypted where they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.behaviour.bodies import fail

from dalsegno import flow, retry_flow_run, task
from dalsegno._backend.connect import connect
from dalsegno._engine.session import close_journals
from dalsegno.exceptions import CannotResume, EncryptionKeyError
from dalsegno.model.views import Page, RunFilter

NAME = "DALSEGNO_RESULTS_ENCRYPTION_KEY"
OLD, NEW = "6iTq7mR0VdHkz2gqPRxW9bC1yQxXv4uJd5s8fLw0aBk", "cW8m2Yx7tqLk0ZrB4vN9uJhE5sPdG1fXaKoT6iRyVwQ"
SECRET = "the-card-number-4111"


class Shop:
    """A flow that pays, and then fails."""

    def __init__(self) -> None:
        self.paid = 0

        @task
        def pay(card: str) -> str:
            self.paid += 1
            return f"receipt of {card}"

        @flow
        def shop(part: str) -> None:
            pay(f"the-card-{part}")
            fail()

        self.flow = shop

    def run(self) -> None:
        assert self.flow("number-4111", return_state=True).is_failed()
        close_journals()

    def retry(self) -> None:
        (run,) = connect().list_flow_runs(RunFilter(), Page())
        retry_flow_run(run.id, flow=self.flow, return_state=True)
        close_journals()


@pytest.mark.behaviour(134)
def test_results_are_encrypted_and_a_retry_with_the_key_pays_nothing_twice(
    dalsegno_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop()
    monkeypatch.setenv(NAME, OLD)
    shop.run()
    shop.retry()
    monkeypatch.setenv(NAME, f"{NEW},{OLD}")
    shop.retry()
    assert shop.paid == 1
    files = [path.read_bytes() for path in dalsegno_home.rglob("*") if path.is_file()]
    assert not [data for data in files if SECRET.encode() in data]


@pytest.mark.behaviour(134)
def test_what_was_kept_without_a_key_stays_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    shop.run()
    monkeypatch.setenv(NAME, NEW)
    shop.retry()
    assert shop.paid == 1


@pytest.mark.behaviour(134)
@pytest.mark.parametrize("others", [None, NEW])
def test_without_the_key_the_retry_stops_with_an_error_that_says_to_set_it(
    others: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop()
    monkeypatch.setenv(NAME, OLD)
    shop.run()
    monkeypatch.delenv(NAME) if others is None else monkeypatch.setenv(NAME, others)
    with pytest.raises(CannotResume, match=f"Set {NAME} to that key") as raised:
        shop.retry()
    cause: Any = raised.value.__cause__
    assert isinstance(cause, EncryptionKeyError)
    assert shop.paid == 1
