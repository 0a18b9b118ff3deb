"""The Model Owner's half of networks: the mean of the owners' updates, applied round by round."""
