"""Tables out of the owner's own databases: what one SELECT gives, kept as a file like an upload."""
