"""Routes of datasets: registered, published on a card, and looked into."""
