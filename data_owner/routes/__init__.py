"""What a Data Owner's own people may ask of it, over HTTP."""
