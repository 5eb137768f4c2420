"""Reads the runs that run.sh made: adds them to curves.csv beside this file, and prints all of it as a table in Markdown.

    python3 results/robosuite/table.py runs/robosuite
"""

import csv
import json
import pathlib
import sys
from collections import defaultdict

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent))
from curves import seed_points  # noqa: E402

CURVES = here / "curves.csv"
COLUMNS = ["task", "pretrain", "finetune", "seed", "kind", "decisions", "control_steps", "success", "episodes"]
PRETRAIN = {"bc": "BC", "post-bc": "PostBC"}


def rows_of(folder):
    """The rows of one run: every evaluation while it practiced, and the one of the agent that is kept."""
    summary = json.loads((folder / "summary.json").read_text())
    name = [summary["task"].split("/")[1], summary["pretrain"], summary["finetune"]]
    for result in summary["per_seed"]:
        seed = str(result["seed"])
        for decisions, steps, success, episodes in seed_points(folder / f"seed-{seed}"):
            yield [*name, seed, "curve", decisions, steps, success, episodes]
        kept = result["after"]
        yield [*name, seed, "kept", "", "", kept["success"], kept["episodes"]]


def gather(root):
    """All rows, those of runs whose folders may be gone included; curves.csv has them afterwards."""
    finetuned = [path.parent for path in sorted(root.glob("*/summary.json"))]
    new = [row for folder in finetuned for row in rows_of(folder) if row[2] != "none"]
    known = {tuple(row[:4]) for row in new}
    old = []
    if CURVES.exists():
        with open(CURVES, newline="") as file:
            old = [row for row in list(csv.reader(file))[1:] if tuple(row[:4]) not in known]
    rows = [[str(value) for value in row] for row in old + new]
    rows.sort(key=lambda row: (row[:4], row[4] == "kept", int(row[5] or 0)))
    with open(CURVES, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return rows


def percent(values):
    """The mean of the seeds, and each."""
    each = ", ".join(f"{100 * value:.0f}" for value in values)
    return f"{100 * sum(values) / len(values):.0f}% ({each})"


def main():
    runs = defaultdict(lambda: defaultdict(lambda: {"curve": [], "kept": []}))
    for task, pretrain, finetune, seed, kind, *_, success, _ in gather(pathlib.Path(sys.argv[1])):
        runs[(task, finetune, pretrain)][seed][kind].append(float(success))
    print("| task | finetuning | pretraining | as cloned | last | mean of the last three | kept agent |\n|---|---|---|---|---|---|---|")
    for (task, finetune, pretrain), seeds in sorted(runs.items()):
        curves = [seed["curve"] for seed in seeds.values()]
        before = percent([curve[0] for curve in curves])
        last = percent([curve[-1] for curve in curves])
        three = percent([sum(curve[-3:]) / len(curve[-3:]) for curve in curves])
        kept = percent([seed["kept"][0] for seed in seeds.values()])
        print(f"| `{task}` | {finetune} | {PRETRAIN[pretrain]} | {before} | {last} | {three} | {kept} |")


if __name__ == "__main__":
    main()
