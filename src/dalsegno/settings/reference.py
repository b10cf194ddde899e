"""The page of all settings, from their definitions: ``python -m dalsegno.settings.reference`` prints it."""

from __future__ import annotations

import inspect
from itertools import groupby

from dalsegno.settings.catalogue import Setting, all_settings, shown

INTRODUCTION = """# Settings

<!-- Written by `python -m dalsegno.settings.reference`: change src/dalsegno/settings/fields.py instead. -->

A setting is looked for in this order; the first place that has it wins:

1. the environment: the variable of the setting's name, such as `DALSEGNO_LOGGING_LEVEL=DEBUG`;
2. `.env` in the working directory: the same names;
3. `dalsegno.toml` in the working directory: `[logging]` with `level = "DEBUG"`;
4. `pyproject.toml` in the working directory: `[tool.dalsegno.logging]`;
5. the active profile in `profiles.toml`: `dalsegno config set DALSEGNO_LOGGING_LEVEL=DEBUG` writes there;
6. the default below.

`dalsegno config view --show-sources` tells which one it was. A value that a setting cannot have is an error
that names the setting, the value and where it stands. `${DALSEGNO_HOME}` in a path or URL stands for the home
folder.

Times are seconds, or have a unit: `90`, `"15 minutes"`, `"30d"`. Sizes are bytes, or have a unit: `16384`,
`"64 KiB"`, `"1 MB"`.
"""


def settings_page() -> str:
    """Return the page as Markdown."""
    sections = groupby(all_settings().values(), key=lambda setting: setting.section)
    parts = [_section(inspect.getdoc(section) or "", list(settings)) for section, settings in sections]
    return "\n".join([INTRODUCTION, *parts])


def _section(doc: str, settings: list[Setting]) -> str:
    path = ".".join(settings[0].path[:-1])
    heading = f"## `{path}`\n\n{doc}" if path else "## General"
    return "\n".join([heading, "", *(_entry(setting) for setting in settings)])


def _entry(setting: Setting) -> str:
    return (
        f"### `{setting.name}`\n\n{setting.doc}\n\n"
        f"Must be {setting.kind.allowed}. Default: `{shown(setting.default)}`.\n"
    )


if __name__ == "__main__":
    print(settings_page(), end="")
