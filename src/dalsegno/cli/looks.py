"""How states look: each type has a colour and, for those who do not see it, a shape."""

from __future__ import annotations

from dalsegno.cli.screen import Screen
from dalsegno.cli.tables import Cell
from dalsegno.model.states import StateRecord, StateType

# Shape, the same in ASCII, colour.
LOOKS: dict[StateType, tuple[str, str, str]] = {
    StateType.SCHEDULED: ("◷", "~", "yellow"),
    StateType.PENDING: ("○", ".", "yellow"),
    StateType.RUNNING: ("▶", ">", "blue"),
    StateType.PAUSED: ("‖", "=", "yellow"),
    StateType.CANCELLING: ("⊖", "-", "yellow"),
    StateType.COMPLETED: ("✓", "+", "green"),
    StateType.FAILED: ("✗", "x", "red"),
    StateType.CANCELLED: ("⊘", "/", "yellow"),
    StateType.CRASHED: ("!", "!", "magenta"),
}
SKIPPED = ("»", "_", "yellow")


def look(type_: StateType, name: str) -> tuple[str, str, str]:
    """Return the shape, its ASCII form and the colour for a state."""
    return SKIPPED if name == "Skipped" else LOOKS[type_]


def state_cell(state: StateRecord, screen: Screen) -> Cell:
    """Return a state as a cell of a table: ``"✓ Completed"``."""
    shape, ascii_shape, colour = look(state.type, state.name)
    return Cell(f"{shape if screen.shapes else ascii_shape} {state.name}", colour)


def state_text(state: StateRecord, screen: Screen) -> str:
    """Return a state as text, coloured where the screen has colours."""
    cell = state_cell(state, screen)
    return screen.paint(cell.text, cell.colour)
