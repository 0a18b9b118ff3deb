"""What the three services share: the web application's frame, the store, secret files, settings, signals."""
