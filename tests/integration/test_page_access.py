"""Who may open which page and send which form. Everybody tries every route with everybody else's ids; a route that is
in no table fails. The doors for programs have `test_api_access`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from api.app import behind_the_gate
from billing.notices.contacts import add_contact
from billing.notices.store import Notice, write
from billing.owners import Vehicle, add_vehicle
from tests.integration.invoicing import invoice_all
from tests.integration.page_visits import Visits, standing, until, visits
from tests.integration.small_world import NOON, a_session, post, told

NOW = NOON + 9000
EVERYBODY = ("", "ann", "bob", "operator", "finance", "support")
ALL, OWNERS, STAFF = frozenset(EVERYBODY), frozenset({"ann", "bob"}), frozenset({"operator", "finance", "support"})


@dataclass(frozen=True, slots=True)
class Page:
    """Who may, and for a form what it is sent with: other people's ids, wherever one fits."""

    who: frozenset[str]
    form: dict[str, str] = field(default_factory=dict)
    query: str = ""
    hidden: bool = False  # whoever may not is told that nothing is here


def page(*who: str, **more: Any) -> Page:
    return Page(frozenset(who), **more)


HERS = Page(OWNERS)
BOBS_SESSION = Page(STAFF | {"bob"}, hidden=True)
REASON = {"reason": "x", "request_key": "0123456789abcdef"}
SESSION = {"session": "m1/bobs", **REASON}
PAGES = {
    ("GET", "/"): Page(ALL),
    ("GET", "/live/stalls"): Page(ALL),
    ("GET", "/prices"): Page(ALL),
    ("GET", "/prices/{site_id}"): Page(ALL),
    ("GET", "/p/{site_id}"): Page(ALL),
    ("GET", "/tariffs/{name}/{version}"): Page(ALL),
    ("GET", "/incidents"): Page(ALL),
    ("GET", "/static/{name}"): Page(ALL),
    ("GET", "/app.webmanifest"): Page(ALL),
    ("GET", "/sw.js"): Page(ALL),
    ("GET", "/icon-{size}.png"): Page(ALL),
    ("GET", "/sign-in"): Page(ALL),
    ("POST", "/sign-in"): Page(ALL, {"email": "bob@example.com"}),
    ("POST", "/sign-in/open"): Page(frozenset(), {"key": "idf_wrong"}),
    ("GET", "/confirm-address"): Page(frozenset(), query="?key=wrong"),
    ("POST", "/confirm-address"): Page(frozenset(), {"key": "wrong"}),
    ("POST", "/sign-out"): Page(OWNERS | STAFF),
    ("POST", "/sign-out/everywhere"): HERS,
    ("POST", "/sign-out/one"): Page(OWNERS, {"id": "{browser_id}"}),
    ("GET", "/sessions/{session_id:path}"): BOBS_SESSION,
    ("GET", "/live/sessions/{session_id:path}"): BOBS_SESSION,
    ("GET", "/receipts/{session_id:path}"): BOBS_SESSION,
    ("GET", "/me"): HERS,
    ("GET", "/live/me"): HERS,
    ("GET", "/me/history"): HERS,
    ("GET", "/me/history.csv"): HERS,
    ("GET", "/me/notices"): HERS,
    ("POST", "/me/notices/read"): Page(OWNERS, {"until": str(NOW)}),
    ("GET", "/me/vehicles"): HERS,
    ("POST", "/me/vehicles"): Page(OWNERS, {"name": "van", "plate": "", "card": "{token_id}"}),
    ("POST", "/me/vehicles/{vehicle_id}"): Page(OWNERS, {"name": "mine", "plate": ""}),
    ("POST", "/me/vehicles/{vehicle_id}/remove"): HERS,
    ("POST", "/me/tokens/{token_id}/end"): HERS,
    ("GET", "/me/account"): HERS,
    ("POST", "/me/email"): Page(OWNERS, {"email": "new@example.com"}),
    ("GET", "/me/payment"): HERS,
    ("POST", "/me/payment/add"): Page(OWNERS, {"seller": "acme"}),
    ("GET", "/me/payment/back/{setup_id}"): HERS,
    ("POST", "/me/payment/methods/{method_id}/default"): HERS,
    ("POST", "/me/payment/methods/{method_id}/remove"): HERS,
    ("POST", "/me/payment/pay/{payment_id}"): HERS,
    ("GET", "/me/payment/paid/{payment_id}"): HERS,
    ("GET", "/me/invoices"): HERS,
    ("GET", "/me/invoices/{invoice_id}"): HERS,
    ("GET", "/me/invoices/{invoice_id}.csv"): HERS,
    ("GET", "/invoices/{owner_id}/{invoice_id}"): page("support", "finance"),
    ("GET", "/invoices/{owner_id}/{invoice_id}.csv"): page("support", "finance"),
    ("GET", "/me/statements"): HERS,
    ("GET", "/me/statements/{month}"): HERS,
    ("GET", "/me/statements/{month}.csv"): HERS,
    ("GET", "/me/preferences"): HERS,
    ("POST", "/me/preferences"): Page(OWNERS, {"language": "en"}),
    ("POST", "/me/push"): Page(OWNERS, {"subscription": "{}"}),
    ("POST", "/me/webhooks"): Page(OWNERS, {"url": "http://127.0.0.1/", "label": "x"}),
    ("POST", "/me/chats"): Page(OWNERS, {"service": "sms", "to": "+49151"}),
    ("POST", "/me/contacts/{contact_id}/end"): HERS,
    ("GET", "/me/data.json"): HERS,
    ("GET", "/me/delete"): HERS,
    ("POST", "/me/delete"): Page(OWNERS, {"sure": "no"}),
    ("GET", "/books"): page("finance"),
    ("GET", "/books/waiting/{where}"): page("finance"),
    ("GET", "/books/entries"): page("finance", query="?seller=acme&currency=USD&account=revenue"),
    ("GET", "/books/entries.csv"): page("finance"),
    ("GET", "/finance"): page("finance"),
    ("GET", "/finance/charges"): page("finance", query="?owner=bob"),
    ("GET", "/finance/charges.csv"): page("finance", query="?owner=bob"),
    ("GET", "/finance/charges/{session_id:path}"): page("finance"),
    ("GET", "/finance/queues"): page("finance"),
    ("GET", "/finance/what-if"): page("finance", query="?tariff=standard&by=owner"),
    ("GET", "/finance/what-if.csv"): page("finance", query="?tariff=standard&by=owner"),
    ("GET", "/finance/reconciliation"): page("finance"),
    ("POST", "/finance/reconciliation/see-to"): page(
        "finance", form={"seller": "acme", "difference": "x", "who": "finance", "note": "x"}
    ),
    ("POST", "/finance/reconciliation/run"): page("finance"),
    ("GET", "/finance/bank"): page("finance"),
    ("POST", "/finance/bank/import"): page("finance", form={"seller": "acme", "format": ""}),
    ("POST", "/finance/bank/decide"): page("finance", form={"seller": "acme", "line": "x", "is": "not_ours", **REASON}),
    ("POST", "/finance/bank/payments"): page(
        "finance",
        form={"seller": "acme", "owner": "bob", "amount": "0", "currency": "USD", "reference": "x"},
    ),
    ("POST", "/finance/bank/payments/reverse"): page("finance", form={"owner": "bob", "payment": "x", **REASON}),
    ("GET", "/finance/close"): page("finance"),
    ("POST", "/finance/close"): page("finance", form={"seller": "acme", "month": "2027-01", **REASON}),
    ("GET", "/finance/close/{seller_id}/{month}"): page("finance"),
    ("GET", "/finance/exports"): page("finance"),
    ("GET", "/finance/exports/ledger"): page("finance", query="?format=csv"),
    ("POST", "/finance/queues/refund"): page(
        "finance", form={"owner": "bob", "refund": "x", "decision": "approve", **REASON}
    ),
    ("POST", "/finance/queues/credit"): page(
        "finance", form={"owner": "bob", "credit": "x", "decision": "refuse", **REASON}
    ),
    ("POST", "/finance/queues/dispute"): page("finance", form={"dispute": "bob x", "decision": "note", **REASON}),
    ("POST", "/finance/queues/parked"): page("finance", form={"job": "none", "decision": "drop", **REASON}),
    ("GET", "/operations"): page("operator"),
    ("GET", "/support"): page("support", "finance", query="?q=bobs"),
    ("POST", "/decide/waive"): page("support", "finance", form={**SESSION, "amount": "1"}),
    ("POST", "/decide/review"): page("operator", form={**SESSION, "decision": "release"}),
    ("POST", "/decide/void"): page("operator", form={**SESSION, "event": "bobs-4"}),
    ("POST", "/decide/excuse"): page("operator", form={"site": "market", **REASON}),
    ("POST", "/decide/out-of-service"): page("operator", form={"station": "m1", "stall": "1", **REASON}),
    ("POST", "/decide/back-in-service"): page("operator", form={"place": "market m1 1", **REASON}),
    ("POST", "/decide/revive"): page("operator", form={"key": "none"}),
}
LEAVES = {("POST", "/sign-out"), ("POST", "/sign-out/everywhere")}  # whoever sends them is out

# What tells of Bob: nobody but him and staff must ever read it.
BOBS = ("Bob Bobson", "bob@example.com", "BOB", "B-OB 1", "bob's car", "told to bob", "bobs-1", "/bobs", "bobs.example")
TABLES = (
    "events facts charges transfers entries owners vehicles token_holders notices contacts preferences mutes devices"
)
ROWS = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in TABLES.split())
OF_BOB = (
    "SELECT * FROM owners WHERE id = 'bob'",
    "SELECT * FROM vehicles WHERE owner_id = 'bob'",
    "SELECT * FROM token_holders WHERE owner_id = 'bob'",
    "SELECT * FROM contacts WHERE owner_id = 'bob'",
    "SELECT id, read_at FROM notices WHERE owner_id = 'bob'",
    "SELECT id FROM access_keys WHERE owner_id = 'bob' AND revoked_at IS NULL",
)


@pytest.fixture(scope="module")
def visited(sqlite_databases: Any) -> Iterator[Visits]:
    with sqlite_databases.migrated() as url, visits(url) as found:
        until(found, NOW)
        post(found.app, a_session("m1", "bobs", token="BOB"), standing("anns"))
        with found.app.writing() as connection:
            add_vehicle(connection, "bob", Vehicle("v-bob", "bob's car", "B-OB 1"), NOW)
            add_contact(connection, "bob", "webhook", "bob's car", {"url": "https://bobs.example/"}, NOW)
            told_bob = Notice(
                "market", "n-bob", "bob", "final", "x", "told to bob", "told to bob", "en", NOW, {"m1/bobs": 400}
            )
            write(connection, [told_bob])
        invoice_all(found.app)
        for who in EVERYBODY:
            found.get(who, "/sign-in")
        yield found


@pytest.fixture(scope="module")
def ids(visited: Visits) -> dict[str, str]:
    """Bob's, and those of the market where he charged."""
    asset = re.search(r"/static/([\w.]+)\?", visited.get("", "/"))
    assert asset is not None
    ((contact_id,),) = told(visited.app, "SELECT id FROM contacts")
    ((browser_id,),) = told(visited.app, "SELECT id FROM access_keys WHERE owner_id = 'bob' AND kind = 'browser'")
    return {
        "session_id:path": "m1/bobs",
        "site_id": "market",
        "name}/{version": "standard/1",
        "name": asset[1],
        "size": "192",
        "owner_id": "bob",
        "invoice_id": told(visited.app, "SELECT id FROM invoices WHERE owner_id = 'bob'")[0][0],
        "vehicle_id": "v-bob",
        "token_id": visited.app.names.surrogate("BOB"),
        "contact_id": contact_id,
        "browser_id": browser_id,
        "month": "2027-01",
        "where": "unclaimed",
    }


def filled(text: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def token_of(visited: Visits, who: str) -> str:
    found = re.search(r'name="form_token" value="(\w+)"', visited.get(who, "/sign-in"))
    return found[1] if found else ""


def knock(visited: Visits, who: str, where: tuple[str, str], ids: dict[str, str], token: str) -> httpx2.Response:
    """Only the head of what never ends."""
    method, path = where
    tried, browser = PAGES[where], visited.browser(who)
    address = filled(path, ids) + tried.query
    if path.startswith("/live/"):
        with browser.stream("GET", address) as answer:
            if answer.status_code != 200:
                answer.read()
            return answer
    form = {name: filled(value, ids) for name, value in tried.form.items()} | {"form_token": token}
    return browser.post(address, data=form) if method == "POST" else browser.get(address)


def text_of(answer: httpx2.Response) -> str:
    return answer.text if answer.is_closed and hasattr(answer, "_content") else ""


def test_every_route_is_in_the_table(visited: Visits) -> None:
    routes = {
        (method, str(route.path))
        for route in iter_route_contexts(behind_the_gate(visited.app.settings.largest_upload_bytes).routes)
        for method in route.methods or ()
        if method != "HEAD"
    }
    pages = {
        (method, path)
        for method, path in routes
        if not path.startswith("/v1/") and path not in {"/openapi.json", "/healthz", "/readyz", "/metrics"}
    }
    assert pages == set(PAGES), "say in PAGES who may"


def test_whoever_may_not_is_refused_and_changes_nothing(visited: Visits, ids: dict[str, str]) -> None:
    tokens = {who: token_of(visited, who) for who in EVERYBODY}
    before = [told(visited.app, statement) for statement in (ROWS, *OF_BOB)]
    for where, tried in PAGES.items():
        for who in sorted(ALL - tried.who):
            answer = knock(visited, who, where, ids, tokens[who])
            expected = {401} if who == "" or not tried.who else {404} if tried.hidden else {403}
            if who == "" and where[0] == "POST" and tried.who:
                expected = {401, 403}
            if tried.hidden and who == "":
                expected = {401, 404}
            assert answer.status_code in expected, (who, where, answer.status_code)
            assert not [secret for secret in BOBS if secret in text_of(answer)], (who, where)
    assert [told(visited.app, statement) for statement in (ROWS, *OF_BOB)] == before


def test_a_form_without_the_token_of_its_page_changes_nothing(visited: Visits, ids: dict[str, str]) -> None:
    foreign = token_of(visited, "bob")
    before = [told(visited.app, statement) for statement in (ROWS, *OF_BOB)]
    for where, tried in PAGES.items():
        if where[0] == "POST" and tried.who not in (ALL, frozenset()):
            for who in sorted(tried.who - {"bob"}):
                for token in ("", foreign):
                    answer = knock(visited, who, where, ids, token)
                    assert answer.status_code == 403, (who, where, answer.status_code)
    assert [told(visited.app, statement) for statement in (ROWS, *OF_BOB)] == before


def test_ann_with_bobs_ids_reads_and_changes_nothing_of_his(visited: Visits, ids: dict[str, str]) -> None:
    token = token_of(visited, "ann")
    before = [told(visited.app, statement) for statement in OF_BOB]
    for where, tried in PAGES.items():
        if "ann" in tried.who and where not in LEAVES:
            answer = knock(visited, "ann", where, ids, token)
            secrets = [secret for secret in BOBS if secret in text_of(answer)]
            assert not secrets or (where == ("POST", "/sign-in") and secrets == ["bob@example.com"]), (where, secrets)
            if re.search(r"{(vehicle|token|contact|browser)_id}", where[1] + str(tried.form)):
                assert answer.status_code in {404, 422}, (where, answer.status_code)
    assert [told(visited.app, statement) for statement in OF_BOB] == before


def test_every_answer_carries_the_headers_that_keep_it_ours(visited: Visits, ids: dict[str, str]) -> None:
    kept = {"/static/{name}", "/app.webmanifest", "/sw.js", "/icon-{size}.png"}
    for where, tried in PAGES.items():
        may = sorted(tried.who) or [""]
        for who in ("", may[-1]) if where not in LEAVES else ("",):
            answer = knock(visited, who, where, ids, "")
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy, where
            assert "frame-ancestors 'none'" in policy, where
            assert "unsafe" not in policy, where
            assert answer.headers["x-content-type-options"] == "nosniff", where
            assert answer.headers["referrer-policy"] == "same-origin", where
            assert answer.headers["cross-origin-opener-policy"] == "same-origin", where
            assert "geolocation=()" in answer.headers["permissions-policy"], where
            assert "strict-transport-security" not in answer.headers  # this one is not reached by https
            cached = answer.headers["cache-control"]
            shared = where[1] in kept or (who == "" and tried.who == ALL) or where[1].startswith("/live/")
            assert shared or "no-store" in cached or "private" in cached, (who, where, cached)


def test_whoever_may_comes_in(visited: Visits, ids: dict[str, str]) -> None:
    for where, tried in PAGES.items():
        for who in sorted(tried.who - {"ann", "bob"}):
            if where not in LEAVES:
                answer = knock(visited, who, where, ids, token_of(visited, who))
                assert answer.status_code not in {401, 403}, (who, where)
                assert answer.status_code < 500, (who, where, answer.status_code)
