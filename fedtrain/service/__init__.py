"""The common parts of the three services: the web application's frame, the store, secret files, settings, signals."""
