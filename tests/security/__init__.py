"""Tests of the whole server's defences; those of one module lie beside its other tests."""
