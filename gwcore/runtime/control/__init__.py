"""What an operator can have a running gateway do."""
