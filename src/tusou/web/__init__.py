"""HTTP: the compatible interface, its inputs and its envelope."""
