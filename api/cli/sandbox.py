"""The command that stands for the card processor: `sandbox`."""

import signal
import threading
from typing import Annotated

import typer

from api.cli.console import say, show_json
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, app

PORT = 12111
HOOKS = "http://127.0.0.1:8000/v1/webhooks/stripe"
KEY_BEGINS = "sk_test_"


@app.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where it listens, on loopback.")] = PORT,
    webhooks_to: Annotated[str, typer.Option("--webhooks-to", metavar="URL", help="Where its events go.")] = HOOKS,
    key: Annotated[str | None, typer.Option("--key", help="sk_test_…; else a new one.")] = None,
    webhook_secret: Annotated[str | None, typer.Option("--webhook-secret", help="whsec_…; else a new one.")] = None,
    payouts: Annotated[bool, typer.Option("--payouts/--no-payouts", help="Pay out at midnight, UTC.")] = True,
    as_json: AsJson = False,
) -> None:
    """Stand for the card processor until Ctrl-C: our Stripe, on loopback. No money moves; the end forgets all."""
    from api.listening import PortBusy
    from api.sandbox.serving import sandbox_running
    from sessions.clock import SystemClock

    if key is not None and not key.startswith(KEY_BEGINS):
        raise Refused(f"--key begins with {KEY_BEGINS}: the sandbox takes no key of a real account", Exit.USAGE)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with sandbox_running(
            SystemClock(), port=port, key=key, webhook_secret=webhook_secret, delivering=True
        ) as running:
            running.orders.listen(webhooks_to)
            if payouts:
                running.orders.pay_out_daily()
            settings = {
                "IDLEFEE_STRIPE_URL": running.url,
                "IDLEFEE_STRIPE_KEY": running.key,
                "IDLEFEE_STRIPE_WEBHOOK_SECRET": running.webhook_secret,
            }
            if as_json:
                show_json({"url": running.url, "webhooks_to": webhooks_to, "settings": settings})
            else:
                say(f"The sandbox listens on {running.url} and sends its events to {webhooks_to}.")
                say("For idlefee, in another terminal, before `idlefee serve`:")
                for name, value in settings.items():
                    say(f"  export {name}={value}")
                say("No money moves. Everything is forgotten at Ctrl-C.")
            ended.wait()
    except PortBusy as busy:
        raise Refused(str(busy), Exit.USAGE) from None
