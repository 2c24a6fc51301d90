"""Collecting invoices: one payment each, whatever the bank says and whoever hears of it first."""

from tests.integration.paying import till


def test_an_invoice_is_paid_by_one_payment_and_the_books_follow(database_url: str) -> None:
    with till(database_url) as here:
        here.add_card()
        here.invoice(1000)
        here.work()
        payment = here.payment()
        assert (payment.state, payment.captured_minor, payment.attempts) == ("succeeded", 1000, 1)
        fee = payment.fee_minor
        assert fee > 0
        assert here.balances() == {"processor": 1000 - fee, "processor_fees": fee, "receivable": -1000}
        assert len(here.at_stripe("payment_intent")) == 1
