"""Simulated stations that use the doors as real ones do, and the demo built of them. Nothing else imports this room.

`town` is who and what is there, `visits` what one car does, `story` which car stands where and when, `history` plays
the story's past through the intake, `stations` its present over HTTP, `demo` is the command.
"""
