"""The engine's only door to what is kept: a small protocol, and what implements it."""
