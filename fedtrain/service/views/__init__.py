"""Jobs and requests as every party tells its own people of them."""
