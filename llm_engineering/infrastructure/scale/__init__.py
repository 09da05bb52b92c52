"""Work on several processes or machines at once."""
