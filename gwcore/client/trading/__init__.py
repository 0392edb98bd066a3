"""The client's trading side: forms, outcomes, and orders followed."""
