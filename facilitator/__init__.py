"""The Facilitator: it coordinates the rounds of a job and adds ciphertexts."""

if __name__ == "facilitator":
    raise ImportError("its import name is fedtrain.facilitator: from fedtrain import facilitator")
