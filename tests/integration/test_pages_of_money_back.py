"""What an owner reads of money that came back, and of what keeps them from charging."""

from billing.payments.blocks import Block, block
from billing.payments.credits import Code, Wanted, ask
from billing.payments.people import ENGINE, Deed
from tests.integration.page_visits import visits
from tests.integration.small_world import NOON


def test_the_account_names_credits_and_a_block_and_says_how_it_ends(sqlite_url: str) -> None:
    with visits(sqlite_url) as visited:
        assert "Paid back" not in visited.read("ann", "/me/account")
        wanted = Wanted(
            owner_id="ann",
            seller_id="acme",
            currency="USD",
            deed=Deed.CREDIT,
            amount_minor=2_50,
            code=Code.STATION_TROUBLE,
            reason="the <b>stall</b> would not let go",
        )
        with visited.app.writing() as connection:
            ask(connection, wanted, ENGINE, NOON)
            block(connection, Block("ann", "pay_1", "acme", NOON, "arrears"))
        page = visited.read("ann", "/me/account")
        assert "Acme owes you $2.50." in page
        assert "the <b>stall</b> would not let go" in page
        assert "You can start no new session at Acme since" in page
        assert "<b>stall" not in visited.get("ann", "/me/account")
