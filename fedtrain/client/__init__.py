"""A party's way to the Facilitator: an HTTP client, and the agent that works its tasks off."""
