"""What the tables of td-mpc, csil and upstream share: points of learning curves in runs' folders, kept in a curves.csv, and intervals."""

import csv
import json
import math

# Quantiles of Student's t for 95%, for 3 results to 8.
T = [4.303, 3.182, 2.776, 2.571, 2.447, 2.365]


def wilson(successes, n, z=1.96):
    p, centre = successes / n, successes / n + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def cell(point):
    """Success of a point (decisions, control steps, success, episodes) with its 95% interval, in percent."""
    _, _, success, n = point
    low, high = wilson(success * n, n)
    return f"{100 * success:.0f}% [{100 * low:.0f}, {100 * high:.0f}]"


def half_interval(values):
    """Half the 95% interval (t) of the mean of three results or more."""
    n, mean = len(values), sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    return T[min(n, len(T) + 2) - 3] * spread / math.sqrt(n)


def mean_cell(values):
    """The mean of seeds' results in percent, with its 95% interval from three seeds on."""
    mean = f"{sum(values) / len(values):.0f}%"
    return f"{mean} ± {half_interval(values):.0f}" if len(values) > 2 else mean


def points(folder):
    """The points of every evaluation of a run."""
    for seed in sorted(folder.glob("seed-*")):
        yield from seed_points(seed)


def seed_points(folder):
    """The points of every evaluation of a seed; none where it has not begun."""
    file = folder / "metrics.jsonl"
    for line in file.read_text().splitlines() if file.exists() else []:
        values = json.loads(line)
        if "eval/success" in values:
            yield (int(values["time/decisions"]), int(values["step"]), values["eval/success"], int(values["eval/episodes"]))


def earlier(file_of_all):
    """The points of runs whose folders may be gone."""
    with open(file_of_all, newline="") as file:
        for task, arm, seed, decisions, steps, success, episodes in list(csv.reader(file))[1:]:
            yield (task, arm, seed, int(decisions), int(steps), float(success), int(episodes))


def gather(root, file_of_all):
    """Adds the runs in root/TASK/ARM/SEED to the file; the points of all that it knows, by (task, arm, seed)."""
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
    return {key: [row[3:] for row in rows if row[:3] == key] for key in sorted({row[:3] for row in rows})}
