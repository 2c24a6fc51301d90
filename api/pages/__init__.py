"""Server-rendered pages: the front page, fee reports, and a door for owners, finance, operators and support.

`words` (times, money, reasons), `timeline` (the bar), `views` (what a page says, pure), `queries` (what it reads),
`live` (what moves), `rendering` (templates and headers), `visitors` (who looks), and a module of routes a user.
Nothing here computes a fee.
"""
