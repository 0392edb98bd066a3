"""Which markets a seeded exchange has: known names with their real precisions first, then made-up ones."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gw_sim_kraken.market.listing import Asset, Listing, Pair
from gw_sim_kraken.texts import number_text


@dataclass(frozen=True, slots=True)
class Character:
    """How a market trades: where its price starts and how large its usual order is, in scaled integers."""

    price: int
    quantity: int


#: symbol, price precision, quantity precision, cost precision, smallest order, smallest cost, start price (scaled),
#: usual quantity (scaled), margin. Precisions as in the sheet and the fixtures; prices are of their time.
_KNOWN: tuple[tuple[str, int, int, int, str, str, int, int, bool], ...] = (
    ("BTC/USD", 1, 8, 5, "0.00005000", "0.50", 840_000, 9_000_000, True),
    ("ETH/USD", 2, 8, 5, "0.00100000", "0.50", 270_000, 150_000_000, True),
    ("SOL/USD", 2, 8, 5, "0.06000000", "0.50", 15_000, 2_500_000_000, True),
    ("XRP/USD", 5, 8, 5, "1.65000000", "0.50", 230_000, 90_000_000_000, True),
    ("DOGE/USD", 7, 8, 9, "50.00000000", "0.50", 2_100_000, 500_000_000_000, True),
    ("ADA/USD", 6, 8, 8, "4.40000000", "0.50", 650_000, 100_000_000_000, True),
    ("BTC/JPY", 0, 8, 3, "0.00005000", "50", 12_500_000, 3_000_000, False),
    ("SHIB/USD", 8, 5, 5, "160000.00000", "0.50", 1_250, 900_000_000_000, False),
    ("ETH/BTC", 6, 8, 10, "0.00100000", "0.00002", 32_140, 90_000_000, True),
    ("BTC/EUR", 1, 8, 5, "0.00005000", "0.45", 720_000, 7_000_000, True),
    ("ETH/EUR", 2, 8, 5, "0.00100000", "0.45", 231_000, 110_000_000, True),
    ("PEPE/USD", 9, 5, 9, "350000.00000", "0.50", 7_400, 2_500_000_000_000, False),
    ("LTC/USD", 2, 8, 5, "0.04000000", "0.50", 9_250, 900_000_000, True),
    ("DOT/USD", 4, 8, 5, "0.60000000", "0.50", 48_000, 20_000_000_000, True),
    ("LINK/USD", 5, 8, 5, "0.20000000", "0.50", 1_550_000, 6_000_000_000, True),
    ("AVAX/USD", 2, 8, 5, "0.11000000", "0.50", 2_400, 4_000_000_000, True),
    ("EUR/USD", 5, 8, 5, "0.50000000", "0.50", 112_000, 100_000_000_000, False),
    ("MINA/GBP", 4, 8, 5, "12.00000000", "0.40", 294, 600_000_000_000, False),
    ("BTC/USDT", 1, 8, 5, "0.00005000", "0.50", 839_500, 8_000_000, True),
    ("XDC/USD", 5, 5, 5, "60.00000", "0.50", 6_450, 90_000_000, False),
)
_FIAT_PRECISION = {"USD": 4, "EUR": 4, "GBP": 4, "JPY": 2}
_QUOTES = ("USD", "EUR", "USDT", "BTC")


def make_listing(count: int, seed: int, *, exponents: bool) -> tuple[Listing, dict[str, Character]]:
    """`count` markets, the same ones for the same seed; and how each trades."""
    listing = Listing(exponents=exponents)
    characters: dict[str, Character] = {}
    for row in _KNOWN[:count]:
        symbol, price_precision, qty_precision, cost_precision, qty_min, cost_min, price, quantity, margin = row
        base, quote = symbol.split("/")
        pair = Pair(symbol, base, quote, price_precision, qty_precision, cost_precision, qty_min, cost_min)
        pair.marginable, pair.position_limit_long, pair.position_limit_short = margin, 350, 250
        listing.add(pair)
        characters[symbol] = Character(price, quantity)
    for number in range(max(0, count - len(_KNOWN))):
        pair, character = _made_up(number, Random(f"{seed}/listing/{number}"))
        listing.add(pair)
        characters[pair.symbol] = character
    for asset in listing.assets.values():
        _dress(asset)
    return listing, characters


def _made_up(number: int, rng: Random) -> tuple[Pair, Character]:
    letters = "".join(chr(65 + number // 26**place % 26) for place in (2, 1, 0))
    base, quote = f"Q{letters}", rng.choice(_QUOTES)
    price_precision = rng.choice((3, 4, 4, 5, 5, 6, 8))
    qty_precision = rng.choice((8, 8, 8, 8, 5))
    price = rng.randint(2_000, 400_000)
    quantity = rng.randint(5, 5_000) * 10**qty_precision
    qty_min = number_text(max(1, quantity // 200), qty_precision)
    return (
        Pair(f"{base}/{quote}", base, quote, price_precision, qty_precision, 5, qty_min, has_index=False),
        Character(price, quantity),
    )


def _dress(asset: Asset) -> None:
    if asset.name in _FIAT_PRECISION:
        asset.precision, asset.precision_display = _FIAT_PRECISION[asset.name], 2
        asset.borrowable, asset.collateral, asset.margin_rate = True, "1.00", "0.025000"
    elif not asset.name.startswith("Q"):
        asset.precision = 10
        asset.borrowable, asset.collateral, asset.margin_rate = True, "0.95", "0.020000"
