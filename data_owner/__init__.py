"""The Data Owner: it answers rounds from its own records."""

if __name__ == "data_owner":
    raise ImportError("its import name is fedtrain.data_owner: from fedtrain import data_owner")
