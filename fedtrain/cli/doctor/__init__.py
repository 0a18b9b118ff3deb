"""`fedtrain doctor`: what keeps a party from working, or soon will, and what to do about each."""
