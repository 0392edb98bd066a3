"""What is told of a running gateway: metrics, status, logs, the page for a browser."""
