"""Months that are over: closing them (`closing`, by `rows` after `checks`), and the trail of what people did (`trail`)
with the daily digests that prove it (`seals`). Nothing is priced or posted here.
"""
