"""The streams of the JetStream sink: what each must be like, making and checking them, what an acknowledgement of theirs is
worth, and where they end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
    StreamState,
    SubjectTransform,
)
from nats.js.errors import NotFoundError

from gw_sinks.jetstream_causes import Stored
from gw_sinks.jetstream_monitor import Durability
from gw_sinks.jetstream_settings import JetStreamSettings
from gwcore.errors import NotConnected
from gwcore.sink import AckMeaning
from gwcore.subjects import LOG_ROOT, Subjects, escape

#: Header of each message: `<writer>:<class>:<position>`, so that a stream's tail says where the journal's reader stands.
POSITION_HEADER = "Gw-Position"

#: How many messages behind a tail of another writer are searched for our last one.
LOOK_BACK = 4000
_LOOK_BACK_S = 10.0
_FETCH = 100
#: Values of a stream's `persist_mode` with which an acknowledged message was at least written.
_PERSISTED = (None, "", "default")


class StreamTail(NamedTuple):
    """End of a stream. `position` is that of this writer's last message, None where there is none or it is gone."""

    last_sequence: int
    position: int | None
    foreign: bool  # the last message has another writer
    last_id: str = ""  # message id of the last message


def stream_names(settings: JetStreamSettings, environment: str, venue: str) -> dict[str, str]:
    """Class -> name of its stream."""
    prefix = f"gw-{escape(environment)}-{escape(venue)}"
    named = {"md": settings.md_stream, "st": settings.st_stream, "ex": settings.ex_stream}
    return {name: given or f"{prefix}-{name}" for name, given in named.items()}


def stream_configs(settings: JetStreamSettings, environment: str, venue: str) -> dict[str, StreamConfig]:
    """Class -> its stream as this sink makes it."""
    stored, sent = Subjects(environment, venue), Subjects(environment, venue, root=LOG_ROOT)
    configs = {}
    for name, stream in stream_names(settings, environment, venue).items():
        config = StreamConfig(
            name=stream,
            subjects=[sent.of_class(name)],
            subject_transform=SubjectTransform(src=sent.of_class(name), dest=stored.of_class(name)),
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            num_replicas=settings.replicas,
            duplicate_window=settings.duplicate_window_s,
        )
        if name == "ex":
            # Executions leave only by hand of an operator who first edits the stream: full means refused, not forgotten.
            config.discard = DiscardPolicy.NEW
            config.max_bytes = settings.ex_bytes_max
            config.deny_delete = config.deny_purge = True
        else:
            config.discard = DiscardPolicy.OLD
            config.max_bytes = settings.md_bytes_max if name == "md" else settings.st_bytes_max
            config.max_age = settings.md_age_max_s if name == "md" else settings.st_age_max_s
        configs[name] = config
    return configs


async def open_stream(js: JetStreamContext, name: str, wanted: StreamConfig, *, create: bool) -> StreamInfo:
    """Make the stream where it is absent, check it where it is not. Raises NotConnected for one that can't do what it is
    for and where it is absent and must not be made, and what nats-py raises."""
    assert wanted.name is not None
    try:
        info = await js.stream_info(wanted.name)
    except NotFoundError:
        if not create:
            raise NotConnected(f"no_stream: stream {wanted.name} does not exist and create_streams is off") from None
        info = await js.add_stream(wanted)
    faults = find_faults(name, info.config, wanted)
    if faults:
        raise NotConnected(f"wrong_config: {faults}")
    return info


def find_faults(name: str, found: StreamConfig, wanted: StreamConfig) -> str:
    """What keeps a stream from holding a class, with the cure; empty: nothing. Limits are the operator's choice; what
    the sink relies on is not."""
    faults = []
    assert wanted.subjects is not None
    if wanted.subjects[0] not in (found.subjects or ()):
        faults.append(f"it does not take {wanted.subjects[0]}")
    if found.subject_transform != wanted.subject_transform and wanted.subject_transform is not None:
        faults.append(f"it does not store what it takes as {wanted.subject_transform.dest} (subject_transform)")
    if found.no_ack:
        faults.append("it does not acknowledge (no_ack)")
    if found.sealed:
        faults.append("it is sealed")
    if not found.duplicate_window:
        faults.append("it has no duplicate window")
    if name == "ex":
        if found.discard != DiscardPolicy.NEW:
            faults.append("it discards old executions at its limit (discard must be new)")
        if not (found.deny_delete and found.deny_purge):
            faults.append("it lets messages be deleted (deny_delete and deny_purge must be set)")
    if not faults:
        return ""
    cure = f"edit the stream, or name another in sink.jetstream.{name}_stream"
    return f"stream {found.name} can't hold {name}: {'; '.join(faults)} ({cure})"


def judge_acknowledgement(info: StreamInfo, connected_id: str, servers: Collection[Durability]) -> AckMeaning:
    """What an acknowledgement of this stream is worth, by the word of all servers that hold it; unknown where one of them
    was not asked."""
    config = info.config
    if config.storage != StorageType.FILE or getattr(config, "persist_mode", None) not in _PERSISTED:
        return "unknown"
    if info.cluster is None or not info.cluster.name:
        holders = [server for server in servers if server.server_id == connected_id]
        wanted = 1
    else:
        names = {info.cluster.leader, *(peer.name for peer in info.cluster.replicas or ())}
        holders = [server for server in servers if server.server_name in names]
        wanted = config.num_replicas or 1
    if len(holders) < wanted:
        return "unknown"
    return "fsynced" if all(server.sync_always for server in holders) else "flushed"


async def read_tail(
    js: JetStreamContext, name: str, stream: str, state: StreamState, writer: str, known: Stored | None = None
) -> StreamTail:
    """Where the stream ends, by its last message; behind messages of another writer, by this writer's last one within
    LOOK_BACK messages, or behind the one that is `known` to be stored."""
    if not state.last_seq:
        return StreamTail(0, None, foreign=False)
    try:
        message = await js.get_msg(stream, seq=state.last_seq)
    except NotFoundError:
        return StreamTail(state.last_seq, None, foreign=False)
    position, last_id = _own_position(message.headers, writer, name), (message.headers or {}).get("Nats-Msg-Id", "")
    if position is not None:
        return StreamTail(state.last_seq, position, foreign=False, last_id=last_id)
    start, found = max(1, state.first_seq, state.last_seq - LOOK_BACK + 1), None
    if known is not None and await _is_stored(js, name, stream, known, writer):
        start, found = known.sequence + 1, known.position
    if start <= state.last_seq:
        found = await _look_back(js, name, stream, start, writer) or found
    return StreamTail(state.last_seq, found, foreign=True, last_id=last_id)


async def _is_stored(js: JetStreamContext, name: str, stream: str, known: Stored, writer: str) -> bool:
    """Whether the message is still where it was: the stream may have been made anew."""
    try:
        message = await js.get_msg(stream, seq=known.sequence)
    except NotFoundError:
        return False
    return _own_position(message.headers, writer, name) == known.position


async def _look_back(js: JetStreamContext, name: str, stream: str, start: int, writer: str) -> int | None:
    """The last position of ours that others have written over, from a sequence of the stream on: message ids guard it for
    the duplicate window only."""
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        headers_only=True,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=start,
        inactive_threshold=_LOOK_BACK_S,
    )
    subscription = await js.pull_subscribe("", stream=stream, config=config)
    found = None
    try:
        left = (await subscription.consumer_info()).num_pending or 0
        while left > 0:
            messages = await subscription.fetch(min(_FETCH, left), timeout=_LOOK_BACK_S)
            left -= len(messages)
            for message in messages:
                position = _own_position(message.headers, writer, name)
                found = found if position is None else position
    finally:
        await subscription.unsubscribe()
    return found


def _own_position(headers: Mapping[str, str] | None, writer: str, name: str) -> int | None:
    found_writer, _, rest = (headers or {}).get(POSITION_HEADER, "").partition(":")
    found_class, _, position = rest.partition(":")
    if found_writer != writer or found_class != name or not position.isdecimal():
        return None
    return int(position)
