"""`dalsegno config`: the settings in force and where they come from; changing those of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
from cyclopts import Parameter

from dalsegno.cli.as_json import show_json_list
from dalsegno.cli.failures import CommandError
from dalsegno.cli.options import Output, group
from dalsegno.cli.screen import standard_output
from dalsegno.cli.tables import Column, table
from dalsegno.settings import (
    Setting,
    all_settings,
    find_setting,
    get_current_settings,
    load_current_profile,
    load_profiles,
    refresh_settings,
    save_profiles,
    setting_sources,
    shown,
    unknown_settings,
)

DEFAULT = "default"
PROFILE = "profile "

app = group("config", "View and change settings.")


class SettingView(msgspec.Struct, frozen=True):
    """A setting as it is listed."""

    name: str
    value: Any
    source: str
    description: str


@app.command
def view(
    *,
    all: Annotated[
        bool, Parameter(name=["--all", "--show-defaults"], help="Also those left at their default.")
    ] = False,
    show_sources: Annotated[bool, Parameter(help="Where each value comes from.")] = False,
    output: Output = "table",
) -> None:
    """Show the settings in force."""
    found = [setting for setting in setting_views() if all or setting.source != DEFAULT]
    if output == "json":
        show_json_list(found)
        return
    screen = standard_output()
    print(screen.paint(f"Profile {load_current_profile().name!r}", "bold"))
    if found:
        heads = [Column("SETTING"), Column("VALUE", shrinks=True)]
        heads += [Column("SOURCE", shrinks=True)] if show_sources else []
        rows = [[setting.name, shown(setting.value), setting.source][: len(heads)] for setting in found]
        print(table(heads, rows, screen))
    if not all:
        print(screen.paint("All others have their defaults; --all shows them.", "dim"))
    for name, source in unknown_settings().items():
        print(f"{name} (from {source}) is no setting and has no effect.")


def setting_views() -> list[SettingView]:
    """Return every setting with its value."""
    settings, sources = get_current_settings(), setting_sources()
    return [
        SettingView(name, plain(setting, setting.value_in(settings)), sources[name], setting.doc)
        for name, setting in all_settings().items()
    ]


def plain(setting: Setting | None, value: Any) -> Any:
    """Return a value of a setting as JSON can hold it, without secrets and the passwords of URLs.

    None: what looks like a setting, but is none.
    """
    if setting is not None and setting.kind.secret:
        return setting.shown(value) if value else None
    if isinstance(value, tuple):
        return [plain(setting, item) for item in cast("tuple[Any, ...]", value)]
    return shown(value) if isinstance(value, str | Path) else value


@app.command
def set(*assignments: Annotated[str, Parameter(help="NAME=VALUE; one or more.")]) -> None:
    """Set settings in the profile in use."""
    changes = [split(text) for text in assignments]
    change_profile(changes)
    for name, value in changes:
        setting = find_setting(name)
        print(f"{setting.name} is {setting.shown(value)!r} in profile {load_current_profile().name!r}.")
    say_what_wins([name for name, _ in changes])


@app.command
def unset(*names: Annotated[str, Parameter(help="Names of settings; one or more.")]) -> None:
    """Take settings out of the profile in use."""
    held = load_current_profile().settings
    for name in names:
        if find_setting(name).name not in held:
            raise CommandError(
                f"{find_setting(name).name} is not set in profile {load_current_profile().name!r}; "
                "`dalsegno config view --show-sources` shows what is set where."
            )
    change_profile([(name, None) for name in names])
    for name in names:
        print(f"{find_setting(name).name} is taken out of profile {load_current_profile().name!r}.")
    say_what_wins(names)


def split(text: str) -> tuple[str, str]:
    """Return name and value of ``"NAME=VALUE"``."""
    name, separator, value = text.partition("=")
    if not separator:
        raise CommandError(f"{text!r} is no assignment; write NAME=VALUE, as in LOGGING_LEVEL=DEBUG.")
    return name, value


def change_profile(changes: Sequence[tuple[str, str | None]]) -> None:
    """Write changes to the profile in use; None takes a setting out."""
    if not changes:
        raise CommandError("Which setting? `dalsegno config view --all` lists them.")
    for name, _ in changes:
        if find_setting(name).path in (("home",), ("profiles_path",), ("profile",)):
            raise CommandError(
                f"{find_setting(name).name} says where profiles are, so it cannot stand in one: "
                "set it in the environment."
            )
    profile = load_current_profile().with_settings(dict(changes))
    save_profiles(load_profiles().with_profile(profile))
    refresh_settings()


def say_what_wins(names: Sequence[str]) -> None:
    """Say where a changed setting has no effect, since something before the profile sets it too."""
    sources = setting_sources()
    for name in names:
        source = sources[find_setting(name).name]
        if source != DEFAULT and not source.startswith(PROFILE):
            print(f"It has no effect here: {find_setting(name).name} is set by {source}, which comes first.")
