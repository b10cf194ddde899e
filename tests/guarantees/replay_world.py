"""What the bodies of generated programs talk to: it notes what ran, and makes go wrong what the plan says."""

from __future__ import annotations

import threading
from typing import Any

from tests.guarantees.model import FAILED_VALUE, Plan, worth

from dalsegno import runtime


class Planned(Exception):
    """A body raises this when the plan says so."""


class World:
    """The surroundings of one root flow run, over all its attempts."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.round = 0
        self.ran: list[tuple[str, tuple[Any, ...]]] = []
        self.flow_run_id: str | None = None
        self._futures: list[Any] = []

    def begin(self) -> None:
        """The body of the root flow begins."""
        self.round += 1
        self.flow_run_id = runtime.flow_run.id

    def starts(self, name: str, args: tuple[Any, ...]) -> None:
        """A body begins."""
        self.ran.append((name, plain(args)))

    def kill(self) -> None:
        """End the process, as far as a test can do without."""
        raise SystemExit("killed")

    def note(self, made: Any) -> Any:
        """Remember futures, to wait for them before the process ends: so that it is known what completed."""
        self._futures.extend(made if isinstance(made, list) else [made])
        return made

    def ends(self, name: str, constant: int, args: tuple[Any, ...], made: list[Any], is_flow: bool = False) -> int:
        """A body ends: with a number, an error, or the process."""
        value = worth(constant, [plain(args), plain([_result(each) for each in made])])
        self.may_be_killed(name)
        run_count = runtime.flow_run.run_count if is_flow else runtime.task_run.run_count
        if self.plan.fails(self.round, name, run_count, value):
            raise Planned(name)
        return value

    def may_be_killed(self, name: str) -> None:
        if threading.current_thread() is not threading.main_thread() or (self.round, name) not in self.plan.kills:
            return
        while self._futures:
            self._futures.pop().wait()
        self.kill()


def _result(made: Any) -> Any:
    if isinstance(made, list):
        return [_result(each) for each in made]
    return made.result() if hasattr(made, "result") else made


def plain(value: Any) -> Any:
    """Return arguments as the model has them: no lists, and no exceptions."""
    if isinstance(value, list | tuple):
        return tuple(plain(each) for each in value)
    return FAILED_VALUE if isinstance(value, BaseException) else value


world = World(Plan())


def enter(new: World) -> None:
    """Make this the world of the programs that run from now on."""
    global world
    world = new


def here() -> World:
    """Return the world of the program that runs."""
    return world
