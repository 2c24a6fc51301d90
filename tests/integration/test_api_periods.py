"""Closing, the trail, digests and exports through the doors: the API, the commands and the worker's own steps."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from arro3.io import read_parquet

from api.cli import main
from api.settings import Settings
from api.wiring import running
from api.worker import Worker
from billing.invoices.policy import Policy, decide
from billing.periods import steps
from billing.statements import Month
from sessions.clock import FixedClock
from sessions.events import rfc3339
from tests.integration.doors import NOW, Doors, open_doors
from tests.integration.small_world import told

MONTH = "2027-01"
AFTER = 1_801_440_000 + 3_600  # an hour into February


@pytest.fixture
def doors(database_url: str) -> Iterator[Doors]:
    with open_doors(database_url) as doors:
        yield doors


def test_finance_closes_a_month_and_reads_what_it_came_to(doors: Doors) -> None:
    close = {"seller": "acme", "month": MONTH, "reason": "month's end"}
    early = doors.send("finance", "/v1/periods", close, 409)
    assert early["code"] == "not_yet"
    assert "an hour after its end" in early["detail"]
    doors.app.clock.advance(AFTER - NOW)  # type: ignore[attr-defined]
    looked = doors.get("finance", "/v1/periods/acme/next")
    assert (looked["month"], [one["name"] for one in looked["checks"] if one["stops"] and one["found"]]) == (MONTH, [])
    assert doors.send("finance", "/v1/periods", close)["month"] == MONTH
    assert doors.send("finance", "/v1/periods", close, 409)["code"] == "not_yet"
    assert [row["month"] for row in doors.every_row("finance", "/v1/periods", limit=1)] == [MONTH]
    closed = doors.get("finance", f"/v1/periods/acme/{MONTH}")
    trial = doors.get("finance", "/v1/ledger/trial-balance")
    balances = {row["account"]: row["balance_minor"] for row in trial["accounts"]}
    assert {row["account"]: row["closing_minor"] for row in closed["balances"]} == balances
    assert sum(row["revenue_minor"] for row in closed["revenue"]) == -balances["revenue"]
    months = doors.every_row("finance", f"/v1/periods/acme/{MONTH}/statements", limit=1)
    assert [(row["owner"], row["closing_minor"]) for row in months] == [("ann", 2_00), ("bob", 4_00)]
    assert [row["what"] for row in doors.every_row("operator", "/v1/audit", author="finance")] == ["month_closed"]
    assert doors.ask("finance", "GET", "/v1/periods/acme/2026-12").status_code == 404


def test_the_ledger_leaves_in_three_formats_and_the_trail_says_who_took_it(doors: Doors) -> None:
    doors.send("support", "/v1/waivers", {"session": "h1/anns", "amount_minor": 50, "reason": 'a "kind" one'})
    answers = {
        name: doors.ask("finance", "GET", f"/v1/ledger/export?format={name}")
        for name in ("csv", "parquet", "beancount")
    }
    assert all(answer.status_code == 200 for answer in answers.values())
    entries = answers["csv"].text.count("\r\n") - 1
    assert read_parquet(io.BytesIO(answers["parquet"].content)).read_all().num_rows == entries == 8
    assert '  corrects: "' in answers["beancount"].text
    assert ' * "waived: a \\"kind\\" one"\n' in answers["beancount"].text
    assert doors.ask("finance", "GET", "/v1/ledger/entries.csv").text == answers["csv"].text
    taken = doors.every_row("finance", "/v1/audit", what="ledger_exported", limit=2)
    assert sorted(row["details"]["format"] for row in taken) == ["beancount", "csv", "csv", "parquet"]
    assert doors.ask("finance", "GET", "/v1/ledger/export?format=xml").status_code == 422
    backwards = "/v1/ledger/export?format=csv&from=2027-02-02T00:00:00Z&to=2027-02-01T00:00:00Z"
    assert doors.ask("finance", "GET", backwards).json()["type"].endswith(":empty_interval")


def test_a_policy_closes_months_by_itself_and_days_are_sealed_into_a_folder(database_url: str, tmp_path: Path) -> None:
    with open_doors(database_url):
        pass
    clock = FixedClock(AFTER - 7_200)
    with running(Settings(database_url=database_url, digests=tmp_path / "kept"), clock) as app:
        with app.writing() as connection:
            decide(connection, "acme", Policy(close_after_days=2), author="finance:k", reason="quiet", now=clock.now())
            steps.later(connection, clock.now())
        worker = Worker(app, channels=[])
        clock.advance(7_200)
        worker.run_due()
        assert told(app, "SELECT month FROM periods") == []
        clock.advance(2 * 86_400)
        worker.run_due()
        assert told(app, "SELECT month, author FROM periods") == [(MONTH, "idlefee")]
        lines = (tmp_path / "kept" / steps.FILE).read_text().splitlines()
        assert lines[0].startswith("2027-01-15 deeds=")
        assert [line.split()[0] for line in lines[-1:]] == ["2027-02-02"]
        clock.advance(86_400)
        worker.run_due()
        again = (tmp_path / "kept" / steps.FILE).read_text().splitlines()
        assert again[:-1] == lines


def test_the_commands_say_the_same(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_doors(database_url) as doors, doors.app.writing() as connection:
        decide(connection, "acme", Policy(close_after_days=3), author="finance:k", reason="quiet", now=NOW)

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["--database", database_url, *arguments]) == code
        return capsys.readouterr().out

    assert run("close") == "No month is due: one can be closed an hour after its end.\n"
    assert json.loads(run("audit", "--author", "finance", "--json"))[0]["reason"] == "quiet"
    run("close", "--month", "2020-13", code=2)
    run("close", "--month", str(Month(2027, 1).next), code=1)
    run("digest", "--day", "2020-01-01", code=1)
    journal = tmp_path / "ledger.beancount"
    run("export", "ledger", "--format", "beancount", "--output", str(journal))
    assert journal.read_text().count("\n2027-01-16 balance ") >= 1
    assert run("export", "ledger", "--to", rfc3339(NOW - 10**6)).count("\n") == 1
    assert json.loads(run("audit", "--what", "ledger_exported", "--json"))[0]["author"] == "operator:cli"
