"""Invoices: `policy` (what a seller decided), `uninvoiced` and `difference` (what is due), `issuing`, `numbering` and
`lines` (documents), `standing` and `allocation` (who paid what, what is still to be asked), `papers` (to be read).
"""
