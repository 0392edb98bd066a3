"""Orders at the rim: halts and policies that outlive the process, and paper trading."""
