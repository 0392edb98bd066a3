"""The `gw` command, one file a sub-command."""
