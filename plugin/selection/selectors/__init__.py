"""Selection methods, one file each. A new file with one decorated function is all a new method needs."""
