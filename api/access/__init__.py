"""Who may come in: 256-bit keys for stations and roles, kept as hashes, and the browser sessions they open."""
