"""Reads the runs that run.sh made: writes curves.csv beside this file, and prints a table in Markdown."""

import csv
import json
import math
import pathlib
import sys


def wilson(successes, n, z=1.96):
    p, centre = successes / n, successes / n + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def points(folder):
    """(decisions, control steps, success, episodes) of every evaluation of a run."""
    for file in sorted(folder.glob("seed-*/metrics.jsonl")):
        for line in file.read_text().splitlines():
            values = json.loads(line)
            if "eval/success" in values:
                yield (int(values["time/decisions"]), int(values["step"]), values["eval/success"], int(values["eval/episodes"]))


def main():
    root, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
    rows = []
    for arm in sorted(root.glob("*/*")):
        for run in sorted(run for run in arm.iterdir() if run.name.isdigit()):
            rows += [(arm.parent.name, arm.name, run.name, *point) for point in points(run)]
    with open(here / "curves.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["task", "arm", "seed", "decisions", "control_steps", "success", "episodes"])
        writer.writerows(rows)
    print("| task | arm | seed | policy before | before any update | lowest point | best point | last point | decisions so far |\n|---|---|---|---|---|---|---|---|---|")
    for key in sorted({row[:3] for row in rows}):
        own = [row[3:] for row in rows if row[:3] == key]
        later = [point for point in own if point[0] > 0] or own[-1:]
        start = own[min(1, len(own) - 1)]
        lowest, best = (choose([start, *later], key=lambda point: point[2]) for choose in (min, max))
        shown = [own[0], start, lowest, best, later[-1]]
        cells = []
        for _, _, success, n in shown:
            low, high = wilson(success * n, n)
            cells.append(f"{100 * success:.0f}% [{100 * low:.0f}, {100 * high:.0f}]")
        print(f"| {' | '.join(key)} | {' | '.join(cells)} | {later[-1][0]} |")


if __name__ == "__main__":
    main()
