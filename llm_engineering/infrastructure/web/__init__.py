"""Pages, repositories and folders."""
