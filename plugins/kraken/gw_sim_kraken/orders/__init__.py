"""Orders of simulated accounts: read, checked, matched, amended, cancelled."""
