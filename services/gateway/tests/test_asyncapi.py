"""``deploy/asyncapi.yaml`` says what the message models say."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from telltale_shared.contracts.stream import ClientMessage, ServerMessage

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "asyncapi.yaml").read_text())
MESSAGES = DOCUMENT["components"]["messages"]


def generated_schemas() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("describe_stream", ROOT / "services/gateway/describe_stream.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    schemas: dict[str, Any] = module.schemas()
    return schemas


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_the_schemas_are_those_of_the_models() -> None:
    written = DOCUMENT["components"]["schemas"]
    assert written == json.loads(json.dumps(generated_schemas())), "run python services/gateway/describe_stream.py"


@pytest.mark.parametrize(("operation", "union"), [("ask", ClientMessage), ("tell", ServerMessage)])
def test_each_operation_lists_the_messages_of_its_union(operation: str, union: Any) -> None:
    listed = [resolve(message["$ref"]) for message in DOCUMENT["operations"][operation]["messages"]]
    payloads = {resolve(resolve(message["$ref"])["payload"]["$ref"])["title"] for message in listed}
    assert payloads == {model.__name__ for model in union.__args__}


def test_every_message_stands_under_its_tag() -> None:
    assert DOCUMENT["channels"]["stream"]["messages"].keys() == MESSAGES.keys()
    for name, message in MESSAGES.items():
        assert resolve(message["payload"]["$ref"])["properties"]["type"]["enum"] == [name]


def test_the_examples_are_understood() -> None:
    for message in MESSAGES.values():
        for example in message.get("examples", []):
            msgspec.convert(example["payload"], ClientMessage | ServerMessage)
