"""How a party reaches the Facilitator: an HTTP client, and the agent that works its tasks off."""
