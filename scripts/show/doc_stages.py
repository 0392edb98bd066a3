"""What has to run, or be there, before the blocks of a page do: a stage of lines for the page's shell, by page. See 10-5.

A page without an entry brings all that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping

#: A simulated Kraken with an account, and a gateway by the name `kraken` in the default place, that trades there.
GATEWAY = r"""
mkdir -p "$HOME/stage"
cat > "$HOME/stage/gateway.toml" <<END
[gateway]
venue = "kraken"
env = "sim"
transports = [$TRANSPORTS]
sinks = ["file"]
[account.main]
key = "file:$HOME/stage/keys/account1.key"
secret = "file:$HOME/stage/keys/account1.secret"
trading = "live"
master = true
[user.me]
uids = [$(id -u)]
accounts = ["main"]
verbs = ["md", "read", "create", "modify", "cancel", "admin"]
drop_copy = true
$MORE
END
echo 'gw sim kraken --pairs 20 --accounts 1 --account-rate 2 --keys "$HOME/stage/keys"' > "$HOME/stage/sim"
echo 'gw run --config "$HOME/stage/gateway.toml"' > "$HOME/stage/gateway"
own "$HOME/stage/sim"
own "$HOME/stage/gateway"
gw status --wait 60
"""
UNIX = "TRANSPORTS='\"unix\"' MORE=''\n" + GATEWAY

#: The same behind a nats-server with the user `ann`.
NATS = (
    r"""
mkdir -p "$HOME/stage"
echo secret > "$HOME/stage/password"
chmod 600 "$HOME/stage/password"
echo 'nats-server -a 127.0.0.1 -p 4222 --user ann --pass secret' > "$HOME/stage/nats"
own "$HOME/stage/nats"
TRANSPORTS='"unix", "nats"'
MORE='[transport.nats]
url = "nats://127.0.0.1:4222"
user = "ann"
password = "file:'"$HOME"'/stage/password"'
"""
    + GATEWAY
)

#: What such a gateway left when it ended: journal and archive, all of whose files are finished.
RECORDED = r"""
mkdir -p "$HOME/stage"
echo 'gw sim kraken --pairs 20' > "$HOME/stage/sim"
own "$HOME/stage/sim"
gw run --venue kraken --env sim --transport unix --sink file --duration 8
"""

#: A simulator alone, with accounts and faults to switch.
SIMULATOR = r"""
mkdir -p "$HOME/stage"
echo 'gw sim kraken --pairs 20 --accounts 1 --keys "$HOME/stage/keys"' > "$HOME/stage/sim"
own "$HOME/stage/sim"
"""

STAGES: Mapping[str, str] = {
    "README.md": UNIX,
    "docs/accounts.md": UNIX,
    "docs/archive.md": RECORDED,
    "docs/faults.md": SIMULATOR,
    "docs/journal.md": UNIX,
    "docs/nats.md": NATS,
    "docs/operating.md": UNIX,
    "docs/orders.md": UNIX,
    "docs/runbook.md": UNIX,
    "docs/safety.md": UNIX,
    "plugins/sinks/README.md": RECORDED,
    "plugins/transports/README.md": UNIX,
}

#: Pages whose commands are meant for a clone of the repository: they begin there.
IN_CLONE = frozenset({"README.md", "CONTRIBUTING.md", "docs/cards.md", "docs/first-five-minutes.md"})
#: Pages for who has the wheels, and pip.
WITH_WHEELS = frozenset({"docs/tutorial-venue.md"})
#: Run word for word by another show, of which 10-5 takes a part.
BY_INSTALL = "docs/install.md"
#: Ports that pages name: whoever has one has to end before.
PORTS = (4222, 9180, 9190)
