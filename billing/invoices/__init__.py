"""Invoices: `policy` is what a seller decided about them."""
