"""Invoices and credit notes for people: `printed` (their words, the same on paper and on screen), `csv`, `routes`."""
