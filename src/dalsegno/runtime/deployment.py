"""The deployment that the flow run executed here belongs to; a flow that was called belongs to none.

Attributes: `id`, `flow_run_id`, `name`, `version` (None without a deployment) and `parameters` ({}).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dalsegno.runtime._attributes import Getters, read_attribute

if TYPE_CHECKING:
    id: str | None
    flow_run_id: str | None
    name: str | None
    version: str | None
    parameters: dict[str, Any]


_GETTERS: Getters = {
    "id": lambda: None,
    "flow_run_id": lambda: None,
    "name": lambda: None,
    "version": lambda: None,
    "parameters": lambda: {},
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return read_attribute(__name__, name, _GETTERS)


def __dir__() -> list[str]:
    return sorted(_GETTERS)
