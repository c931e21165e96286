"""What takes long and goes on in the background: imports, exports, rebuilds, moves; who is told."""
