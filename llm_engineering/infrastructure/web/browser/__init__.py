"""A real browser, for pages that only show themselves to one."""
