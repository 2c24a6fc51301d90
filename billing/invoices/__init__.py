"""Invoices: `policy` (what a seller decided), `waking` (of what was carried before it), `uninvoiced` and `difference`
(what is due), `issuing`, `numbering` and `lines` (documents), `standing` and `allocation` (who paid what, what is still
to be asked), `papers` (to be read).
"""
