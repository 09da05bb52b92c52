"""From raw documents to features: clean, chunk, embed, load."""
