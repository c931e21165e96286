"""tusou (图搜): an image-search server anyone can run."""

__version__ = "0.1.0"
