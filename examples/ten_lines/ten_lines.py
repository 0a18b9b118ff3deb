"""A network of PyTorch, trained across bob's and alice's records, with every update under encryption."""

import torch
from sklearn.datasets import load_digits

import fedtrain

if __name__ == "__main__":
    X, y = load_digits(return_X_y=True)
    owners = fedtrain.split_among(["bob", "alice"], X[:1400] / 16, y[:1400])
    net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    model = fedtrain.FederatedNetwork(net, rounds=20, local_optimizer="adam", learning_rate=0.005)
    model.fit(owners)
    print(f"right: {model.score(X[1400:] / 16, y[1400:]):.3f}")
