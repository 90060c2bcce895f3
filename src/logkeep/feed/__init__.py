"""Beside station 4: what the store has taken in, told to whoever looks on. port.py says what a feed promises."""
