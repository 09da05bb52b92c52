"""Local folders, single files and the exports of platforms."""
