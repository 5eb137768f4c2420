"""Reads the runs that run.sh made: adds them to curves.csv beside this file, and prints all of it as tables in Markdown: means, then seeds."""

import pathlib
import sys

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent))
from curves import cell, gather, mean_cell  # noqa: E402

ARMS = ["balanced", "vanilla", "bc-only", "csil", "post-bc-dsrl"]


def marks(own):
    """The pretrained policy, the first point of the curve, its lowest, its best, its last, and the mean of its last three, in percent."""
    later = [point for point in own if point[0] > 0] or own[-1:]
    tail = [point[2] for point in later[-3:]]
    chosen = [own[0], own[min(1, len(own) - 1)], min(later, key=lambda point: point[2]), max(later, key=lambda point: point[2]), later[-1]]
    return chosen, sum(tail) / len(tail)


seeds = {key: marks(own) for key, own in gather(pathlib.Path(sys.argv[1]), here / "curves.csv").items()}
last_decisions = {key: own[0][-1][0] for key, own in seeds.items()}

print("| arm | seeds | policy before | before any update | lowest point | last point | mean of the last three |\n|---|---|---|---|---|---|---|")
for arm in sorted({key[1] for key in seeds}, key=ARMS.index):
    own = [marked for key, marked in seeds.items() if key[1] == arm]
    before, start, lowest, _, last = ([100 * point[2] for point in column] for column in zip(*(points for points, _ in own)))
    tail = [100 * mean for _, mean in own]
    each = ", ".join(f"{value:.0f}" for value in tail)
    print(f"| {arm} | {len(own)} | {' | '.join(map(mean_cell, (before, start, lowest, last, tail)))} ({each}) |")

print("\n| arm | seed | policy before | before any update | lowest point | best point | last point | decisions so far |\n|---|---|---|---|---|---|---|---|")
for key in sorted(seeds, key=lambda key: (ARMS.index(key[1]), key[2])):
    print(f"| {key[1]} | {key[2]} | {' | '.join(map(cell, seeds[key][0]))} | {last_decisions[key]} |")
