"""Runs an installed tusou as its README says: the examples, and the search that it prints.

    trial.py PROGRAM DATA EXAMPLES

Needs nothing but Python's own library. Prints the answer of the search.
"""

import base64
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path


def main() -> None:
    """Start the server, search, stop it."""
    program, data, examples = sys.argv[1:]
    command = [program, "serve", "--port", "0", "--data", data, "--demo", examples]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = ""
            while not url:
                line = server.stdout.readline()
                assert line, "the server has ended"
                url = "".join(re.findall(r"^curl '(\S+)'", line))
            picture = base64.b64encode((Path(examples) / "query" / "cat.jpg").read_bytes())
            form = urllib.parse.urlencode({"image": picture, "rn": 3}).encode()
            with urllib.request.urlopen(url, form, timeout=60) as answer:
                print(answer.read().decode())
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
