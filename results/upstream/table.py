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


def cell(outcomes):
    """Success of (share, episodes) together, with its interval."""
    n = sum(episodes for _, episodes in outcomes)
    successes = sum(share * episodes for share, episodes in outcomes)
    low, high = wilson(successes, n)
    return f"{100 * successes / n:.0f}% [{100 * low:.0f}, {100 * high:.0f}]"


def points(run):
    """(decisions, control steps, success, episodes) of every evaluation of a run."""
    for file in sorted(run.glob("seed-*/metrics.jsonl")):
        for line in file.read_text().splitlines():
            values = json.loads(line)
            if "eval/success" in values:
                yield (int(values["time/decisions"]), int(values["step"]), values["eval/success"], int(values["eval/episodes"]))


def main():
    root, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
    runs = {}
    for summary in sorted(root.glob("*/*/*/*/summary.json")):
        suite, task, pretrain, seed = summary.relative_to(root).parts[:4]
        runs[(f"{suite}/{task}", pretrain, seed)] = list(points(summary.parent))
    with open(here / "curves.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["task", "pretrain", "seed", "decisions", "control_steps", "success", "episodes"])
        writer.writerows((*key, *point) for key, own in runs.items() for point in own)
    print("| task | pretraining | before | after best-of-N | seeds, before → after |\n|---|---|---|---|---|")
    for task, pretrain in dict.fromkeys(key[:2] for key in runs):
        own = [points for key, points in runs.items() if key[:2] == (task, pretrain)]
        before, after = [points[0][2:] for points in own], [points[-1][2:] for points in own]
        seeds = ", ".join(f"{100 * b:.0f} → {100 * a:.0f}" for (b, _), (a, _) in zip(before, after))
        print(f"| `{task}` | {pretrain} | {cell(before)} | {cell(after)} | {seeds} |")


if __name__ == "__main__":
    main()
