"""`/finance/bank`: a file is imported, its lines are decided and taken back, payments are written down and reversed."""

import re
from collections.abc import Iterator

import pytest

from tests.integration.invoicing import invoice_all
from tests.integration.page_visits import Visits, until, visits
from tests.integration.small_world import NOON, a_session, post, told

FILE = "date,amount,currency,text\n2027-01-20,2.00,USD,{name} thank you\n2027-01-20,-9.00,USD,fees\n"
NAME = "SELECT name FROM invoices WHERE owner_id = 'ann'"
PAGE = "/finance/bank"


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    """Ann owes $2.00, Bob $4.00; both have an invoice."""
    with visits(database_url) as found:
        until(found, NOON + 20 * 86_400)
        post(found.app, a_session("h1", "anns", idle_s=600), a_session("m1", "bobs", idle_s=900, token="BOB"))
        invoice_all(found.app)
        yield found


def send_file(visited: Visits, content: bytes, **fields: str) -> str:
    token = re.search(r'name="form_token" value="(\w+)"', visited.get("finance", PAGE))
    assert token is not None
    sent = {"form_token": token[1], "seller": "acme", "format": "", **fields}
    answer = visited.browser("finance").post(
        f"{PAGE}/import", data=sent, files={"file": ("january.csv", content, "text/csv")}
    )
    return f"{answer.status_code} {answer.headers.get('location', answer.text)}"


def balances(visited: Visits) -> dict[str, int]:
    rows = told(
        visited.app,
        "SELECT account, sum(amount_minor) FROM (SELECT account, amount_minor FROM entries UNION ALL "
        "SELECT account, amount_minor FROM account_entries) AS e GROUP BY account HAVING sum(amount_minor) <> 0",
    )
    return {account: int(amount) for account, amount in rows}


def test_a_file_is_imported_and_its_lines_are_decided(visited: Visits) -> None:
    assert "No line waits. " in visited.read("finance", PAGE)
    ((name,),) = told(visited.app, NAME)
    content = FILE.format(name=name).encode()
    assert send_file(visited, content) == f"303 {PAGE}?imported=2+0+1+1"
    read = visited.read("finance", f"{PAGE}?imported=2+0+1+1")
    assert "2 lines new, 0 known before. 1 matched without a doubt, 1 wait for somebody." in read
    assert "nobody has explained yet −$9.00" in read.replace("-", "−")
    assert send_file(visited, content) == f"303 {PAGE}?imported=0+2+0+1"
    explained = visited.read("finance", f"{PAGE}?state=matched")
    assert f"names {name}" in explained

    visited.send("finance", PAGE, f"{PAGE}/decide", 303, **{"is": "not_ours", "reason": "the bank's own fee"})
    assert balances(visited) == {"receivable": 4_00, "revenue": -6_00, "bank": 2_00}
    visited.send("finance", f"{PAGE}?state=matched", f"{PAGE}/decide", decision="release", reason="it was Bob's")
    assert balances(visited)["suspense"] == -2_00

    answer = visited.send("finance", PAGE, f"{PAGE}/decide", 422, **{"is": "payment", "reason": "he called"})
    assert "Name the owner, or the invoice." in answer.text
    visited.send("finance", PAGE, f"{PAGE}/decide", 303, **{"is": "payment", "owner": "bob", "reason": "he called"})
    assert balances(visited) == {"receivable": 4_00, "revenue": -6_00, "bank": 2_00}
    assert told(visited.app, "SELECT owner_id FROM payments WHERE state = 'succeeded'") == [("bob",)]


def test_a_file_in_the_banks_own_words(visited: Visits) -> None:
    form = (
        'date = "Tag"\ndate_form = "%d.%m.%Y"\namount = "Betrag"\ncurrency = "USD"\ntext = ["Zweck"]\ndecimal = ","\n'
    )
    content = "Tag;Betrag;Zweck\n20.01.2027;1,00;Grüße\n".encode("cp1252")
    told_so = send_file(visited, content, format=f'{form}delimiter = ";"\nencoding = "cp1252"')
    assert told_so == f"303 {PAGE}?imported=1+0+0+1"
    assert "Grüße" in visited.read("finance", PAGE)


def test_what_is_no_file_changes_nothing(visited: Visits) -> None:
    for said, content, fields in (
        ("422", b"", {}),
        ("422", b"a,b\n", {}),
        ("422", FILE.encode(), {"format": "date = "}),
        ("422", FILE.encode(), {"format": 'dat = "x"'}),
        ("404", FILE.encode(), {"seller": "nobody"}),
        ("403", FILE.encode(), {"form_token": "x"}),
    ):
        assert send_file(visited, content, **fields).startswith(said), fields
    assert told(visited.app, "SELECT count(*) FROM bank_lines") == [(0,)]


def test_a_payment_is_written_down_and_taken_back(visited: Visits) -> None:
    ((name,),) = told(visited.app, NAME)
    said = {"seller": "acme", "invoice": name, "amount": "2,00", "currency": "usd", "reference": "receipt 7"}
    for _ in range(2):
        visited.send("finance", PAGE, f"{PAGE}/payments", day="2027-01-19", **said)
    assert balances(visited) == {"receivable": 4_00, "revenue": -6_00, "bank": 2_00}
    assert "$2.00 of ann" in visited.read("finance", PAGE)
    visited.send("finance", PAGE, f"{PAGE}/payments/reverse", reason="it was Bob's")
    assert balances(visited) == {"receivable": 6_00, "revenue": -6_00}
    assert "Taken back: it was Bob's" in visited.read("finance", PAGE)
    for wrong in ({"amount": "0"}, {"currency": "XXQ"}, {"day": "2027-02-30"}, {"day": "2028-01-01"}, {"amount": "x"}):
        visited.send("finance", PAGE, f"{PAGE}/payments", 422, **{**said, **wrong})
    visited.send("finance", PAGE, f"{PAGE}/payments", 404, **{**said, "invoice": "", "owner": "nobody"})


def test_a_form_that_cannot_be_read_changes_nothing(visited: Visits) -> None:
    for wrong in (b"", b"--x", b"--x\r\n", b"--x\r\nno header\r\n\r\na\r\n--x--\r\n"):
        answer = visited.browser("finance").post(
            f"{PAGE}/import", content=wrong, headers={"content-type": "multipart/form-data; boundary=x"}
        )
        assert answer.status_code in {400, 403}, wrong
    assert told(visited.app, "SELECT count(*) FROM bank_lines") == [(0,)]
