"""The tables of this folder's README from what `protege compare RUNS... --json` prints: python3 tables.py < compare.json"""

import json
import sys

TASKS = ["lab/lift", "lab/pick-place", "lab/assembly"]
PRETRAINING = {"bc": "BC", "sigma-bc": "σ-BC", "post-bc": "PostBC"}
FINETUNING = {"best-of-n": "best-of-N", "dsrl": "DSRL", "dppo": "DPPO"}


def share(figure):
    return f"{100 * figure['success']:.1f}% [{100 * figure['low']:.1f}, {100 * figure['high']:.1f}]"


def area(figure):
    interval = figure["interval"]
    return f"{100 * figure['value']:.1f}% [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def steps(by_seed):
    return ", ".join("–" if n is None else f"{n / 1000:.0f}k" for n in by_seed)


def pretrained(runs):
    print("| task | demonstrations | BC | σ-BC | PostBC |\n|---|---|---|---|---|")
    for task in TASKS:
        for demos in (5, 10, 30):
            cells = [next((share(r["before"]) for r in runs if key(r) == (task, demos, name, "none")), "not run") for name in PRETRAINING]
            print(f"| `{task}` | {demos} | {' | '.join(cells)} |")


def finetuned(runs):
    print("\n| task | demonstrations | finetuning | pretraining | before | after | area | steps to 80%, by seed | control steps per seed |")
    print("|---|---|---|---|---|---|---|---|---|")
    order = {name: i for i, name in enumerate([*FINETUNING, *PRETRAINING])}
    done = [r for r in runs if r["finetune"] in FINETUNING]
    for r in sorted(done, key=lambda r: (TASKS.index(r["task"]), r["demos"], order[r["finetune"]], order[r["pretrain"]])):
        who = f"| `{r['task']}` | {r['demos']} | {FINETUNING[r['finetune']]} | {PRETRAINING[r['pretrain']]}"
        figures = f"{share(r['before'])} | {share(r['after'])} | {area(r['area_under_curve'])} | {steps(r['steps_to_80'])}"
        print(f"{who} | {figures} | {r['env_steps'] / r['seeds'] / 1000:.0f}k |")


def key(run):
    return run["task"], run["demos"], run["pretrain"], run["finetune"]


if __name__ == "__main__":
    runs = json.load(sys.stdin)["runs"]
    pretrained(runs)
    finetuned(runs)
