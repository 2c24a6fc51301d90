"""The doors: parse, authorise, call, answer. No rule of the bill lives here."""
