"""What `--output json` prints: views by the names of their fields, ids as text, times as ISO 8601 in UTC."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from dalsegno.cli.times import iso
from dalsegno.model.deployments import DeploymentView
from dalsegno.model.ids import id_text
from dalsegno.model.results import PLAIN, unpack_stored
from dalsegno.model.views import ArtifactView, FlowRunView, TaskRunView

IDS = frozenset(
    {
        "id",
        "root_run_id",
        "parent_flow_run_id",
        "parent_task_run_id",
        "flow_run_id",
        "task_run_id",
        "child_flow_run_id",
        "forked_from",
        "process_id",
        "deployment_id",
        "schedule_id",
    }
)
TIMES = frozenset({"timestamp", "created", "updated", "start_time", "end_time", "last_run", "expires", "acquired"}) | {
    "last_tick",
    "next_tick",
    "last_error_at",
    "begun",
    "deadline",
    "answered",
    "started",
    "last_seen",
    "last_polled",
    "tick",
    "anchor_date",
}


def show_json(view: msgspec.Struct) -> None:
    """Print one view."""
    print(_indented(to_json(view)))


def show_json_list(views: Iterable[msgspec.Struct]) -> None:
    """Print views as an array, one after the other as they come."""
    separator = "["
    for view in views:
        sys.stdout.write(f"{separator}\n{_indented(to_json(view))}")
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def to_json(view: msgspec.Struct) -> dict[str, Any]:
    """Return a view as a dict that JSON can hold."""
    fields = cast("dict[str, Any]", _plain(view))
    if isinstance(view, FlowRunView):
        del fields["parameters_text"]
        fields["parameters"] = _parsed(view.parameters_text)
        for pause, shown in zip(view.pauses or (), fields["pauses"] or (), strict=True):
            shown["schema"] = _parsed(pause.schema)
    if isinstance(view, TaskRunView):
        fields["upstream"] = [{"parameter": name, "task_run_id": id_text(id)} for name, id in view.upstream]
    if isinstance(view, FlowRunView | TaskRunView):
        fields["result"] = result_to_json(view.result)
    if isinstance(view, DeploymentView):
        spec = fields.pop("spec")
        del spec["flow"], spec["schedules"]
        fields = {**spec, **fields}
    if isinstance(view, ArtifactView):
        fields["data"] = _parsed(view.data)
    return fields


def result_to_json(packed: bytes | None) -> dict[str, Any] | None:
    """Return a packed result: ``{"value": ...}`` if it is plain, else where it is kept and its size."""
    if packed is None:
        return None
    if packed[0] == PLAIN:
        return {"value": _plain(msgspec.msgpack.decode(packed[1:]))}
    stored = unpack_stored(packed)
    if stored is None:
        return None
    place = stored.url or ("database" if stored.blob is not None else "row")
    shown = {"serializer": stored.serializer, "size": stored.size, "stored": place}
    return shown if stored.encryption is None else {**shown, "encrypted": True}


def _plain(value: Any, name: str = "") -> Any:
    if isinstance(value, msgspec.Struct):
        return {field: _plain(getattr(value, field), field) for field in value.__struct_fields__}
    if isinstance(value, bytes):
        return id_text(value) if name in IDS and len(value) == 16 else value.hex()
    if isinstance(value, enum.Enum):
        return value.value
    if name in TIMES and isinstance(value, int):
        return iso(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value


def _parsed(text: str | None) -> Any:
    """Return what a JSON text holds; a text that is none (cut off, say) stays as it is."""
    try:
        return None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _indented(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
