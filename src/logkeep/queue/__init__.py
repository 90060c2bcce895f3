"""Station 2: what was received and is not processed yet. port.py says what a queue promises."""
