"""Writes the types of the API for the page: `python ui/api_types.py`, from the OpenAPI document of this very code.

One interface for each schema, and `Operations`, from "METHOD /path" to what a request takes and what its answer holds.
Types are all it gives; the page's own `call` sends the requests.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from dalsegno._backend.embedded import StoreBackend
from dalsegno.server.application import create_app
from dalsegno.server.reference.document import finish
from dalsegno.settings import get_current_settings

OUTPUT = Path(__file__).parent / "src" / "api" / "schema.d.ts"
_HEAD = "// Written by ui/api_types.py from the server's OpenAPI document; not committed, never edited.\n"
_NAME = re.compile(r"[A-Za-z_]\w*")


def main() -> None:
    """Write the file."""
    backend = StoreBackend.in_memory()
    document = finish(create_app(backend, get_current_settings()).openapi_schema.to_schema())
    backend.close()
    OUTPUT.write_text(typescript(document), encoding="utf-8")


def typescript(document: dict[str, Any]) -> str:
    """Return an OpenAPI document as TypeScript."""
    schemas = document["components"]["schemas"].items()
    parts = [_HEAD, *(_declaration(name, schema) for name, schema in schemas)]
    operations = [
        f"  {json.dumps(f'{method.upper()} {path}')}: {_operation(operation)};"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]
    parts.append("export interface Operations {\n" + "\n".join(operations) + "\n}\n")
    return "\n".join(parts)


def _declaration(name: str, schema: dict[str, Any]) -> str:
    comment = f"/** {schema['description']} */\n" if "description" in schema else ""
    return f"{comment}export type {name} = {_type(schema)};\n"


def _operation(operation: dict[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    members = {
        "path": _parameters(parameters, "path"),
        "query": _parameters(parameters, "query"),
        "headers": _parameters(parameters, "header"),
        "body": _body(operation.get("requestBody")),
        "answer": _answer(operation["responses"]),
    }
    return "{ " + " ".join(f"{name}: {type_};" for name, type_ in members.items()) + " }"


def _parameters(parameters: list[dict[str, Any]], place: str) -> str:
    own = [each for each in parameters if each["in"] == place]
    if not own:
        return "undefined"
    members = (f"{_key(each['name'])}{'' if each.get('required') else '?'}: {_type(each['schema'])};" for each in own)
    return "{ " + " ".join(members) + " }"


def _body(body: dict[str, Any] | None) -> str:
    return "undefined" if body is None else _content(body["content"])


def _answer(responses: dict[str, Any]) -> str:
    success = next(answer for status, answer in responses.items() if status.startswith("2"))
    return _content(success["content"]) if "content" in success else "undefined"


def _content(content: dict[str, Any]) -> str:
    json_content = next((each for kind, each in content.items() if "json" in kind), None)
    return "string" if json_content is None else _type(json_content.get("schema", {}))


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    for key, joint in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        if key in schema:
            return "(" + joint.join(dict.fromkeys(_type(each) for each in schema[key])) + ")"
    kinds = schema.get("type", "unknown")
    if isinstance(kinds, list):
        return " | ".join(_simple(kind, schema) for kind in kinds)
    return _simple(kinds, schema)


def _simple(kind: str, schema: dict[str, Any]) -> str:
    if kind == "array":
        return f"Array<{_type(schema.get('items', {}))}>"
    if kind == "object":
        return _object(schema)
    return {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}.get(
        kind, "unknown"
    )


def _object(schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        values = schema.get("additionalProperties")
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
    required = set(schema.get("required", ()))
    members = (
        f"  {_key(name)}{'' if name in required else '?'}: {_type(each)};"
        for name, each in schema["properties"].items()
    )
    return "{\n" + "\n".join(members) + "\n}"


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


if __name__ == "__main__":
    main()
