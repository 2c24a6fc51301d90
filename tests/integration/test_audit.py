"""The trail of what people did, read from wherever it stands, and the daily digests that prove it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from api.access.keys import Role, issue, revoke
from api.wiring import Idlefee
from billing import decisions
from billing.invoices.policy import Policy, decide
from billing.periods.seals import DAY_S, broken, seal_until, seals
from billing.periods.trail import Asked, Deed, deeds
from billing.verify import Code, Difference, verify
from tests.integration.small_world import LATER, a_session, post, small_world

TOMORROW = LATER - LATER % DAY_S + DAY_S + 3600


@pytest.fixture
def world(database_url: str) -> Iterator[Idlefee]:
    """A waiver by support, a policy by finance, a key that an operator made and closed."""
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"))
        with app.writing() as connection:
            key = decisions.session_key(connection, "h1/a")
            decisions.waive(connection, key, 40, author="support:k1", reason="kind", now=LATER)
            decide(connection, "acme", Policy(invoice_at="daily"), author="finance:k2", reason="yearly", now=LATER + 1)
            made = issue(connection, Role.FINANCE, label="Fin", now=LATER + 2, author="operator:k3")
            assert revoke(connection, made.id, LATER + 3, "operator:k3")
        yield app


def trail(app: Idlefee, most: int = 100, **asked: object) -> list[Deed]:
    with app.reading() as connection:
        found: list[Deed] = []
        while page := deeds(connection, Asked(**asked), found[-1].place if found else None, most):  # type: ignore[arg-type]
            found += page
        return found


def test_the_trail_says_who_did_what_and_why_wherever_it_stands(world: Idlefee) -> None:
    told = [(deed.author, deed.what, deed.subject.split()[0], deed.reason) for deed in trail(world)]
    assert told == [
        ("operator:k3", "key_closed", "key", None),
        ("operator:k3", "key_made", "key", None),
        ("finance:k2", "policy", "seller", "yearly"),
        ("support:k1", "waiver", "session", "kind"),
        ("test", "token_given", "owner", None),
    ]
    assert trail(world, most=1) == trail(world)
    assert [deed.what for deed in trail(world, author="finance")] == ["policy"]
    assert [deed.what for deed in trail(world, subject="session h1/a")] == ["waiver"]
    assert [deed.what for deed in trail(world, what="key_made", until=LATER + 2)] == []


def test_a_day_is_sealed_once_it_is_over_and_each_seal_holds_the_one_before(world: Idlefee) -> None:
    with world.writing() as connection:
        assert seal_until(connection, TOMORROW - 1)[-1].day < "2027-02-14"
        made = seal_until(connection, TOMORROW + DAY_S)
        assert [(seal.deeds, seal.transfers) for seal in made] == [(4, 2), (0, 0)]
        assert made[1].before == made[0].digest
        assert seal_until(connection, TOMORROW + DAY_S) == []
        assert seals(connection)[-1] == made[1]
        assert list(broken(connection)) == []


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("facts", "UPDATE facts SET author = 'support:k9' WHERE kind = 'waiver'"),
        ("entries", "UPDATE entries SET amount_minor = amount_minor * 2"),
        ("audit", "DELETE FROM audit"),
    ],
)
def test_verify_finds_what_was_changed_behind_the_back_of_the_product(sqlite_url: str, table: str, change: str) -> None:
    with small_world(sqlite_url) as app:
        post(app, a_session("h1", "a"))
        with app.writing() as connection:
            key = decisions.session_key(connection, "h1/a")
            decisions.waive(connection, key, 40, author="support:k1", reason="kind", now=LATER)
            issue(connection, Role.FINANCE, label="Fin", now=LATER)
            issue(connection, Role.FINANCE, label="Fin", now=LATER, author="operator:k")
            seal_until(connection, TOMORROW + DAY_S)
            assert list(broken(connection)) == []
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER {table}_no_{verb}"))
            connection.execute(text(change))
        found: list[Difference] = []
        verify(app.engine, LATER, found.append)
        assert [one.subject for one in found if one.code is Code.SEAL_BROKEN] == ["seal of 2027-02-14"]
