"""HTML to Markdown, the same way for pages, feeds, exports and files: the same article gives the same words."""
