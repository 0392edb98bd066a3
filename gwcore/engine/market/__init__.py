"""Market data, one connection at a time: subscriptions, books and feeds, what doubts them, and how they heal. Pure."""
