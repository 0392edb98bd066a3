"""One account's connection to Kraken: token, private channels, frames to messages (API sheet §4.12, §4.13, §7.1)."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gw_venue_kraken.accounts import private_messages as wire
from gw_venue_kraken.accounts.balances import read_balances
from gw_venue_kraken.accounts.download import Download
from gw_venue_kraken.accounts.executions import read_executions
from gw_venue_kraken.market.feeds import read_status
from gw_venue_kraken.market.messages import Reply, head_of, reply_of
from gw_venue_kraken.orders.replies import OrderReplies
from gw_venue_kraken.rest_names import RestNames
from gw_venue_kraken.settings import KrakenSettings
from gwcore.errors import DecodeError
from gwcore.model import FeesUpdate, FundsUpdate, Instrument, RateLimit, RateLimitsUpdate
from gwcore.numbers import decimal_text
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow
from gwcore.venue import (
    Account,
    AccountLimits,
    AccountMessage,
    AccountSnapshot,
    Acknowledged,
    Frame,
    Known,
    Pong,
    Refused,
    Renew,
    Rights,
    Throttled,
    Unknown,
)

_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, ArithmeticError)
_WHAT_LENGTH_MAX = 80
#: Ids of the two subscribes, so that an answer says which was meant.
EXECUTIONS_ID, BALANCES_ID = 1, 2
#: A token is renewed after this share of its time (15 minutes, §7.1).
RENEW_SHARE = 0.6
WITHDRAW_RIGHTS = frozenset({"withdraw-funds", "add-withdraw-address", "update-withdraw-address"})
#: What errors of a subscribe say that no new connection will mend (§2.2).
_FATAL = ("eapi:invalid key", "egeneral:permission denied", "eaccount:invalid permissions", "eauth:account")


class Tier(NamedTuple):
    """Maximum and decay of the REST counter (§2.4)."""

    cost_max: float
    decay_per_s: float


TIERS: Mapping[str, Tier] = {
    "starter": Tier(15.0, 0.33),
    "intermediate": Tier(20.0, 0.5),
    "pro": Tier(20.0, 1.0),
}


class KrakenAccountOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[account.NAME.options]` of Kraken."""

    # Of the account at Kraken: starter, intermediate, pro. The limits of REST, of the matching engine and of open orders
    # follow from it.
    tier: str = "starter"

    def __post_init__(self) -> None:
        """Refuse a tier there is not."""
        if self.tier not in TIERS:
            raise ValueError(f"tier is {self.tier!r}: use {', '.join(TIERS)}")


class KrakenAccount:
    """The AccountCodec (with Pinger, SessionRefresh and Fees) of one connection to the private host."""

    def __init__(self, settings: KrakenSettings, account: Account, names: RestNames) -> None:
        self._settings = settings
        self._account = account
        self._token = ""  # masked in logs by its looks: a Secret a token would push the key's own out of that memory
        self._rate_max: str | None = None
        self._sequences: dict[str, int] = {}  # channel -> the last one
        self.names = names
        self.replies = OrderReplies()  # to requests about orders, which leave over this connection
        self._unanswered = {EXECUTIONS_ID, BALANCES_ID}
        self._symbols: dict[str, str] = {}  # of orders that were told of here
        self._download = Download(settings, account, names)
        tier = TIERS[(account.options or KrakenAccountOptions()).tier]
        self.limits = AccountLimits(
            rest_cost_max=tier.cost_max, rest_decay_per_s=tier.decay_per_s, silence_s=settings.silence_s, ping_s=5.0
        )
        self.refresh_s = 900 * RENEW_SHARE

    @property
    def token(self) -> str:
        """The session's token, which each request about orders names too; empty before `endpoint`."""
        return self._token

    def endpoint(self) -> HttpFlow[Endpoint]:
        """The private host, with a token made for this connection. Raises VenueError."""
        yield from self._fetch_token()
        return Endpoint(
            url=self._settings.ws_private_url,
            frame_bytes_max=self._settings.frame_bytes_max,
            protocol_ping_s=None,
        )

    def _fetch_token(self) -> HttpFlow[None]:
        token = yield from self._download.call("GetWebSocketsToken", wire.token_of)
        self._token = token.token
        self.refresh_s = max(1.0, token.expires * RENEW_SHARE)

    def refresh(self) -> HttpFlow[Sequence[Frame]]:
        """A new token ahead of the old one's end. What is subscribed lasts (§7.1), so nothing has to be sent."""
        yield from self._fetch_token()
        return ()

    def rights(self) -> HttpFlow[Rights]:
        """GetApiKeyInfo. Raises VenueError."""
        info = yield from self._download.call("GetApiKeyInfo", wire.rights_of)
        return Rights(tuple(info.permissions), bool(WITHDRAW_RIGHTS.intersection(info.permissions)))

    def login(self) -> Generator[Frame, Frame, None]:
        """Nothing: the token is in each subscribe."""
        yield from ()

    def open(self) -> Sequence[Frame]:
        """Subscribe both private channels, with all their snapshots (§4.12 says the defaults two ways)."""
        executions = {"snap_orders": True, "snap_trades": True, "order_status": True, "ratecounter": True}
        return (
            self._subscribe("executions", EXECUTIONS_ID, executions),
            self._subscribe("balances", BALANCES_ID, {"snapshot": True}),
        )

    def _subscribe(self, channel: str, request_id: int, params: Mapping[str, Any]) -> Frame:
        return msgspec.json.encode(
            {
                "method": "subscribe",
                "params": {"channel": channel, "token": self._token, **params},
                "req_id": request_id,
            }
        )

    def ping(self, request_id: int) -> Frame:
        """The application ping (§4.4)."""
        return b'{"method":"ping","req_id":%d}' % request_id

    def funds(self) -> HttpFlow[Sequence[FundsUpdate]]:
        """BalanceEx: the stream tells no holds (§4.13). Raises VenueError."""
        return self._download.funds()

    def fees(self, instruments: Sequence[Instrument]) -> HttpFlow[Sequence[FeesUpdate]]:
        """TradeVolume: what the account pays in these pairs (Fees). Raises VenueError."""
        return self._download.fees(instruments)

    def download(self, known: Known) -> HttpFlow[AccountSnapshot]:
        """All of it by REST. Raises VenueError."""
        return self._download.run(known)

    def decode(self, frame: Frame, received_ns: int) -> Sequence[AccountMessage]:
        """All messages of one frame, in order. Raises DecodeError and nothing else, and then nothing of it was used."""
        try:
            return self._read(frame)
        except _MALFORMED as error:
            raise DecodeError(f"private frame of {len(frame)} bytes can't be read: {error!s:.200}") from None

    def _read(self, frame: Frame) -> Sequence[AccountMessage]:
        head = head_of(frame)
        if head.method is not None:
            return self._answer(reply_of(frame))
        if head.channel == "executions":
            executions = wire.executions_of(frame)
            return self._in_order(
                "executions",
                executions.sequence,
                executions.type,
                read_executions(self._account.name, executions, self._rate_max, self._symbols),
            )
        if head.channel == "balances":
            balances = wire.balances_of(frame)
            return self._in_order(
                "balances", balances.sequence, balances.type, read_balances(self._account.name, balances)
            )
        if head.channel == "heartbeat":
            return ()
        if head.channel == "status":
            return read_status(frame)
        if head.error_text is not None and "rate" in head.error_text.lower():
            return (Throttled(head.error_text[:_WHAT_LENGTH_MAX]),)
        return (Unknown(f"frame of channel {(head.channel or '')[:_WHAT_LENGTH_MAX]!r}"),)

    def _in_order(
        self, channel: str, sequence: int | None, kind: str, messages: Sequence[AccountMessage]
    ) -> Sequence[AccountMessage]:
        """The messages, if the frame is the next one. A gap means lost frames, and a new connection (§7.2)."""
        if sequence is None:
            return messages
        last = self._sequences.get(channel)
        if last is not None and kind != "snapshot":
            if sequence <= last:
                return (Unknown(f"{channel} frame that came before"),)
            if sequence > last + 1:
                return (Renew(f"{channel} frames {last + 1} to {sequence - 1} are missing"),)
        self._sequences[channel] = sequence
        return messages

    def _answer(self, reply: Reply) -> Sequence[AccountMessage]:
        if reply.method == "pong":
            return (Pong(reply.req_id),)
        if self.replies.is_about(reply):
            return self.replies.read(reply)
        if reply.method == "error" and not self._unanswered:
            return (Unknown(f"error about nothing known: {(reply.error or '')[:_WHAT_LENGTH_MAX]}"),)
        if reply.error is not None or reply.success is False:
            text = (reply.error or "refused without a reason")[:200]
            is_fatal = text.lower().startswith(_FATAL)
            return (Refused(text=text, request_id=reply.req_id, retryable=not is_fatal, fatal=is_fatal),)
        if reply.method != "subscribe" or not bytes(reply.result):
            return (Unknown(f"reply to {reply.method[:40]!r}"),)
        ack = wire.executions_ack_of(reply.result)
        messages: list[AccountMessage] = [Acknowledged((), reply.req_id)]
        self._unanswered.discard(reply.req_id or 0)
        if ack.channel == "executions" and ack.maxratecount is not None:
            self._rate_max = decimal_text(ack.maxratecount)
            limit = RateLimit(name="orders", limit=self._rate_max)
            messages.append(RateLimitsUpdate(account=self._account.name, limits=(limit,)))
        return messages
