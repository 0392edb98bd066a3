"""What went wrong with a stream or its server, in one word and one sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

#: Error codes of JetStream -> what it means to us. Numbers: `nats-server`, server/errors.json.
_CAUSES = {
    10002: "account_limit",  # resource limits exceeded for account
    10023: "server_resources",  # insufficient resources
    10026: "stream_limit",  # maximum number of streams reached
    10039: "no_jetstream",  # not enabled for the account
    10047: "storage_limit",  # insufficient storage resources available: of what the server may use
    10052: "stream_sealed",
    10054: "payload_too_big",  # message size exceeds the stream's maximum
    10059: "no_stream",
    10060: "wrong_stream",  # expected stream does not match
    10070: "fenced",  # wrong last message id: somebody else wrote, or (see `name_fence`) an earlier message is missing
    10071: "fenced",  # wrong last sequence
    10076: "no_jetstream",  # not enabled
    10077: "stream_limit",  # the stream refuses at its limit
}
#: Causes that say what happened and not why: the server's health may know better.
VAGUE = frozenset({"ack_timeout", "not_stored", "no_stream", "no_jetstream", "refused"})
#: What a server says of its health -> cause. The first that is found counts.
_HEALTH = (
    ("no space left", "disk_full"),
    ("disk quota", "disk_full"),
    ("read-only file system", "store_error"),
    ("write error", "store_error"),
    ("could not be recovered", "store_error"),
    ("meta leader", "no_leader"),
    ("no leader", "no_leader"),
    ("quorum", "no_leader"),
    ("not current", "no_leader"),
    ("not enabled", "no_jetstream"),
    ("disabled", "no_jetstream"),
)
_LAST_SEQUENCE = re.compile(r"last sequence: (\d+)")
_LAST_ID = re.compile(r"last msg ID: (\S+)")
_STREAM = re.compile(r"stream '(?:[^']* > )?([^']+)'")


class Stored(NamedTuple):
    """A message of ours in a stream."""

    sequence: int  # of the stream
    position: int  # of the journal class


class Tail(NamedTuple):
    """Where a stream stands when a publisher starts."""

    last_sequence: int  # of the stream
    position: int  # of the journal class: what follows is to be sent
    last_id: str = ""  # message id of the stream's last message
    is_sure: bool = True  # False: what follows may be in the stream already, before others' messages


class Failure(NamedTuple):
    """Why a publisher ended."""

    cause: str  # one word
    detail: str  # one sentence


def name_refusal(error_code: int, code: int = 0) -> str:
    """The cause behind an error that JetStream answered."""
    return _CAUSES.get(error_code, "no_stream" if code == 503 else "refused")


def name_fence(description: str, tail: Tail, session_ids: Collection[str]) -> str:
    """The cause behind errors 10070 and 10071, by where the stream ends: at a message of ours (`session_ids`: of what was
    sent since `tail`) or at the tail itself, then one of ours was taken and not stored; else somebody else wrote."""
    last_id = _LAST_ID.search(description)
    if last_id is not None:
        return "not_stored" if last_id[1] == tail.last_id or last_id[1].rpartition(":")[0] in session_ids else "fenced"
    last_sequence = _LAST_SEQUENCE.search(description)
    return "not_stored" if last_sequence is not None and int(last_sequence[1]) < tail.last_sequence else "fenced"


def name_health(text: str, stream: str) -> Failure | None:
    """What a server that is not healthy says of itself, as far as it bears upon a stream; None: it is about another one."""
    lower = text.lower()
    cause = next((cause for words, cause in _HEALTH if words in lower), "unhealthy")
    about = _STREAM.search(text)
    # A disk is shared: which stream met its end first is chance.
    if about is not None and about[1] != stream and cause != "disk_full":
        return None
    return Failure(cause, f"the server says: {text}")
