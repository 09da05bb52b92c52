"""Document and vector stores."""
