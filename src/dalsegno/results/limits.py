"""Where results go by their size, as the settings say."""

from __future__ import annotations

import msgspec


class ResultLimits(msgspec.Struct, frozen=True):
    """Sizes are bytes as serialized."""

    inline: int = 16 * 1024
    """Up to this they stand in the row of their run."""
    blob: int = 1024 * 1024
    """Up to this they are kept in the database."""
    largest: int = 1024 * 1024 * 1024
    """Larger ones are not kept."""
    storage: str = ""
    """Folder or fsspec URL for those over `blob`."""
    serializer: str = "pickle"
    """For what is not plain."""
    encryption_keys: tuple[str, ...] = ()
    """The first encrypts what is kept; none: it is not encrypted."""


def current_limits() -> ResultLimits:
    """Return the limits that the current settings give."""
    from dalsegno.results.server_files import default_storage
    from dalsegno.settings import get_current_settings

    settings = get_current_settings().results
    return ResultLimits(
        inline=settings.inline_limit,
        blob=settings.blob_limit,
        largest=settings.max_size,
        storage=default_storage(),
        serializer=settings.default_serializer,
        encryption_keys=settings.encryption_key,
    )
