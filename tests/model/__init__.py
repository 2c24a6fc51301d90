"""A second, slow program for the rules of the bill, written apart from the product.

It walks every second of a session and does to it what the rules say, in their order, with plain dicts and
the standard library. Nothing of the product may be imported here: two programs can only check each other
while neither knows the other. `events` reads the facts of one session, `rules` bills it, `posting` says what
stands on the account, `generate` makes worlds and streams for comparing programs.

Times are int seconds since the epoch, intervals are half-open, money is int minor units.

Where the rules leave a choice, this program takes it as follows.

Which events
- Contents under one id are compared without how they travelled (`sent_at`, `replayed`, `imported`,
  `received_at`). Of equal contents the first arrival counts.
- A voided id is gone, and a conflict under it is settled with it.
- A conflict sends to review each session that one of its contents names, and, for a content that names no
  session, each session whose stall it covers between plug-in and end.
- A fault is a matter of the stall it names; naming none, of its session's stall, and seen by that session
  only; naming neither, of the whole station. A cause closes only in the scope, stall or station, it was
  opened in.
- Other events belong to the session they name, unless they name another stall than its plug-in.
- `seq` orders a second if all events seen there have it: the session's own, and the faults and restorations
  that cover its stall. The order between sessions of a stall is by whole seconds.

The end
- Without an unplug the session reaches the last event that names its stall, or no stall, in a second before
  the first plug-in of another session at that stall. It is over once that lies `session_timeout_s` back.
- Charging that began and ended in one second has no length, yet energy has flowed: the completion counts.

Clocks
- The offset is the smallest among the live events that name the session, before or after its unplug.
- `plugged_in_at` and `ended_at` are station time. Everything compared with it is corrected.
- A no-fee window is a matter of the clock on the wall: an hour that comes twice is free twice. Equal start
  and end name a whole day.
- A session occupies its stall until its end, by its own offset; without an unplug no longer than until the next
  plug-in.

People and money
- Where no stall is in service no threshold is reached: the car blocks nobody.
- The token is the one first named by an event of the session that means something where it falls; its owner
  is who held it at the corrected plug-in. A claim stands over that, also a claim for nobody.
- A tax that is not included comes on top: `fee_minor` stays the price before it, `to_pay_minor` has it in.
- A fee above `review_above_minor` waits; one that equals it does not. The fee is the computed one, to be paid.
- A session that was settled and runs again, or is none any more, is as if in review until it ends.
- Released stays what a release was given for, whatever the fee has been since.
- A running session has review reasons and `not_billable` like an ended one, by the facts so far.
"""
