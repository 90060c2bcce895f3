"""What must not be stored is replaced before anything is: rules of an app, and the machine that applies them. Pure."""
