"""The Model Owner: it alone decrypts sums, and trains the model."""

if __name__ == "model_owner":
    raise ImportError("its import name is fedtrain.model_owner: from fedtrain import model_owner")
