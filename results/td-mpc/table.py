"""Reads the runs that run.sh made: adds them to curves.csv beside this file, and prints all of it as a table in Markdown."""

import pathlib
import sys

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent))
from curves import cell, gather  # noqa: E402

print("| task | arm | seed | policy before | clone | best point | last point | decisions so far |\n|---|---|---|---|---|---|---|---|")
for key, own in gather(pathlib.Path(sys.argv[1]), here / "curves.csv").items():
    later = [point for point in own if point[0] > 0] or own[-1:]
    shown = [own[0], own[min(1, len(own) - 1)], max(later, key=lambda point: point[2]), later[-1]]
    print(f"| {' | '.join(key)} | {' | '.join(map(cell, shown))} | {later[-1][0]} |")
