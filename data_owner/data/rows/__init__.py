"""Records one by one: those that count, what each is known by, its part of a split, and its length where it is cut."""
