"""Whether a run is over, for commands that follow one."""

from __future__ import annotations

from dalsegno.model.states import TERMINAL_TYPES
from dalsegno.model.views import FlowRunView


def has_ended(run: FlowRunView | None) -> bool:
    """Tell whether a run is over, or gone."""
    return run is None or run.state.type in TERMINAL_TYPES
