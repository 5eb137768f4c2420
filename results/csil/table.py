"""Reads the runs that run.sh made: adds them to curves.csv beside this file, and prints all of it as a table in Markdown."""

import pathlib
import sys

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent))
from curves import cell, gather  # noqa: E402

columns = "policy before | before any update | lowest point | best point | last point"
print(f"| task | arm | seed | {columns} | decisions so far |\n|---|---|---|---|---|---|---|---|---|")
for key, own in gather(pathlib.Path(sys.argv[1]), here / "curves.csv").items():
    later = [point for point in own if point[0] > 0] or own[-1:]
    start = own[min(1, len(own) - 1)]
    lowest, best = (choose([start, *later], key=lambda point: point[2]) for choose in (min, max))
    shown = [own[0], start, lowest, best, later[-1]]
    print(f"| {' | '.join(key)} | {' | '.join(map(cell, shown))} | {later[-1][0]} |")
