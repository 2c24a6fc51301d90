"""Our Stripe: an HTTP server on loopback that the unchanged `stripe` library talks to. No money moves.

For the demo, for tests and to learn what idlefee does when a processor misbehaves. It holds to Stripe's documented
behaviour for what idlefee uses (`docs/sandbox.md` lists it) and refuses what it does not know; its state lives in
memory and ends with it. `tests/contract` holds it against Stripe's own words, and against Stripe where a key is set.

A test starts it in its own process, from `serving`:

    with sandbox_running(clock) as sandbox:
        client = StripeClient(sandbox.key, base_addresses={"api": sandbox.url})
        sandbox.state.faults.order("timeout_after", on="POST /v1/refunds")

Nothing in here knows the product: no table, no ledger, no gateway. Whatever the product learns, it learns by HTTP.
"""
