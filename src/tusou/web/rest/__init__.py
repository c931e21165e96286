"""The native interface below `/v1`: JSON, HTTP status codes, and problems as RFC 9457 has them."""
