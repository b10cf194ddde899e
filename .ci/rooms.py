"""An import-linter contract that states what a room of the house may import, not what it may not.

One contract is one row of the table in CONTRIBUTING.md. Imports inside functions count; the standard
library and third parties do not.
"""

from __future__ import annotations

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def is_inside(module: str, package: str) -> bool:
    """Say whether `module` is `package` or lies within it."""
    return module == package or module.startswith(package + ".")


def lies_in(module: str, packages: set[str]) -> bool:
    """Say whether `module` is one of `packages` or lies within one."""
    return any(is_inside(module, package) for package in packages)


def unlisted_imports(graph: ImportGraph, rooms: set[str], may_import: set[str]) -> list[tuple[str, str, int]]:
    """List the imports (importer, imported, line number) that lead out of `rooms` to what is not allowed."""
    found: list[tuple[str, str, int]] = []
    for importer in sorted(module for module in graph.modules if lies_in(module, rooms)):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            if not lies_in(imported, rooms | may_import):
                details = graph.get_import_details(importer=importer, imported=imported)
                found.append((importer, imported, details[0]["line_number"] if details else 0))
    return found


class RoomContract(Contract):
    """`rooms` may import each other and `may_import`, and nothing else of the package.

    A name that no module carries is refused, so that a contract cannot be kept by a slip of the pen; one
    in parentheses may be there or not. The bare root package may always be imported: it loads nothing.
    """

    type_name = "room"

    rooms = fields.SetField(subfield=fields.StringField())
    may_import = fields.SetField(subfield=fields.StringField(), required=False, default=set())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        named: set[str] = self.rooms | self.may_import  # type: ignore[operator]
        unknown = sorted(name for name in named if name[0] != "(" and name not in graph.modules)
        rooms = {name.strip("()") for name in self.rooms}  # type: ignore[attr-defined]
        may_import = {name.strip("()") for name in self.may_import}  # type: ignore[attr-defined]
        root = {module for module in graph.modules if "." not in module}
        unlisted = [row for row in unlisted_imports(graph, rooms, may_import) if row[1] not in root]
        return ContractCheck(kept=not (unknown or unlisted), metadata={"unknown": unknown, "unlisted": unlisted})

    def render_broken_contract(self, check: ContractCheck) -> None:
        metadata: dict[str, Any] = check.metadata
        for name in metadata["unknown"]:
            output.print_error(f"no module is called {name}: correct the contract in pyproject.toml")
        for importer, imported, line in metadata["unlisted"]:
            output.print_error(f"{importer}:{line} imports {imported}, which this room may not")
        output.new_line()
