"""Reads the runs that run.sh made: writes curves.csv beside this file, and prints a table in Markdown."""

import csv
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from curves import points, wilson  # noqa: E402


def cell(outcomes):
    """Success of (share, episodes) together, with its interval."""
    n = sum(episodes for _, episodes in outcomes)
    successes = sum(share * episodes for share, episodes in outcomes)
    low, high = wilson(successes, n)
    return f"{100 * successes / n:.0f}% [{100 * low:.0f}, {100 * high:.0f}]"


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
