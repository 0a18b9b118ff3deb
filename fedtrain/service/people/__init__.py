"""A party's own people: accounts, their roles, and what each role may."""
