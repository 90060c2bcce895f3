"""Station 3: reads frames from the queue, turns them into events, writes batches to the store, commits."""
