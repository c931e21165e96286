"""A live view of a server, by what it tells Prometheus."""
