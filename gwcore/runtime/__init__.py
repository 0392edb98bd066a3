"""The only asyncio of the core: it drives the engine's machines over real sockets, files and clocks."""
