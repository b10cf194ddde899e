"""`dalsegno profile`: named sets of settings, and which one is in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from dalsegno.cli.as_json import show_json, show_json_list
from dalsegno.cli.config import plain
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.options import Output, group
from dalsegno.cli.screen import standard_output
from dalsegno.cli.tables import Column, table
from dalsegno.settings import (
    Profile,
    Profiles,
    all_settings,
    get_current_settings,
    load_profiles,
    refresh_settings,
    save_profiles,
    shown,
)

app = group("profile", "Switch between sets of settings.")
ProfileName = Annotated[str, Parameter(help="Name of a profile.")]


class ProfileView(msgspec.Struct, frozen=True):
    """A profile as it is listed."""

    name: str
    active: bool
    settings: dict[str, Any]


@app.command
def ls(*, output: Output = "table") -> None:
    """List profiles; the one in use is marked."""
    views = profile_views(load_profiles())
    if output == "json":
        show_json_list(views)
        return
    rows = [["*" if view.active else "", view.name, str(len(view.settings))] for view in views]
    heads = [Column(""), Column("PROFILE", shrinks=True), Column("SETTINGS", right=True)]
    print(table(heads, rows, standard_output()))


@app.command
def inspect(name: ProfileName | None = None, /, *, output: Output = "table") -> None:
    """Show what a profile sets; by default the one in use."""
    profiles = load_profiles()
    wanted = existing(profiles, name or in_use(profiles))
    view = next(view for view in profile_views(profiles) if view.name == wanted.name)
    if output == "json":
        show_json(view)
    elif not view.settings:
        print(f"Profile {view.name!r} sets nothing; `dalsegno config set NAME=VALUE` sets something.")
    else:
        rows = [[name, shown(value)] for name, value in view.settings.items()]
        print(table([Column("SETTING"), Column("VALUE", shrinks=True)], rows, standard_output()))


@app.command
def use(name: ProfileName, /) -> None:
    """Make a profile the one in use."""
    profiles = load_profiles()
    save_profiles(profiles.with_active(existing(profiles, name).name))
    refresh_settings()
    print(f"Profile {name!r} is in use.")
    chosen = get_current_settings().profile
    if chosen is not None and chosen != name:
        print(f"It has no effect here: DALSEGNO_PROFILE asks for {chosen!r}.")


@app.command
def create(
    name: ProfileName,
    /,
    *,
    from_: Annotated[str | None, Parameter(name="--from", help="Copy the settings of this one.")] = None,
) -> None:
    """Create a profile."""
    profiles = load_profiles()
    if name in profiles:
        raise CommandError(f"There is a profile {name!r}; `dalsegno profile inspect {name}` shows it.")
    if not name.strip():
        raise CommandError("A profile needs a name.")
    copied = dict(existing(profiles, from_).settings) if from_ else {}
    save_profiles(profiles.with_profile(Profile(name, copied)))
    print(f"Profile {name!r} is there; `dalsegno profile use {name}` makes it the one in use.")


@app.command
def delete(name: ProfileName, /) -> None:
    """Delete a profile that is not in use."""
    profiles = load_profiles()
    existing(profiles, name)
    save_profiles(profiles.without(name))
    print(f"Profile {name!r} is deleted.")


def existing(profiles: Profiles, name: str) -> Profile:
    """Return the profile of that name. Raises CommandError if there is none."""
    if name not in profiles:
        known = ", ".join(sorted(profiles))
        raise CommandError(f"There is no profile {name!r}. There is: {known}.", ExitCode.NOT_FOUND)
    return profiles[name]


def in_use(profiles: Profiles) -> str:
    """Return the name of the profile in use."""
    return get_current_settings().profile or profiles.active.name


def _shown(profile: Profile) -> dict[str, Any]:
    """Return what a profile sets, without what is secret."""
    known = all_settings()
    return {name: plain(known.get(name), value) for name, value in profile.settings.items()}


def profile_views(profiles: Profiles) -> Sequence[ProfileView]:
    """Return the profiles, by name."""
    used = in_use(profiles)
    return [ProfileView(name, name == used, _shown(profiles[name])) for name in sorted(profiles)]
