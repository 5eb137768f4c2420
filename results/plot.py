"""Draws the learning curves of csil and td-mpc from their curves.csv into docs/images: python3 results/plot.py (needs matplotlib)."""

import csv
import pathlib
from collections import defaultdict

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = pathlib.Path(__file__).parent
# Method: (folder, tasks, {arm: (label, colour)}). Colours are Okabe and Ito's, which everyone can tell apart.
FIGURES = {
    "csil": (
        ["pick-place", "box-close", "assembly"],
        {
            "csil-ensemble": ("CSIL", "#0072b2"),
            "csil-success-ensemble": ("CSIL, success earns", "#009e73"),
            "xqc-ensemble": ("XQC, sparse reward", "#d55e00"),
            "rlpd-ensemble": ("RLPD, sparse reward", "#e69f00"),
            "sac-ensemble": ("SAC, sparse reward", "#999999"),
        },
    ),
    "td-mpc": (
        ["pick-place", "box-close"],
        {"balanced": ("half demonstrations", "#0072b2"), "vanilla": ("no demonstrations", "#d55e00")},
    ),
}


def curves(method):
    """Success by (task, arm) and seed: that of the pretrained policy, and the curve, decisions to success."""
    points = defaultdict(dict)
    with open(HERE / method / "curves.csv", newline="") as file:
        for row in csv.DictReader(file):
            success = 100 * float(row["success"])
            key = row["task"].removeprefix("lab/"), row["arm"]
            if row["kind"] == "before":
                points[key][row["seed"]] = (success, {})
            else:
                points[key][row["seed"]][1][int(row["decisions"])] = success
    return points


def mean(values):
    return sum(values) / len(values)


def panel(axes, task, arms, points):
    before = next(points[task, arm] for arm in arms if (task, arm) in points)
    level = mean([pretrained for pretrained, _ in before.values()])
    axes.axhline(level, color="#444444", linewidth=1, linestyle=":", label="pretrained policy")
    for arm, (label, colour) in arms.items():
        seeds = [curve for _, curve in points.get((task, arm), {}).values()]
        for curve in seeds:
            axes.plot(curve.keys(), curve.values(), color=colour, linewidth=0.7, alpha=0.4)
        shared = sorted(set.intersection(*(set(curve) for curve in seeds))) if seeds else []
        axes.plot(shared, [mean([curve[at] for curve in seeds]) for at in shared], color=colour, linewidth=2.2, label=label)
    axes.set_title(f"lab/{task}", fontsize=11)
    axes.set_ylim(0, 101)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:.0f}k" if x else "0")
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.set_xlabel("decisions of practice")
    axes.spines[["top", "right"]].set_visible(False)


for method, (tasks, arms) in FIGURES.items():
    points = curves(method)
    figure, panels = plt.subplots(1, len(tasks), figsize=(3.6 * len(tasks), 3.4), sharey=True, layout="constrained")
    for axes, task in zip(panels, tasks):
        panel(axes, task, arms, points)
    panels[0].set_ylabel("success, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(HERE.parent / "docs" / "images" / f"{method}-curves.png", dpi=130, metadata={"Software": None})
