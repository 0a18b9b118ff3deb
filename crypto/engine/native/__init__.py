"""The compiled kernel, and the engine over it: eight residues at a time, threads for further cores."""
