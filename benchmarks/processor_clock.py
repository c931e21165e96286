"""`processor_clock.py COMMAND …` runs a `tusou` command by the processor's clock, for `stages`."""

import sys
import time

time.perf_counter = time.process_time

from tusou.cli import main  # noqa: E402

_, _python, _m, _module, *arguments = sys.argv
sys.argv[:] = ["tusou", *arguments]
main()
