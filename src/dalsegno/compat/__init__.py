"""Code that was written for Prefect 3: trying it unmodified, and what its names are called here."""

from __future__ import annotations

from dalsegno.compat.alias import install_prefect_alias, remove_prefect_alias

__all__ = ["install_prefect_alias", "remove_prefect_alias"]
