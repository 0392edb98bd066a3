"""TokenTracker: where a reader of the event stream stands, as the resume token that a Subscribe carries."""

from __future__ import annotations

from gwcore.model import Header
from gwcore.wire import ResumeToken


class TokenTracker:
    """Follows headers. One that carries `after_sequence` counts once the snapshot it belongs to is whole."""

    def __init__(self, token: ResumeToken | None = None) -> None:
        self._token: ResumeToken = dict(token or {})
        self._pending: ResumeToken = {}

    @property
    def token(self) -> ResumeToken:
        """A copy of the token: everything up to here was seen."""
        return dict(self._token)

    def note(self, header: Header) -> None:
        """Take note of one event's header."""
        if header.sequence is not None:
            _raise_to(self._token, header.partition, header.session_id, header.sequence)
        elif header.after_sequence is not None:
            _raise_to(self._pending, header.partition, header.session_id, header.after_sequence)

    def snapshot_end(self) -> None:
        """A snapshot is whole: what it contains was seen."""
        for partition, stand in self._pending.items():
            known = self._token.get(partition)
            # Where news of this session came already they say where we stand: a snapshot may have overtaken some of them.
            if known is None or known[0] != stand[0]:
                self._token[partition] = stand
        self._pending.clear()

    def start(self, stand: ResumeToken) -> None:
        """Everything up to here is in what was told: of partitions that nothing came of it is not known otherwise."""
        for partition, place in stand.items():
            self._token.setdefault(partition, place)

    def disconnected(self) -> None:
        """A snapshot that was under way will not be finished."""
        self._pending.clear()


def _raise_to(token: ResumeToken, partition: str, session_id: str, sequence: int) -> None:
    known = token.get(partition)
    # A second subscription may replay what was seen before: a token never goes back within a session.
    if known is None or known[0] != session_id or known[1] < sequence:
        token[partition] = (session_id, sequence)
