"""The books through the API: trial balance, transfers, entries as CSV, balances, and orders to re-rate the past."""

import csv
import io
from collections.abc import Iterator

import pytest

from api.worker import Worker
from billing import decisions, orders
from billing.orders import carry_out, entrust
from billing.verify import Difference, verify
from sessions.events import rfc3339
from tests.integration.doors import NOW, Doors, open_doors
from tests.integration.small_world import NOON, a_session, post


@pytest.fixture
def doors(database_url: str) -> Iterator[Doors]:
    with open_doors(database_url) as doors:
        yield doors


def fees(doors: Doors) -> dict[str, int]:
    return {row["session"]: row["fee_minor"] for row in doors.every_row("finance", "/v1/sessions")}


def test_the_trial_balance_sums_to_zero(doors: Doors) -> None:
    trial = doors.get("finance", "/v1/ledger/trial-balance")
    assert trial["sums"] == [{"currency": "USD", "balance_minor": 0}]
    assert {row["account"]: row["balance_minor"] for row in trial["accounts"]} == {
        "receivable": 6_00,
        "revenue": -6_00,
        "unclaimed": 6_00,
        "deferred": -6_00,
    }


def test_transfers_come_page_by_page_with_entries_that_balance(doors: Doors) -> None:
    doors.send("support", "/v1/waivers", {"session": "h1/anns", "amount_minor": 50, "reason": "kind"})
    paged = doors.every_row("finance", "/v1/ledger/transfers", limit=1)
    assert paged == doors.every_row("finance", "/v1/ledger/transfers")
    assert [len(transfer["entries"]) for transfer in paged] == [2, 2, 2, 2]
    assert all(sum(entry["amount_minor"] for entry in transfer["entries"]) == 0 for transfer in paged)
    first, second = doors.every_row("finance", "/v1/ledger/transfers", session="h1/anns")
    assert (first["n"], second["n"], second["corrects"], second["reason"]) == (1, 2, first["id"], "waived: kind")
    assert len(doors.every_row("finance", "/v1/ledger/transfers", site="market")) == 1
    assert doors.every_row("finance", "/v1/ledger/transfers", to=rfc3339(NOON)) == []


def test_entries_come_as_csv_that_a_spreadsheet_cannot_mistake_for_formulas(doors: Doors) -> None:
    doors.send("support", "/v1/waivers", {"session": "h1/anns", "amount_minor": 50, "reason": "kind"})
    doors.send("support", "/v1/owners", {"id": "-2-3"}, 201)
    doors.send("support", "/v1/claims", {"session": "h2/nobodys", "owner": "-2-3", "reason": "theirs"})
    response = doors.ask("finance", "GET", "/v1/ledger/entries.csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    entries = [entry for one in doors.every_row("finance", "/v1/ledger/transfers") for entry in one["entries"]]
    assert [int(row["amount_minor"]) for row in rows] == [entry["amount_minor"] for entry in entries]
    assert {row["amount"] for row in rows if row["reason"] == "waived: kind"} == {"0.50", "-0.50"}
    assert {row["owner"] for row in rows if row["session"] == "h2/nobodys"} == {"", "'-2-3"}


def test_every_owner_who_owes_is_listed(doors: Doors) -> None:
    assert [
        (row["owner"], row["amount_minor"]) for row in doors.every_row("finance", "/v1/ledger/balances", limit=1)
    ] == [
        ("ann", 2_00),
        ("bob", 4_00),
    ]
    doors.send("finance", "/v1/waivers", {"session": "h1/anns", "reason": "all of it"})
    assert [row["owner"] for row in doors.every_row("finance", "/v1/ledger/balances")] == ["bob"]


def test_a_rerate_prices_the_past_again_and_says_what_changed(doors: Doors) -> None:
    assert fees(doors) == {"h1/anns": 2_00, "m1/bobs": 4_00, "h2/nobodys": 6_00}
    order = {"tariff": "waive_completed", "sites": ["harbour"], "reason": "as it was in 2016"}
    done = doors.send("finance", "/v1/rerates", order)
    assert done == {
        "replayed": False,
        "sites": 1,
        "sessions": 2,
        "changed": 2,
        "before_minor": {"USD": 8_00},
        "after_minor": {"USD": 12_00},
    }
    assert fees(doors) == {"h1/anns": 4_00, "m1/bobs": 4_00, "h2/nobodys": 8_00}
    assert doors.send("finance", "/v1/rerates", order | {"sites": ["none"]}, 404)["code"] == "not_found"
    assert doors.send("finance", "/v1/rerates", order | {"tariff": "none"}, 404)["code"] == "not_found"


def test_a_rerate_covers_who_plugged_in_while_it_holds(doors: Doors) -> None:
    post(doors.app, a_session("h1", "before", at=NOON - 20_000))
    order = {"tariff": "waive_completed", "starts_at": rfc3339(NOON), "ends_at": rfc3339(NOON + 1), "reason": "one day"}
    assert doors.send("finance", "/v1/rerates", order)["sessions"] == 3
    assert fees(doors)["h1/before"] == 2_00


def test_an_order_that_was_cut_short_is_ended_by_a_worker(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is recorded and its step written, and then the process is gone: nothing was settled yet."""
    monkeypatch.setattr(orders, "SESSIONS_A_TRANSACTION", 1)
    app = doors.app
    with app.writing() as connection:
        recorded = decisions.order_rerate(
            connection,
            ["harbour", "market"],
            "waive_completed",
            0,
            None,
            author="test",
            reason="cut short",
            now=NOW,
        )
        entrust(connection, recorded, NOW)
    worker = Worker(app, channels=[])
    worker.run_due()
    assert fees(doors)["m1/bobs"] == 4_00
    app.clock.advance(orders.TAKEN_OVER_AFTER_S)  # type: ignore[attr-defined]
    worker.run_due()
    assert fees(doors) == {"h1/anns": 4_00, "m1/bobs": 6_00, "h2/nobodys": 8_00}
    assert carry_out(app.engine, app.clock, recorded).changed == 0
    found: list[Difference] = []
    verify(app.engine, app.clock.now(), found.append)
    assert found == []
