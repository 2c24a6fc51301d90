"""Our word against the processor's and the bank's: what differs, since when, who looks into it, and what the engine
puts right by itself. `cases` is the table of all there is; `docs/reconciliation.md` is written from it.
"""
