"""Selection methods, a file or a folder each. One decorated function is all a new method needs."""
