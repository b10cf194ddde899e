"""The page of settings says what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dalsegno.settings import all_settings
from dalsegno.settings.reference import settings_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page()


def test_the_page_names_every_setting_once() -> None:
    for name in all_settings():
        assert settings_page().count(f"### `{name}`\n") == 1


def test_the_module_prints_the_page() -> None:
    command = [sys.executable, "-m", "dalsegno.settings.reference"]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert printed == settings_page()


def test_reading_settings_loads_nothing_that_is_not_needed() -> None:
    program = (
        "import sys\nfrom dalsegno.settings import get_current_settings\nget_current_settings()\n"
        "print(*sorted({'tomllib', 'json', 'pydantic', 'dalsegno.settings.profiles'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == ""
