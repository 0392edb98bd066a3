"""For plugin authors and our own tests: conformance cards, seeded simulation, simulated venues on loopback."""
