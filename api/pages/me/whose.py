"""Whose pages these are: the one place from which a route of `/me` learns whose rows it may touch."""

from typing import Annotated

from fastapi import Depends

from api.pages.visitors import AnOwner


def _owner_id(visitor: AnOwner) -> str:
    if visitor.owner_id is None:
        raise TypeError("an owner's sign-in names its owner")
    return visitor.owner_id


OwnerId = Annotated[str, Depends(_owner_id)]
