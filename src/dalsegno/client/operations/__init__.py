"""All operations of the REST API, each described once for both clients: one module per resource."""

from __future__ import annotations

from dalsegno.client.operations.access import AccessOperations
from dalsegno.client.operations.concurrency_limits import ConcurrencyLimitOperations
from dalsegno.client.operations.deployments import DeploymentOperations
from dalsegno.client.operations.flow_run_commands import FlowRunCommands
from dalsegno.client.operations.flow_runs import FlowRunOperations
from dalsegno.client.operations.records import RecordOperations
from dalsegno.client.operations.schedules import ScheduleOperations
from dalsegno.client.operations.server import ServerOperations
from dalsegno.client.operations.task_runs import TaskRunOperations
from dalsegno.client.operations.variables import VariableOperations
from dalsegno.client.operations.work_pools import WorkPoolOperations


class Operations(
    FlowRunOperations,
    FlowRunCommands,
    TaskRunOperations,
    RecordOperations,
    VariableOperations,
    ConcurrencyLimitOperations,
    DeploymentOperations,
    ScheduleOperations,
    WorkPoolOperations,
    AccessOperations,
    ServerOperations,
):
    """Everything that a server can be asked."""
