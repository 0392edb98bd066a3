"""CONTRACT of the private side of a venue: accounts and signing. Plugins import it from `gwcore.venue`.

Plugins never see a secret: they are given a signer.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from gwcore.model import FeesUpdate, FundsUpdate, Instrument
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow
from gwcore.venue_messages import AccountMessage, AccountSnapshot, Frame


class Signer(Protocol):
    """Signs for one key. Plugins never see the secret itself."""

    @property
    def key(self) -> str:
        """The public part."""
        ...

    def sign(self, algorithm: str, message: bytes) -> bytes:
        """A signature over `message`. Raises Unsupported.

        `algorithm`: `hmac-sha256`, `hmac-sha512`, `ed25519`, `ecdsa-p256-sha256`; with `-base64` behind it the key is what
        the secret decodes to.
        """
        ...

    @property
    def passphrase(self) -> str:
        """What some venues want said in plain beside the key; empty where there is none."""
        ...

    def now_ns(self) -> int:
        """The time to sign with (a codec reads no clock)."""
        ...

    def nonce(self) -> int:
        """A number above every one handed out before for this key, over restarts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account: its name in the configuration, its signer, and the plugin's own options for it."""

    name: str
    signer: Signer
    options: Any = None  # `VenueSpec.account_options`, filled


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """What the venue allows one account, and how its connection is kept.

    Connection attempts count with those of the first group of market data: they are limited by address.
    """

    rest_cost_max: float = 15.0  # the account's REST counter may not pass this ...
    rest_decay_per_s: float = 0.33  # ... and falls by this much a second
    silence_s: float = 15.0  # no frame for this long: the connection is dead
    ping_s: float | None = 10.0  # application ping (Pinger) this often
    snapshot_timeout_s: float = 15.0  # the private channels' snapshots are due after this long
    rest_lag_s: float = 60.0  # what the stream said may be missing in REST for this long


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of an account from before: a codec is new for each connection and can't remember."""

    since_ns: int  # fills and ends of orders from this time on are asked for
    trade_id: str | None = None  # of the last fill
    orders: tuple[str, ...] = ()  # the venue's ids of orders that were open: what became of them is asked for


class Rights(NamedTuple):
    """What a key may do, in the venue's words, and whether it can take money out."""

    names: tuple[str, ...]
    may_withdraw: bool


class AccountCodec(Protocol):
    """One account's connection."""

    @property
    def limits(self) -> AccountLimits:
        """What the venue allows this account."""
        ...

    def endpoint(self) -> HttpFlow[Endpoint]:
        """Where to connect; fetches a fresh token where the venue has them."""
        ...

    def login(self) -> Generator[Frame, Frame, None]:
        """Frames to send and answers to wait for before the connection is usable (a challenge, say).

        Every frame that comes while it runs is sent in; yielding `b""` sends nothing and waits for the next one. `decode`
        is given those frames too.
        """
        ...

    def open(self) -> Sequence[Frame]:
        """Frames that subscribe the private channels, sent after `login`."""
        ...

    def download(self, known: Known) -> HttpFlow[AccountSnapshot]:
        """All that is open, what ended since, fills since the last known one, funds, positions. Raises VenueError.

        Asked right after connecting, and again and again to compare. Where the venue pages, all pages. Fills are asked for
        after orders, so that what an order says it traded is among them unless the venue's answers lag.
        """
        ...

    def funds(self) -> HttpFlow[Sequence[FundsUpdate]]:
        """Only the funds, with hold and available, where the stream does not tell these. Raises VenueError."""
        ...

    def rights(self) -> HttpFlow[Rights]:
        """What the key may do. Raises VenueError, and Unsupported where the venue does not tell."""
        ...

    def decode(self, frame: Frame, received_ns: int) -> Sequence[AccountMessage]:
        """As for market data. Acks that come by frame come from here."""
        ...


class Fees(Protocol):
    """An AccountCodec that can tell what its account pays (Support.FEES). The account that is `master` is asked."""

    def fees(self, instruments: Sequence[Instrument]) -> HttpFlow[Sequence[FeesUpdate]]:
        """What the account pays at present in these markets, in as few requests as can be. Raises VenueError.

        A market that the venue does not tell of is left out; so is a fee (maker, taker) it does not tell.
        """
        ...
