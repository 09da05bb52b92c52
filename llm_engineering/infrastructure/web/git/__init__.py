"""Git repositories, and the users of GitHub who have them."""
