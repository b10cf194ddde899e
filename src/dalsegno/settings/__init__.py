"""Settings: every value that can be configured, where it comes from, and how to change it for a while.

Begin with `fields.py`, which lists all settings; `current.get_current_settings` is how they are read.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dalsegno.settings.catalogue import Setting, all_settings, find_setting, shown
from dalsegno.settings.current import (
    get_current_settings,
    refresh_settings,
    setting_sources,
    temporary_settings,
    unknown_settings,
    use_profile,
)
from dalsegno.settings.fields import Settings

if TYPE_CHECKING:
    from dalsegno.settings.profiles import (
        Profile,
        Profiles,
        load_current_profile,
        load_profiles,
        save_profiles,
    )

__all__ = [
    "Profile",
    "Profiles",
    "Setting",
    "Settings",
    "all_settings",
    "find_setting",
    "get_current_settings",
    "load_current_profile",
    "load_profiles",
    "refresh_settings",
    "save_profiles",
    "setting_sources",
    "shown",
    "temporary_settings",
    "unknown_settings",
    "use_profile",
]

_OF_PROFILES = {"Profile", "Profiles", "load_current_profile", "load_profiles", "save_profiles"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Give each setting as an object under its name, and what concerns profiles on first use."""
        if name in _OF_PROFILES:
            return getattr(importlib.import_module("dalsegno.settings.profiles"), name)
        if name in all_settings():
            return all_settings()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*__all__, *all_settings()]
