"""NatsSelection: what a connection over NATS subscribed to: subjects for the server, and what of them is news. Pure.

Subjects are coarser than subscriptions: globs and symbols outside the subject are told apart here, by the rule of the
gateway. Up to where a subscription's own answer reached (its stand) the events of its subjects are in that answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from gwcore.client.nats.news import News
from gwcore.client.subscriptions import covers
from gwcore.model import ACCOUNT_KINDS, MARKET_KINDS, OWNED_KINDS, TYPE_OF_KIND
from gwcore.subjects import ABSENT, escape
from gwcore.wire import ResumeToken, SnapshotRequest, Subscribe

#: Subjects of single symbols in one subscription; above it all symbols of a kind are taken and told apart here.
EXACT_SUBJECTS_MAX = 500
_GAP = "gap"
_GLOB_CHARACTERS = frozenset("*?[")


def patterns(prefix: str, request: Subscribe, accounts: Sequence[str] | None = None, owner: str = "") -> list[str]:
    """Subjects that hold all a subscription asks for; `prefix`: `gw.<env>.<venue>`. Notices of gaps are always among them.

    `accounts`: those that the gateway grants. Each is a subject of its own, since the server's rights may be of single ones;
    None: the gateway did not say, and all are asked for. `owner`: the gateway takes the client for this user and shows him no
    orders but his own, which have subjects of their own. Kinds that nobody knows have no subject: the gateway refuses them.
    """
    tokens = ["*"] if accounts is None else [escape(account) for account in accounts]
    kinds = [kind for kind in request.kinds if kind in TYPE_OF_KIND]
    symbols = _tokens(request.symbols, max(1, len(kinds)))
    if not request.kinds:
        market = [f"{prefix}.md.*.{symbol}" for symbol in symbols] if symbols else [f"{prefix}.md.>"]
        executions = [f"{prefix}.ex.>"] if accounts is None else [f"{prefix}.ex.{token}.>" for token in tokens]
        if owner:
            rest = sorted(TYPE_OF_KIND.keys() - MARKET_KINDS - OWNED_KINDS)
            executions = [f"{prefix}.ex.{token}.{kind}" for token in tokens for kind in rest]
            executions.append(f"{prefix}.own.{escape(owner)}.>")
        found = [*market, f"{prefix}.st.>", *executions]
    else:
        found = []
        for kind in kinds:
            if kind not in ACCOUNT_KINDS:
                found += [f"{prefix}.md.{kind}.{symbol}" for symbol in symbols or ["*"]]
                found += [f"{prefix}.st.{kind}", f"{prefix}.st.{kind}.*"]
            if owner and kind in OWNED_KINDS:
                found.append(f"{prefix}.own.{escape(owner)}.*.{kind}")
            elif kind not in MARKET_KINDS:
                found += [f"{prefix}.ex.{token}.{kind}" for token in tokens]
    if f"{prefix}.md.>" not in found:
        found.append(f"{prefix}.md.{_GAP}.*")
    if f"{prefix}.st.>" not in found:
        found += [f"{prefix}.st.{_GAP}", f"{prefix}.st.{_GAP}.*"]
    return list(dict.fromkeys(found))


def must_be_granted(prefix: str, request: Subscribe, pattern: str) -> bool:
    """Whether a subscription is worth nothing without this subject.

    Accounts in general are part of "all" only for who may see them. One that the gateway grants by name is a part: its state
    is in the answer, and would be old without a word where its news are not heard.
    """
    head = f"{prefix}.ex."
    if not pattern.startswith(head) or ACCOUNT_KINDS.intersection(request.kinds):
        return True
    return pattern.removeprefix(head)[0] not in "*>"


class _Part:
    __slots__ = ("request", "stand")

    def __init__(self, request: Subscribe) -> None:
        self.request = request
        self.stand: ResumeToken = {}  # up to here its events were in the answer


class NatsSelection:
    """The subscriptions of one connection. Memory is bounded by subscriptions x kinds x symbols."""

    def __init__(self) -> None:
        self._parts: dict[int, _Part] = {}
        self._memo: dict[tuple[str, str | None], tuple[_Part, ...]] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, request: Subscribe) -> None:
        """One more."""
        self._parts[request.request_id] = _Part(request)
        self._memo.clear()

    def remove(self, subscription: int) -> None:
        """One less; nothing happens where it is not there."""
        self._parts.pop(subscription, None)
        self._memo.clear()

    def joined(self, subscription: int, stand: ResumeToken) -> None:
        """The answer is whole and reached up to `stand`."""
        part = self._parts.get(subscription)
        if part is not None:
            part.stand = dict(stand)

    def is_only(self, subscriptions: Sequence[int]) -> bool:
        """Whether there are no others."""
        return all(subscription in subscriptions for subscription in self._parts)

    @property
    def conflates(self) -> bool:
        """Whether market data may be dropped where the reader is too slow; one `disconnect` decides for all."""
        return all(part.request.on_slow != "disconnect" for part in self._parts.values())

    def wants(self, news: News) -> bool:
        """Whether it was asked for; a notice of a gap goes to everybody who asked for anything."""
        if news.kind == _GAP and not news.sequence:
            return bool(self._parts)
        return bool(self._takers(news.kind, news.symbol))

    def is_news(self, news: News) -> bool:
        """Whether it was asked for and is in no answer that whoever asked for it had."""
        if not news.sequence:
            return self.wants(news)
        for part in self._takers(news.kind, news.symbol):
            stand = part.stand.get(news.partition)
            if stand is None or stand[0] != news.session_id or stand[1] < news.sequence:
                return True
        return False

    def state_requests(self, next_id: int) -> list[SnapshotRequest]:
        """Requests for the present state of all market data asked for, numbered downwards from `next_id`.

        A slow reader may miss nothing else.
        """
        found: list[SnapshotRequest] = []
        for part in self._parts.values():
            kinds = tuple(kind for kind in part.request.kinds or sorted(MARKET_KINDS) if kind in MARKET_KINDS)
            if kinds:
                request_id = next_id - len(found)
                found.append(SnapshotRequest(request_id=request_id, symbols=part.request.symbols, kinds=kinds))
        return found

    def _takers(self, kind: str, symbol: str | None) -> tuple[_Part, ...]:
        key = (kind, symbol)
        takers = self._memo.get(key)
        if takers is None:
            takers = self._memo[key] = tuple(
                part for part in self._parts.values() if covers(part.request.symbols, part.request.kinds, kind, symbol)
            )
        return takers


def _tokens(symbols: Sequence[str], kinds: int) -> list[str]:
    # Tokens of exact symbols and of none; empty: take all, and tell them apart here.
    if not symbols or len(symbols) * kinds > EXACT_SUBJECTS_MAX:
        return []
    if any(not symbol or _GLOB_CHARACTERS.intersection(symbol) for symbol in symbols):
        return []
    return [*(escape(symbol) for symbol in symbols), ABSENT]
