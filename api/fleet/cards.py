"""Which card each owner of the demo has at the sandbox, and how it comes to be there: on its page, with consent.

Most pay. One is declined whenever it is charged, one wants its owner at the bank, one disputes what it paid, and one
owner has none: so that finance has something to look after. No money moves.
"""

from api.fleet import town
from api.sandbox.serving import Sandbox
from api.wiring import Idlefee
from billing.payments.gateway import Gateway
from billing.payments.setups import begin_setup, look_at_setup

PAYS = "pm_card_visa"
CARDS = {
    "tomas": "pm_card_mastercard",
    "jonah": "pm_card_chargeCustomerFail",
    "aiko": "pm_card_authenticationRequired",
    "elif": "pm_card_createDispute",
    "silas": None,
}


def save_cards(idlefee: Idlefee, sandbox: Sandbox) -> None:
    """Lead every owner with a card through the processor's page."""
    engine, clock = idlefee.engine, idlefee.clock
    processor = Gateway(sandbox.key, sandbox.url)
    for owner_id in town.OWNERS:
        card = CARDS.get(owner_id, PAYS)
        if card is None:
            continue
        setup = begin_setup(engine, clock, processor, owner_id, town.SELLER[0], f"{idlefee.settings.home}/me/account")
        sandbox.orders.choose(setup.processor_ref or "", card)
        look_at_setup(engine, clock, processor, setup)
