"""A server killed again and again under load, and what it must still know afterwards.

`history` holds what was promised, `load` makes promises happen, `audit` compares them with what is
there, `rounds` kills and starts. `scripts/bench crash` runs them at length, tests/web/test_crash.py
for some seconds.
"""
