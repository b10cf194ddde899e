"""ETags: which version of a thing somebody saw, so that two people do not overwrite one another."""

from __future__ import annotations

from dalsegno.model.resources.values import etag_of
from dalsegno.server.problems import PreconditionFailed


def check_if_match(if_match: str | None, version: int | None) -> None:
    """Raise PreconditionFailed where somebody wants to change another version than there is (None: there is none)."""
    if if_match is None or (if_match.strip() == "*" and version is not None):
        return
    wanted = {each.strip().removeprefix("W/") for each in if_match.split(",")}
    if version is None or etag_of(version) not in wanted:
        raise PreconditionFailed("It was changed, or deleted, since you read it: read it again and decide anew.")


def check_if_none_match(if_none_match: str | None, version: int | None) -> None:
    """Raise PreconditionFailed where somebody wants to make what there is already."""
    if if_none_match is not None and version is not None:
        wanted = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
        if wanted & {"*", etag_of(version)}:
            raise PreconditionFailed("It exists already.")
