"""What a bank booked: read from its file (`reading`), compared with open invoices and payouts (`matching`, of what
`candidates` finds), kept and decided (`lines`), read by people (`listing`).
"""
