"""gwcore: a plugin-based exchange gateway. Plugins start from `hookimpl` and `API_VERSION`."""

from gwcore.hookspecs import API_VERSION, hookimpl

__version__ = "0.1.0"

__all__ = ["API_VERSION", "__version__", "hookimpl"]
