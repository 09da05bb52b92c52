"""Does retrieval find what it should? Question sets, metrics, and runs over configurations."""
