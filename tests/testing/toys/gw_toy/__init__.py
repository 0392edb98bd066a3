"""Toy plugins that pass every card, and know one bug for each."""
