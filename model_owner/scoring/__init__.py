"""Private scoring at the Model Owner: who may score which model, how much of it that tells, and the answers."""
