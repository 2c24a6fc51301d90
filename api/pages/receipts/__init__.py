"""A session's receipt for people: `printed` (its words, the same on paper and on screen), `routes`."""

from api.pages.receipts.routes import router

__all__ = ["router"]
