"""Write the schemas of ``deploy/asyncapi.yaml`` anew from the message models; run it after changing one.

What stands above the marker in that file is written by hand, and stays.
"""

import ast
import inspect
from pathlib import Path
from typing import Any

import msgspec
import yaml

from telltale_shared.contracts import alerts, anomalies, expectations, readings, stream, system

FILE = Path(__file__).resolve().parents[2] / "deploy" / "asyncapi.yaml"
MARKER = "  # From here on written by services/gateway/describe_stream.py.\n"


def _field_texts() -> dict[str, dict[str, str]]:
    """Per class and field, the docstring that stands under the field."""
    texts: dict[str, dict[str, str]] = {}
    for module in (alerts, anomalies, expectations, readings, stream, system):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                texts[node.name] = {
                    field.target.id: inspect.cleandoc(text.value.value)
                    for field, text in zip(node.body, node.body[1:], strict=False)
                    if isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(text, ast.Expr)
                    and isinstance(text.value, ast.Constant)
                    and isinstance(text.value.value, str)
                }
    return texts


def schemas() -> dict[str, Any]:
    """The JSON Schemas of all messages and of what they consist of, by name."""
    unions = [stream.ClientMessage, stream.ServerMessage]
    _, components = msgspec.json.schema_components(unions, ref_template="#/components/schemas/{name}")
    texts = _field_texts()
    for name, schema in components.items():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
        for field, text in texts.get(name, {}).items():
            if field in schema.get("properties", {}):
                schema["properties"][field]["description"] = text
    return components


if __name__ == "__main__":
    head, _, _ = FILE.read_text().partition(MARKER)
    body = yaml.safe_dump({"schemas": schemas()}, sort_keys=False, allow_unicode=True, width=110)
    FILE.write_text(head + MARKER + "".join(f"  {line}".rstrip() + "\n" for line in body.splitlines()))
