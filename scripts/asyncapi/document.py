"""The AsyncAPI document: every subject of the gateway, what is on it, and what it answers. Made of the structs alone.

It speaks as the gateway: `send` is what the gateway publishes, `receive` what clients ask. Imported by scripts/schema.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec

from gwcore import wire
from gwcore.model import KIND_OF_TYPE, OWNED_KINDS, SCHEMA_VERSION, TYPE_OF_KIND, Envelope, Header, Record
from gwcore.subjects import Subjects

VERSION = "3.0.0"
#: The official JSON Schema of AsyncAPI documents: schemas/3.0.0-without-$id.json of npm's @asyncapi/specs 6.11.1, as it is.
#: Apache-2.0; its LICENSE and NOTICE lie beside it.
OFFICIAL = Path(__file__).parent / f"{VERSION}.json"

Node = dict[str, Any]

#: Where the engine publishes each kind: class -> kinds. What is of an account (ex) stands there together, its downloads, gaps
#: and limits among its fills; of the gateway itself (st) and of the market (md) there are some of the same kinds.
KINDS: dict[str, tuple[str, ...]] = {
    "md": ("reference_data", "market_status", "top_of_book", "market_by_price", "market_by_order", "trade_summary",
           "statistics", "time_series", "gap"),
    "st": ("gateway_status", "stream_status", "external_latency", "rate_limits", "download_begin", "download_end", "ready",
           "gap", "discrepancy", "control"),
    "ex": ("order_ack", "order_update", "trade_update", "position", "funds", "fees", "trade_balance", "rate_limits",
           "download_begin", "download_end", "ready", "gap", "discrepancy"),
}  # fmt: skip
#: verb -> what comes to its reply subject, in order; `envelope` any number of times.
ANSWERS: dict[str, tuple[str, ...]] = {
    "hello": ("welcome", "goodbye"),
    "ping": ("heartbeat",),
    "snapshot": ("envelope", "snapshot_end", "error"),
    "status": ("envelope", "snapshot_end", "error"),
    "subscribe": ("subscribed", "envelope", "snapshot_end", "error"),
    "unsubscribe": ("done", "error"),
    "control": ("outcome", "error"),
    "create_order": ("error",),
    "modify_order": ("error",),
    "cancel_order": ("error",),
    "cancel_all_orders": ("error",),
    "create_orders": ("error",),
    "cancel_orders": ("error",),
    "cancel_all_after": ("error",),
}
PARAMETERS: dict[str, Node] = {
    "environment": {"description": "Where the venue is: an environment of its plugin.", "examples": ["prod", "sim"]},
    "venue": {"description": "The venue's name.", "examples": ["kraken"]},
    "symbol": {
        "description": "The symbol as one token: `/` is `-`, any other character than a letter or digit is `_` and two "
        "hexadecimal digits for each byte of its UTF-8. `_` alone: the event has no symbol.",
        "examples": ["BTC-USD"],
    },
    "about": {"description": "A symbol or an account, escaped as a symbol is.", "examples": ["BTC-USD"]},
    "account": {"description": "The account, escaped as a symbol is.", "examples": ["main"]},
    "user": {"description": "Who asks. The server grants the subject; nothing in the request says who a client is."},
    "inbox": {"description": "The client's choice; one reply subject or several tokens."},
}
TEXT: Node = {"type": "string"}
EVENT_ID: Node = {
    "type": "string",
    "pattern": "^[^:]+:[0-9]+$",
    "description": "The event's id, `session_id:sequence`.",
}
POSITION: Node = {"type": "string", "pattern": "^[^:]+:(md|st|ex):[0-9]+$", "description": "`writer:class:position`."}


def faults(made: Node) -> list[str]:
    """What the official schema, or a reference that leads nowhere, says against a document; nothing, if all is well."""
    official = jsonschema.Draft7Validator(json.loads(OFFICIAL.read_text()))
    found = [f"{error.json_path}: {error.message[:300]}" for error in official.iter_errors(made)]
    return found + [f"{target} leads nowhere" for target in sorted(set(references(made))) if not leads(made, target)]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from references(item)


def leads(made: Node, target: str) -> bool:
    node: Any = made
    for part in target.removeprefix("#/").split("/"):
        node = node.get(part) if isinstance(node, dict) else None
    return target.startswith("#/") and node is not None


class UnknownKind(Exception):
    """A kind or request that this file does not know yet."""


def document() -> Node:
    """The whole document. Raises UnknownKind where the structs have something that no channel here carries."""
    requests = {tag(struct): struct for struct in wire.ClientRequest.__args__}
    answers = {tag(struct): struct for struct in wire.ServerMessage.__args__}
    placed = {kind for kinds in KINDS.values() for kind in kinds}
    missing = (TYPE_OF_KIND.keys() - placed) | (requests.keys() - ANSWERS.keys())
    if missing:
        raise UnknownKind(f"scripts/asyncapi/document.py places no {', '.join(sorted(missing))}: say on which subject")
    channels, operations = {}, {}
    for name, address, kind in event_channels():
        ways = ("live",) if name.startswith("own.") else ("live", "stored")  # the sink stores each event once
        stored = stream_of(name) if len(ways) > 1 else None
        channels[name] = channel(address, {how: f"{kind}.{how}" for how in ways}, stored)
        for how in ways:
            operations[f"{name}.{how}"] = operation("send", name, [how])
    told = ["envelope", *answers]
    channels["reply"] = channel("_INBOX.{user}.{inbox}", {each: f"answer.{each}" for each in told})
    for verb in requests:
        channels[f"cmd.{verb}"] = channel(request_address(verb), {verb: f"request.{verb}"})
        operations[f"cmd.{verb}"] = operation("receive", f"cmd.{verb}", [verb], ANSWERS[verb])
    messages = dict(event_messages()) | dict(control_messages(requests, answers))
    return {
        "asyncapi": VERSION,
        "info": info(),
        "defaultContentType": "application/json",
        "servers": {"nats": server()},
        "channels": channels,
        "operations": operations,
        "components": {
            "parameters": PARAMETERS,
            "messages": messages,
            "schemas": schemas([*requests.values(), *answers.values()]),
        },
    }


def tag(struct: Any) -> str:
    return str(struct.__struct_config__.tag)


def info() -> Node:
    return {
        "title": "gwcore over NATS",
        "version": f"{SCHEMA_VERSION}.{wire.PROTOCOL_VERSION}.0",
        "description": "Events of an exchange gateway, live and from JetStream, and the requests it answers (docs/nats.md). "
        "The version is that of the event schema and of the request protocol: "
        "numbers that may be money are decimal text; fields are only ever appended, so ignore what is not known.",
    }


def server() -> Node:
    return {
        "host": "{host}:{port}",
        "protocol": "nats",
        "description": "NATS 2.10 or newer; with JetStream for what is stored.",
        "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "4222"}},
    }


def event_channels() -> Iterator[tuple[str, str, str]]:
    """(name, address, kind) of every subject of events, from the subject map itself."""
    for journal_class, kinds in KINDS.items():
        for kind in kinds:
            if journal_class != "st":
                yield f"{journal_class}.{kind}", event_address(journal_class, kind, "SYMBOL", "ACCOUNT"), kind
                if kind in OWNED_KINDS:
                    own = event_address(journal_class, kind, "SYMBOL", "ACCOUNT").replace("}.ex.", "}.own.{user}.")
                    yield f"own.{kind}", own, kind
                continue
            yield f"st.{kind}", event_address("st", kind, None, None), kind
            fields = {field.name for field in msgspec.structs.fields(TYPE_OF_KIND[kind])}
            if fields & {"symbol", "account"}:
                yield f"st.{kind}.about", event_address("st", kind, "ABOUT", None), kind


def event_address(journal_class: str, kind: str, symbol: str | None, account: str | None) -> str:
    partition = {"md": "md.0", "st": "st", "ex": "ex.ACCOUNT"}[journal_class]
    record = Record(partition, "", 0, kind, symbol, account, None, 0, b"")
    return parameterised(Subjects("ENVIRONMENT", "VENUE").of_record(record))


def request_address(verb: str) -> str:
    return parameterised(f"{Subjects('ENVIRONMENT', 'VENUE').prefix}.cmd.USER.{verb}")


def parameterised(subject: str) -> str:
    return ".".join(f"{{{token.lower()}}}" if token.isupper() else token for token in subject.split("."))


def stream_of(name: str) -> Node:
    journal_class = name.partition(".")[0]
    return {
        "description": f"Stored by the JetStream sink in the stream gw-<environment>-<venue>-{journal_class} (its default "
        "name), under this subject.",
        "x-stream": f"gw-{{environment}}-{{venue}}-{journal_class}",
    }


def channel(address: str, messages: dict[str, str], extra: Node | None = None) -> Node:
    names = [token[1:-1] for token in address.split(".") if token.startswith("{")]
    return {
        "address": address,
        **(extra or {}),
        "servers": [{"$ref": "#/servers/nats"}],
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in names},
        "messages": {name: {"$ref": f"#/components/messages/{target}"} for name, target in messages.items()},
    }


def operation(action: str, name: str, messages: Iterable[str], answers: Iterable[str] = ()) -> Node:
    made: Node = {"action": action, "channel": {"$ref": f"#/channels/{name}"}, "messages": within(name, messages)}
    if answers:
        made["reply"] = {"channel": {"$ref": "#/channels/reply"}, "messages": within("reply", answers)}
    return made


def within(name: str, messages: Iterable[str]) -> list[Node]:
    return [{"$ref": f"#/channels/{name}/messages/{each}"} for each in messages]


# --- messages -----------------------------------------------------------------------------------------------------


def event_messages() -> Iterator[tuple[str, Node]]:
    for struct, kind in KIND_OF_TYPE.items():
        payload = {
            "type": "object",
            "properties": {"header": schema_ref(Header), "event": schema_ref(struct)},
            "required": ["header", "event"],
        }
        common = {
            "Gw-Schema": {"type": "string", "const": str(SCHEMA_VERSION)},
            "Gw-Kind": {"type": "string", "const": kind},
        }
        live = headers(common, {"Gw-Event": EVENT_ID})
        stored = headers(
            common | {"Nats-Msg-Id": EVENT_ID, "Gw-Position": POSITION},
            {"Nats-Expected-Last-Msg-Id": EVENT_ID, "Nats-Expected-Last-Sequence": TEXT},
        )
        summary = first_line(struct)
        yield f"{kind}.live", {"name": kind, "summary": summary, "headers": live, "payload": payload}
        yield f"{kind}.stored", {"name": kind, "summary": summary, "headers": stored, "payload": payload}


def control_messages(requests: Node, answers: Node) -> Iterator[tuple[str, Node]]:
    for verb, struct in requests.items():
        yield f"request.{verb}", {"name": verb, "summary": first_line(struct), "payload": schema_ref(struct)}
    kind = {"Gw-Type": {"type": "string", "const": "E"}, "Gw-Schema": TEXT, "Gw-Kind": TEXT}
    yield (
        "answer.envelope",
        {
            "name": "envelope",
            "summary": "An event for this client alone: state (`after_sequence`, no `sequence`), or one that is replayed.",
            "headers": headers(kind, {"Gw-Event": EVENT_ID}),
            "payload": schema_ref(Envelope),
        },
    )
    for name, struct in answers.items():
        control = headers({"Gw-Type": {"type": "string", "const": "C"}}, {})
        yield (
            f"answer.{name}",
            {"name": name, "summary": first_line(struct), "headers": control, "payload": schema_ref(struct)},
        )


def headers(required: Node, optional: Node) -> Node:
    return {"type": "object", "properties": required | optional, "required": list(required)}


def first_line(struct: Any) -> str:
    return (inspect.getdoc(struct) or "").partition("\n")[0]


# --- schemas ------------------------------------------------------------------------------------------------------


def schema_ref(struct: Any) -> Node:
    return {"$ref": f"#/components/schemas/{struct.__name__}"}


def schemas(structs: list[Any]) -> Node:
    """Every struct in AsyncAPI's own schema dialect, which is draft 7 of JSON Schema with `discriminator` as a text."""
    _, found = msgspec.json.schema_components([Envelope, *structs], ref_template="#/components/schemas/{name}")
    return {name: draft_7(node) for name, node in sorted(found.items())}


def draft_7(node: Any) -> Any:
    if isinstance(node, list):
        return [draft_7(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: draft_7(value) for key, value in node.items()}
    if "prefixItems" in made:
        made["items"], made["additionalItems"] = made.pop("prefixItems"), made.get("items", True)
    if isinstance(made.get("discriminator"), dict):
        made["discriminator"] = made["discriminator"]["propertyName"]
    if "$ref" in made and len(made) > 1:  # draft 7 reads nothing that stands beside a reference
        made["allOf"] = [{"$ref": made.pop("$ref")}]
    return made
