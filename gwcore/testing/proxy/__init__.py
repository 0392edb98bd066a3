"""A TCP proxy on loopback with a network's faults, between any client and any server: see `proxy` for how to use it."""

from gwcore.testing.proxy.faults import ProxyCounts, WayFaults
from gwcore.testing.proxy.proxy import FaultProxy, fault_proxy
from gwcore.testing.proxy.switch import LineSwitch
from gwcore.testing.proxy.thread import ProxyThread, proxy_thread

__all__ = ["FaultProxy", "LineSwitch", "ProxyCounts", "ProxyThread", "WayFaults", "fault_proxy", "proxy_thread"]
