"""Numbers and small values that instances share for a while: a port, and its adapters."""
