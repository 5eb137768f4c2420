"""Measures upstream's own Python and protege in turns on this machine and prints a table. See README.md."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

# What protege calls each figure.
FIGURES = {
    "steps": "upstream_steps_per_s",
    "resets": "upstream_resets_per_s",
    "soft-resets": "upstream_resets_per_s",
    "frames": "upstream_frames_per_s",
    "plain-frames": "upstream_frames_per_s",
}
# Whose Python: the script of its turns, its figures and its packages.
UPSTREAMS = {
    "robots": ("upstream.py", ["steps", "resets", "frames"], ["mujoco", "metaworld", "gymnasium-robotics", "gymnasium"]),
    "robosuite": ("robosuite_upstream.py", list(FIGURES), ["mujoco", "robosuite", "numpy", "numba"]),
}
# Mesa's software renderer draws on the calling thread, and no library of Python's starts threads of its own.
ALONE = {"LP_NUM_THREADS": "0", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "MUJOCO_GL": "egl", "PYTHONWARNINGS": "ignore"}


def output(args, command):
    """What a program prints that runs on the one core."""
    command = ["taskset", "-c", args.core, *command]
    done = subprocess.run(command, env={**os.environ, **ALONE}, check=True, stdout=subprocess.PIPE, text=True)
    # Deprecations are printed above it.
    return json.loads(done.stdout[done.stdout.index("{") :])


def ours(args, figure):
    command = [args.protege, "bench", "--json", "--quiet", "--only", FIGURES[figure], "--repeats", str(args.repeats)]
    return {row["size"].split(",")[0]: row["value"] for row in output(args, command)["rows"]}


def theirs(args, figure):
    worker = Path(__file__).with_name(UPSTREAMS[args.upstream][0])
    return output(args, [sys.executable, str(worker), figure, "--repeats", str(args.repeats)])


def measure(args, figure):
    """Turns of both sides: {task: {"protege": [...], "python": [...]}}."""
    turns = [{"protege": ours(args, figure), "python": theirs(args, figure)} for _ in range(args.rounds)]
    return {task: {side: [turn[side][task] for turn in turns] for side in turns[0]} for task in turns[0]["python"]}


def spread(values):
    return f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def row(figure, task, found):
    # Both sides of a turn are slowed down alike by what else the machine does; so the ratio is taken turn by turn.
    ratios = [a / b for a, b in zip(found["protege"], found["python"])]
    ratio = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    return f"| {figure}/s | `{task}` | {spread(found['protege'])} | {spread(found['python'])} | {ratio} |"


def processor():
    with open("/proc/cpuinfo") as file:
        return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protege", default="protege", help="the program")
    parser.add_argument("--upstream", choices=UPSTREAMS, default="robots", help="whose Python: Meta-World's and gymnasium-robotics', or robosuite's")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--repeats", type=int, default=3, help="measurements in a turn, of which the median counts")
    parser.add_argument("--core", default="0", help="the core that both run on, as `taskset -c` takes it")
    parser.add_argument("--only", nargs="+", choices=FIGURES, help="all, unless it is said")
    parser.add_argument("--out", help="a file for all figures, as JSON")
    args = parser.parse_args()
    _, all_figures, package_names = UPSTREAMS[args.upstream]
    chosen = args.only or all_figures
    if not set(chosen) <= set(all_figures):
        parser.error(f"{args.upstream} has {', '.join(all_figures)}")

    program = subprocess.run([args.protege, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    machine = f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    packages = ", ".join(f"{name} {version(name)}" for name in package_names)
    versions = f"{program}, {packages}, Python {platform.python_version()}"
    lines = [machine, versions, "", "| what | task | protege, median (range) | Python | ratio |", "|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    figures = {}
    for figure in chosen:
        figures[figure] = measure(args, figure)
        print("\n".join(row(figure, task, found) for task, found in figures[figure].items()), flush=True)
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"machine": machine, "versions": versions, "per_second": figures}, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
