"""What tests share: pictures drawn by code, and a real server to talk to."""
