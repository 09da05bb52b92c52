"""From a link to documents: choose a crawler, and turn what was fetched into raw documents."""
