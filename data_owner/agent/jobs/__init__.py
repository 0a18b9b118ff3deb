"""Jobs at one owner: driven by the Facilitator's tasks and by what people here decide, until they are over."""
