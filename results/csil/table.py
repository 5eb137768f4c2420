"""Reads the runs that run.sh made: adds them to curves.csv beside this file, and prints all of it as tables in Markdown: means, then seeds."""

import pathlib
import sys

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent))
from curves import cell, gather, mean_cell  # noqa: E402

ARMS = ["csil-ensemble", "csil-success-ensemble", "csil-residual", "xqc-ensemble", "xqc-residual", "rlpd-ensemble", "sac-ensemble"]
TASKS = ["pick-place", "box-close", "assembly"]


def order(known, name):
    return (known.index(name) if name in known else len(known), name)


def full(task):
    """The name of the task whose runs lie in this folder."""
    suite = next((suite for suite in ("metaworld", "adroit") if task.startswith(f"{suite}-")), None)
    return f"{suite}/{task[len(suite) + 1:]}" if suite else f"lab/{task}"


def marks(own):
    """The pretrained policy, the first point of the curve, its lowest, its best and its last."""
    later = [point for point in own if point[0] > 0] or own[-1:]
    start = own[min(1, len(own) - 1)]
    lowest, best = (choose([start, *later], key=lambda point: point[2]) for choose in (min, max))
    return [own[0], start, lowest, best, later[-1]]


seeds = {key: marks(own) for key, own in gather(pathlib.Path(sys.argv[1]), here / "curves.csv").items()}
groups = sorted({key[:2] for key in seeds}, key=lambda group: (order(TASKS, group[0]), order(ARMS, group[1])))

print("| task | arm | seeds | policy before | before any update | lowest point | drop | last point |\n|---|---|---|---|---|---|---|---|")
for task, arm in groups:
    own = [marked for key, marked in seeds.items() if key[:2] == (task, arm)]
    before, start, lowest, _, last = ([100 * point[2] for point in column] for column in zip(*own))
    drop = round(sum(lowest) / len(own) - sum(before) / len(own))
    ends = ", ".join(f"{value:.0f}" for value in last)
    cells = [f"{len(own)}", *map(mean_cell, (before, start, lowest)), f"{drop:+d}", f"{mean_cell(last)} ({ends})"]
    print(f"| `{full(task)}` | {arm} | {' | '.join(cells)} |")

columns = "policy before | before any update | lowest point | best point | last point"
print(f"\n| task | arm | seed | {columns} | decisions so far |\n|---|---|---|---|---|---|---|---|---|")
for task, arm in groups:
    for key in sorted(key for key in seeds if key[:2] == (task, arm)):
        print(f"| {' | '.join(key)} | {' | '.join(map(cell, seeds[key]))} | {seeds[key][-1][0]} |")
