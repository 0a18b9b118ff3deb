"""The part of a Data Owner that works through the Facilitator's tasks."""
