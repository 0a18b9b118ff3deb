"""The pages that a service shows in a browser, and the sessions in which people use them."""
