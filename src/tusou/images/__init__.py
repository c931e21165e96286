"""Pictures: bytes or a URL in, a checked picture out."""
