"""The simulator's checksum rule against the published vectors, in both of its forms."""

from __future__ import annotations

import json

import pytest
from gw_sim_kraken.market.checksum import checksum_of_parts, checksum_of_texts

from gwcore.testing.fixtures import fixture_path, requires_fixtures


def vectors():
    return list(json.loads(fixture_path("kraken-spot/checksum-vectors.json").read_bytes()))


@requires_fixtures
@pytest.mark.parametrize("number", range(8))
def test_vectors(number: int) -> None:
    case = vectors()[number]
    if "level3" in case["protocol"] or "l3" in case["name"]:
        pytest.skip("orders instead of levels: the level3 channel is not simulated yet")
    assert checksum_of_texts(case["asks"], case["bids"]) == case["checksum"]
    asks, bids = (
        [f"{int(price.replace('.', ''))}{int(quantity.replace('.', ''))}" for price, quantity in case[side][:10]]
        for side in ("asks", "bids")
    )
    assert checksum_of_parts(asks, bids) == case["checksum"]
