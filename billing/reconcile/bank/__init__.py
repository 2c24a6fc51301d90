"""What a bank booked: read from its file (`reading`), compared with open invoices and payouts (`matching`), kept and
decided (`lines`).
"""
