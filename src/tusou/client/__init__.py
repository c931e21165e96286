"""Clients of a tusou server; needs httpx only, and neither NumPy nor a model."""

from tusou.client.aip import AipImageSearch as AipImageSearch
