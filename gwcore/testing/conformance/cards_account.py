"""Cards A10 to A40: an account's token is renewed in time, fills come once each, a bad key ends it quietly, fees are true."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from gwcore.engine.accounts.state import AccountState
from gwcore.errors import AuthenticationError, VenueError
from gwcore.testing.conformance.account_case import AccountCase
from gwcore.testing.conformance.account_stage import AccountStage
from gwcore.testing.conformance.card import Card, require
from gwcore.testing.conformance.flows import run_flow
from gwcore.testing.conformance.venue_case import VenueCase
from gwcore.venue import Support

#: How long the first download, and the comparisons after a later one, may take.
READY_S, SETTLE_S = 30.0, 130.0
#: Fills while there is no connection: more than a venue's own snapshot is likely to hold.
OUTAGE_FILLS = 120
LIVE_FILLS = 7


def _stage(case: VenueCase) -> tuple[AccountStage, AccountCase]:
    account = case.accounts
    require(account is not None, "the venue claims ACCOUNT, and the case has no simulated account to show it")
    assert account is not None
    stage = AccountStage(case, account)
    stage.run(READY_S)
    require(
        stage.machine.state is AccountState.READY, f"{READY_S:g} s after the start it is {stage.machine.state.value}"
    )
    return stage, account


def check_token(case: VenueCase) -> None:
    """A connection lasts longer than what it was authorised with, and a frame made late is still good."""
    stage, account = _stage(case)
    refresh_s = getattr(stage.codec, "refresh_s", None)
    if refresh_s is not None:
        require(
            0 < refresh_s < account.token_s, f"it is renewed after {refresh_s:g} s, and lasts {account.token_s:g} s"
        )
        asked = stage.requests
        run_flow(stage.codec.refresh(), stage.http)  # type: ignore[attr-defined]
        require(stage.requests > asked, "renewing it asks the venue for nothing")
    before = stage.connects
    stage.run(account.token_s * 1.5)
    require(not stage.halted, f"halted: {stage.halted}")
    require(stage.connects == before, f"connected {stage.connects - before} times: {stage.closed[:3]}")
    for frame in stage.codec.open():  # with whatever it is authorised with by now
        stage.send(frame)
    stage.run(5.0)
    refused = [reason for reason in stage.closed if "session" in reason.lower() or "token" in reason.lower()]
    require(not refused, f"a frame made late is refused: {refused[:1]}")


def check_fills(case: VenueCase) -> None:
    """Fills live, while disconnected, and live again: each is told once, whichever way it came."""
    stage, account = _stage(case)
    stage.do(lambda simulator: account.fill(simulator, LIVE_FILLS))
    stage.run(5.0)
    stage.lose()
    stage.do(lambda simulator: account.fill(simulator, OUTAGE_FILLS))
    stage.run(READY_S)
    stage.do(lambda simulator: account.fill(simulator, LIVE_FILLS))
    stage.run(SETTLE_S)
    told, true = stage.fills(), list(stage.do(account.fills))
    require(len(told) == len(set(told)), f"{len(told) - len(set(told))} fills were told twice")
    missing, strange = set(true) - set(told), set(told) - set(true)
    require(not missing, f"{len(missing)} of {len(true)} fills were not told")
    require(not strange, f"{len(strange)} fills are not the venue's")


def check_bad_key(case: VenueCase) -> None:
    """A key that is good no more raises AuthenticationError wherever it is used, and is not tried again and again."""
    stage, account = _stage(case)
    stage.do(account.revoke)
    before, connects = stage.requests, stage.connects
    stage.run(600.0)
    require(bool(stage.halted), "ten minutes after the key was revoked the account goes on")
    require(
        stage.requests - before <= account.requests_max,
        f"{stage.requests - before} REST calls with a key that is no good; {account.requests_max} are enough to see it",
    )
    require(stage.connects - connects <= 3, f"{stage.connects - connects} connections were tried with it")
    for name, flow in (("rights", stage.codec.rights()), ("funds", stage.codec.funds())):
        try:
            run_flow(flow, stage.http)
        except AuthenticationError:
            continue
        except VenueError as error:
            require(False, f"{name} raises {type(error).__name__} and not AuthenticationError: {error}")
        require(False, f"{name} answers with a key that is no good")


def check_fees(case: VenueCase) -> None:
    """Fees are those that the venue has for this account, each market once, and none is made up for one there is not."""
    stage, account = _stage(case)
    true = stage.do(account.fees)
    require(bool(true), "the case names no fees of its account")
    instruments = run_flow(case.symbols().discover(), stage.http)
    known = [each for each in instruments if each.symbol in true]
    require(len(known) == len(true), "not all markets that the case names fees of are discovered")
    stranger = msgspec.structs.replace(known[0], symbol="NO/SUCH", venue_symbol="NOSUCH", aliases=())
    before = stage.requests
    rows = run_flow(stage.codec.fees([*known, stranger]), stage.http)  # type: ignore[attr-defined]
    told = {row.symbol: (row.maker_fee, row.taker_fee) for row in rows}
    require(len(told) == len(rows), "a market is told twice")
    require("NO/SUCH" not in told, "fees are told of a market that the venue does not have")
    for symbol, fees in true.items():
        found = tuple(None if fee is None else Decimal(fee) for fee in told.get(symbol, (None, None)))
        require(
            found == tuple(map(Decimal, fees)), f"{symbol}: maker and taker {told.get(symbol)} are told, true is {fees}"
        )
    asked = stage.requests - before
    require(asked <= account.fee_requests_max, f"{asked} REST calls for {len(known) + 1} markets")
    names = {row.account for row in rows}
    require(names == {stage.machine.account}, f"they are told of {sorted(names)}")


_ACCOUNT = frozenset({Support.ACCOUNT})
CARDS = (
    Card(
        id="VEN-A10", law="what authorises a connection is renewed ahead of its end", check=check_token, needs=_ACCOUNT
    ),
    Card(id="VEN-A20", law="download and live together give each fill once", check=check_fills, needs=_ACCOUNT),
    Card(id="VEN-A30", law="a bad key is fatal, and causes no storm", check=check_bad_key, needs=_ACCOUNT),
    Card(
        id="VEN-A40",
        law="fees of an account are the venue's, and of no market that it does not tell of",
        check=check_fees,
        needs=frozenset({Support.ACCOUNT, Support.FEES}),
    ),
)
