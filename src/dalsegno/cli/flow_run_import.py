"""`dalsegno flow-run import`: puts the run of a file that `flow-run export` wrote into the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dalsegno.cli import run_file
from dalsegno.cli.failures import CommandError
from dalsegno.cli.opening import open_backend
from dalsegno.model.ids import id_text
from dalsegno.model.records import Batch
from dalsegno.model.results import unpack_stored

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend


def import_(file: Annotated[Path, Parameter(help="What `flow-run export` wrote.")], /) -> None:
    """Put a flow run from a file into the database, or send it to the server; what exists is not overwritten."""
    backend = open_backend()
    with run_file.opened(file.expanduser()) as (header, batches):
        _see_that_it_is_new(backend, header)
        signed = 0
        for batch in batches:
            receipt = backend.deliver(batch)
            if receipt.fenced:
                raise _exists(header)
            if batch.process_id is not None:
                # It executed the run elsewhere, and it does not live here.
                backend.end_process(batch.process_id)
            signed += _signed(batch)
    id = id_text(header.root_run_id)
    print(f"Flow run {header.name!r} of {header.flow_name!r} is imported; `dalsegno flow-run inspect {id}` shows it.")
    if signed:
        print(f"{signed} results are signed pickles: they can be loaded only if the key that signed them is here too.")


def _see_that_it_is_new(backend: Backend, header: run_file.Header) -> None:
    found = backend.read_flow_run(header.root_run_id)
    # Without a name it is what an import that was broken off left: this one goes on with it.
    if found is not None and found.name:
        raise _exists(header)


def _exists(header: run_file.Header) -> CommandError:
    id = id_text(header.root_run_id)
    return CommandError(
        f"Flow run {header.name!r} ({id}) is in this database already, and is left as it is. `dalsegno flow-run delete "
        f"{id}` deletes it."
    )


def _signed(batch: Batch) -> int:
    packed = [run.result for run in batch.task_runs]
    packed += [value for run in batch.flow_runs for value in (run.result, run.parameters)]
    stored = [unpack_stored(each) for each in packed if each is not None]
    return sum(each is not None and each.signature is not None for each in stored)
