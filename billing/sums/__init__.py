"""Charges and entries summed by day, so that ten million of them answer as fast as ten.

`days` knows the calendars of the sellers' books, `making` is the step that sums what was written a while ago, `charges`
and `entries` answer: the sums of the days, and what they do not hold yet summed when it is asked for, so that an answer
is exact whether or not a worker runs. `checking` compares the sums with what they sum. Ask within one moment
(`sessions.database.one_moment`): an answer takes several statements. No page, no price, nothing of what is owed.
"""
