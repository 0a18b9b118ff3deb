"""An owner put together from its settings, and at work for as long as its application runs."""
