"""What Logkeep knows about apps, keys and people; port.py says what a metastore answers."""
