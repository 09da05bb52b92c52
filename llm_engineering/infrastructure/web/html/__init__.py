"""What stands in a page: its article, or the links that it lists."""
