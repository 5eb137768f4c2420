"""Reads the runs that run.sh made: adds them to curves.csv beside this file, and prints all of it as a table in Markdown."""

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


def earlier(file_of_all):
    """The points of runs whose folders may be gone."""
    with open(file_of_all, newline="") as file:
        for task, arm, seed, decisions, steps, success, episodes in list(csv.reader(file))[1:]:
            yield (task, arm, seed, int(decisions), int(steps), float(success), int(episodes))


def main():
    root, file_of_all = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent / "curves.csv"
    rows = []
    for arm in sorted(root.glob("*/*")):
        for run in sorted(run for run in arm.iterdir() if run.name.isdigit()):
            rows += [(arm.parent.name, arm.name, run.name, *point) for point in points(run)]
    new = {row[:3] for row in rows}
    rows = sorted([row for row in earlier(file_of_all) if row[:3] not in new] + rows, key=lambda row: row[:3])
    with open(file_of_all, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["task", "arm", "seed", "decisions", "control_steps", "success", "episodes"])
        writer.writerows(rows)
    print("| task | arm | seed | policy before | clone | best point | last point | decisions so far |\n|---|---|---|---|---|---|---|---|")
    for key in sorted({row[:3] for row in rows}):
        own = [row[3:] for row in rows if row[:3] == key]
        later = [point for point in own if point[0] > 0] or own[-1:]
        shown = [own[0], own[min(1, len(own) - 1)], max(later, key=lambda point: point[2]), later[-1]]
        cells = []
        for _, _, success, n in shown:
            low, high = wilson(success * n, n)
            cells.append(f"{100 * success:.0f}% [{100 * low:.0f}, {100 * high:.0f}]")
        print(f"| {' | '.join(key)} | {' | '.join(cells)} | {later[-1][0]} |")


if __name__ == "__main__":
    main()
