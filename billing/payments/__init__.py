"""Collecting what owners owe: payments, refunds and disputes, and how the books follow what the processor says of them.

One path: whoever hears of a processor's object, by an answer, a webhook or the poller, looks it up there and lets the
books converge on what it says (`seen`). Nothing here imports the processor's own library but `gateway`.
"""
