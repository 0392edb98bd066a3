"""What a venue can and allows, as tables: of what its plugin declares, and of nothing else. See scripts/docs-reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gwcore.model import OrderType, TimeInForce
from gwcore.testing.conformance.card import Kind
from gwcore.testing.conformance.catalogue import cards_of
from gwcore.venue import Account, OrderFeature, RequestKind, Support, VenueSpec

#: What a client has of an ability. A new one without a line here fails `make docs`.
MEANINGS: Mapping[Support, str] = {
    Support.REFERENCE_DATA: "instruments with tick, lot, minima and status: `reference_data`",
    Support.MARKET_STATUS: "what a market, or the venue, allows now: `market_status`",
    Support.TOP_OF_BOOK: "best bid and ask: `top_of_book`, made from the book",
    Support.MARKET_BY_PRICE: "books by price (L2): `market_by_price`",
    Support.MARKET_BY_ORDER: "books by order (L3): `market_by_order`",
    Support.TRADE_SUMMARY: "public trades: `trade_summary`",
    Support.TRADE_HISTORY: "trades that an outage took are fetched afterwards",
    Support.STATISTICS: "the day's statistics: `statistics`",
    Support.TIME_SERIES: "candles: `time_series`",
    Support.CANDLE_HISTORY: "candles that span an outage are fetched afterwards",
    Support.BOOK_CHECKSUM: "each book message carries a checksum, which is compared",
    Support.BOOK_SEQUENCE: "book messages are numbered by the venue, and the numbers are compared",
    Support.ACCOUNT: "orders, fills, funds and positions of accounts",
    Support.ORDERS: "requests for orders",
    Support.FEES: "fees in each market, of the account that is `master`",
}


class NoSigner:
    """Stands where a key would be: tables need none."""

    def sign(self, *_: object) -> bytes:
        """Refuse. Raises AssertionError."""
        raise AssertionError("a table needs no signature")


def rows_of(spec: VenueSpec) -> Iterable[tuple[str, ...]]:
    """(ability, claimed, what it means, cards) of each ability there is."""
    for support in Support:
        cards = [card.id for card in cards_of(Kind.VENUE) if support in card.needs | card.needs_one_of]
        claimed = "yes" if support in spec.supports else "no"
        shown = ", ".join(f"`{card}`" for card in cards) or "`VEN-P50`"
        yield f"`{support.value}`", claimed, MEANINGS[support], shown if claimed == "yes" else ""


def words(members: Iterable[Any], of: type) -> str:
    """Names of an enumeration's members, in its order, and those that are missing."""
    has = set(members)
    missing = [member.value for member in of if member not in has]  # type: ignore[attr-defined]
    text = ", ".join(f"`{member.value}`" for member in of if member in has)  # type: ignore[attr-defined]
    return text + (f"; not: {', '.join(missing)}" if missing else "")


def orders_of(spec: VenueSpec, options: object = None, *, connected: bool = True) -> Any:
    """The plugin's orders, without a key: over a connection of the account, or by REST alone."""
    assert spec.orders is not None
    settings = spec.settings()
    account = Account(name="table", signer=NoSigner(), options=options)  # type: ignore[arg-type]
    return spec.orders(settings, account, spec.streams(settings).account(account) if connected else None)


def order_rows(spec: VenueSpec) -> Iterable[tuple[str, ...]]:
    """(what, what of it the venue has) about orders."""
    has = orders_of(spec).abilities
    yield "order types", words(has.order_types, OrderType)
    yield "times in force", words(has.times_in_force, TimeInForce)
    yield "beyond type, side, quantity and price", words(has.features, OrderFeature)
    yield "change of a standing order", "yes, it keeps its id" if has.can_modify else "no"
    yield "orders in one request", f"{has.batch_max} to create, {has.cancel_batch_max} to cancel"
    rest = orders_of(spec, connected=False).abilities.deadline_s
    for way, deadline_s in (("deadline of a request", has.deadline_s), ("... where the stream is down (REST)", rest)):
        yield way, "none" if deadline_s is None else "{:g} s to {:g} s".format(*deadline_s)
    timer = has.cancel_timer_max_s
    yield "dead-man timer", "none" if timer is None else f"up to {timer:,} s"


def limit_rows(spec: VenueSpec) -> Iterable[tuple[str, ...]]:
    """(limit, value) of market data."""
    limits = spec.streams(spec.settings()).limits
    for name, group in limits.groups.items():
        channels = ", ".join(f"`{channel.value}`" for channel in sorted(group.channels))
        yield f"connections `{name}`", channels
        yield "symbols a connection", f"{group.symbols_per_connection}"
        yield "symbols in one subscription", f"{group.topics_per_request}"
        yield "subscriptions a second, on one connection", f"{group.requests_per_s:g}"
        yield "attempts to connect", f"{group.connects} in {group.connects_window_s:g} s, for the whole process"
        yield "a connection is dead after silence of", f"{group.silence_s:g} s"
    yield "book depths", ", ".join(map(str, limits.depths))
    rest = limits.rest
    yield (
        "public REST",
        f"{1 / rest.interval_s:g} a second of one pair" + (f", {rest.per_s:g} a second together" if rest.per_s else ""),
    )


def tier_rows(spec: VenueSpec, tiers: Iterable[str]) -> Iterable[tuple[str, ...]]:
    """(tier, counter, decay, open orders) of each tier of an account."""
    assert spec.account_options is not None
    for tier in tiers:
        limits = orders_of(spec, spec.account_options(tier=tier)).limits
        (counter,) = limits.counters
        of = "each symbol" if counter.per_symbol else "the account"
        yield (
            f"`{tier}`",
            f"{counter.maximum:g}, of {of}",
            f"{counter.decay_per_s:g}",
            f"{limits.open_orders_per_symbol}",
        )


def cost_rows(spec: VenueSpec) -> Iterable[tuple[str, ...]]:
    """(request, cost whatever the age, cost by the order's age) of the first counter."""
    counter = orders_of(spec).limits.counters[0]
    for kind in RequestKind:
        cost = counter.costs[kind]
        by_age = ", ".join(f"{value:g} below {age:g} s" for age, value in cost.by_age)
        taken = "; taken over the limit too" if kind in counter.always_taken else ""
        yield f"`{kind.value}`", f"{cost.fixed:g}", (by_age or "nothing") + taken


def environment_rows(spec: VenueSpec) -> Iterable[tuple[str, ...]]:
    """(environment, addresses) of each environment."""
    for name, values in spec.environments.items():
        yield f"`{name}`", ", ".join(f"`{value}`" for value in values.values() if value)
