"""What happened at the stall: events, the machine that folds them, grace. No money and no HTTP server."""
