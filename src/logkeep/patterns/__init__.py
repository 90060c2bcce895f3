"""Messages into templates: pure, no input or output, nothing that outlives the process."""
