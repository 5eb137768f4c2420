#!/usr/bin/env python3
"""Records what tiny runs of every allowed combination compute, and compares two such records.

    python3 native/tests/same_numbers.py record PROTEGE before.json     before a change
    python3 native/tests/same_numbers.py record PROTEGE after.json      after it
    python3 native/tests/same_numbers.py compare before.json after.json

A cell is pretraining x finetuning x kind of policy, on states; to these come runs from pictures,
of several tasks and on other suites. Of each cell it keeps its metrics (wall time left out), the
episodes that it played, and a hash of every weight. The numbers are those of one processor: matrix
products are rounded differently on others, so that both records must be made on one machine.

A cell that the program refuses is recorded with its sentence. Only its being refused is compared: a
sentence may change.
"""

import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PRETRAIN = ["bc", "sigma-bc", "post-bc", "value-dice"]
# Name, method, and what else the cell sets. `--finetune` takes the method.
FINETUNE = [
    ("none", "none", {}),
    ("best-of-n", "best-of-n", {}),
    ("dsrl", "dsrl", {}),
    ("dsrl-sac", "dsrl", {"finetune.dsrl.variant": "sac"}),
    ("dppo", "dppo", {}),
    ("td-mpc", "td-mpc", {"finetune.td_mpc.backbone": "td-mpc"}),
    ("td-mpc2", "td-mpc", {"finetune.td_mpc.backbone": "td-mpc2"}),
    ("csil", "csil", {}),
    ("csil-residual", "csil", {"finetune.csil.actor.compose": "residual"}),
    ("csil-alone", "csil", {"finetune.csil.actor.compose": "alone"}),
    ("xqc", "xqc", {}),
    ("rlpd", "rlpd", {}),
    ("sac", "sac", {}),
]
POLICY = [
    ("flow", {}),
    ("diffusion", {"policy.denoising_steps": 4}),
    ("diffusion-ddpm", {"policy.sampler": "ddpm", "policy.denoising_steps": 4}),
    ("gaussian", {}),
    ("squashed", {}),
    ("flow-transformer", {"policy.hidden": 32, "policy.layers": 1}),
]
PICTURES = {"env.image_size": 48, "env.parallel": 1}
# Tasks that are learned together. Named one by one, so that a new task leaves the numbers as they
# are.
FOUR = {"pretrain.tasks": ["lab/lift", "lab/pick-place", "lab/box-close", "lab/assembly"]}
# Cells outside of the table: name, arguments, settings.
MORE = [
    (
        "pictures/td-mpc",
        ["--finetune", "td-mpc", "--pretrain", "bc", "--engine", "mujoco"],
        PICTURES,
    ),
    ("pictures/csil", ["--finetune", "csil", "--pretrain", "bc", "--engine", "mujoco"], PICTURES),
    (
        "pictures/flow-transformer",
        ["--pretrain", "bc", "--finetune", "none", "--policy", "flow-transformer"]
        + ["--engine", "mujoco"],
        {**PICTURES, "policy.hidden": 32, "policy.layers": 1},
    ),
    (
        "tasks/flow-transformer",
        ["--finetune", "none", "--pretrain", "bc", "--policy", "flow-transformer"],
        {**FOUR, "policy.hidden": 32, "policy.layers": 1},
    ),
    (
        "tasks/csil",
        ["--finetune", "csil", "--pretrain", "bc", "--policy", "flow-transformer"],
        {**FOUR, "policy.hidden": 32, "policy.layers": 1},
    ),
    ("mujoco/best-of-n", ["--finetune", "best-of-n", "--engine", "mujoco"], {}),
    ("to-horizon/best-of-n", ["--finetune", "best-of-n"], {"eval.to_horizon": True}),
    (
        "paper-rules/dsrl",
        ["--preset", "paper", "--finetune", "dsrl"],
        {"policy.denoising_steps": 8, "policy.time_dim": 8},
    ),
    (
        "paper-rules/dppo",
        ["--preset", "paper", "--finetune", "dppo"],
        {"policy.denoising_steps": 8, "finetune.dppo.finetuned_steps": 4},
    ),
]
FEW_EPISODES = {
    "demos.count": 1,
    "finetune.best_of_n.rollouts": 2,
    "finetune.best_of_n.rounds": 1,
    "eval.episodes": 1,
    "eval.curve_episodes": 1,
}
SUITES = ["lab/assembly", "lab/box-close", "metaworld/pick-place", "metaworld/drawer-open"]
MORE += [
    (f"suites/{task}", ["--task", task, "--finetune", "best-of-n", "--pretrain", "bc"], FEW_EPISODES)
    for task in SUITES
]
# Settings of all cells, so small that a cell takes about a second.
SMALL = {
    "demos.count": 2,
    "env.parallel": 2,
    "env.action_repeat": 4,
    "policy.chunk": 4,
    "policy.hidden": 8,
    "policy.layers": 1,
    "policy.inference_steps": 2,
    "pretrain.bc.unit": "step",
    "pretrain.bc.updates": 25,
    "pretrain.bc.batch": 8,
    "pretrain.bc.ema_decay": 0.9,
    "pretrain.bc.ema_every": 3,
    "pretrain.bc.ema_start": 5,
    "pretrain.post_bc.unit": "step",
    "pretrain.post_bc.members": 3,
    "pretrain.post_bc.hidden": 8,
    "pretrain.post_bc.layers": 1,
    "pretrain.post_bc.updates": 25,
    "pretrain.post_bc.batch": 8,
    "pretrain.value_dice.hidden": 8,
    "pretrain.value_dice.layers": 1,
    "pretrain.value_dice.updates": 25,
    "pretrain.value_dice.batch": 8,
    "finetune.best_of_n.rollouts": 5,
    "finetune.best_of_n.rounds": 2,
    "finetune.best_of_n.updates": 60,
    "finetune.best_of_n.batch": 8,
    "finetune.best_of_n.samples": 3,
    "finetune.best_of_n.hidden": 8,
    "finetune.best_of_n.layers": 1,
    "finetune.dsrl.envs": 2,
    "finetune.dsrl.total_steps": 120,
    "finetune.dsrl.learning_starts": 16,
    "finetune.dsrl.eval_every": 60,
    "finetune.dsrl.utd_ratio": 1.5,
    "finetune.dsrl.noise_utd_ratio": 1.0,
    "finetune.dsrl.batch": 8,
    "finetune.dsrl.hidden": 8,
    "finetune.dsrl.layers": 1,
    "finetune.dppo.iterations": 3,
    "finetune.dppo.eval_every": 2,
    "finetune.dppo.episodes": 3,
    "finetune.dppo.finetuned_steps": 2,
    "finetune.dppo.epochs": 2,
    "finetune.dppo.batch": 8,
    "finetune.dppo.critic_warmup": 1,
    "finetune.dppo.hidden": 8,
    "finetune.td_mpc.envs": 2,
    "finetune.td_mpc.total_steps": 280,
    "finetune.td_mpc.clone_updates": 12,
    "finetune.td_mpc.learning_starts": 140,
    "finetune.td_mpc.seed_updates": 12,
    "finetune.td_mpc.seed_policy_decay": 20,
    "finetune.td_mpc.utd_ratio": 0.5,
    "finetune.td_mpc.eval_every": 100,
    "finetune.td_mpc.batch": 8,
    "finetune.td_mpc.horizon": 2,
    "finetune.td_mpc.latent": 8,
    "finetune.td_mpc.hidden": 8,
    "finetune.td_mpc.encoder_hidden": 8,
    "finetune.td_mpc.samples": 6,
    "finetune.td_mpc.policy_samples": 2,
    "finetune.td_mpc.elites": 2,
    "finetune.td_mpc.iterations": 2,
    "finetune.csil.critic_updates": 12,
    "finetune.csil.atoms": 5,
    "finetune.xqc.atoms": 5,
    "eval.episodes": 3,
    "eval.curve_episodes": 3,
}
# Of every method that acts beside the pretrained policy.
BESIDE = {
    "envs": 2,
    "total_steps": 280,
    "learning_starts": 140,
    "utd_ratio": 0.5,
    "eval_every": 100,
    "batch": 8,
    "hidden": 8,
    "layers": 1,
    "actor.clone_updates": 12,
    "actor.hidden": 8,
    "actor.bottleneck": 3,
    "actor.features": 4,
}
for beside in ["csil", "xqc", "rlpd", "sac"]:
    SMALL |= {f"finetune.{beside}.{name}": value for name, value in BESIDE.items()}


def cells():
    """Every cell: its name, its arguments, its settings beside those of SMALL."""
    for pretrain in PRETRAIN:
        for finetune, method, own in FINETUNE:
            for kind, sizes in POLICY:
                policy = kind.removesuffix("-ddpm")
                arguments = ["--pretrain", pretrain, "--finetune", method, "--policy", policy]
                yield f"{pretrain}/{finetune}/{kind}", arguments, {**own, **sizes}
    yield from MORE


def run(program, arguments, settings, folder):
    """Metrics, episodes and hashes of one cell, or the sentence that refuses it."""
    if "--preset" not in arguments:
        arguments = ["--preset", "tiny", *arguments]
    if "--task" not in arguments:
        arguments = ["--task", "lab/lift", *arguments]
    # A file may have sizes of methods that a cell does not use; `--set` would be refused.
    settings = {**SMALL, **settings}.items()
    file = folder / "settings.toml"
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings))
    command = [program, "run", *arguments, "--config", str(file)]
    command += ["--out", str(folder / "run"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 2:
        return {"refused": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""}
    if done.returncode != 0:
        return {"failed": done.stderr[-400:]}
    seed = folder / "run" / "seed-0"
    return {
        "metrics": digest(lines(seed / "metrics.jsonl")),
        "last": lines(seed / "metrics.jsonl")[-1],
        "episodes": digest(lines(seed / "episodes.jsonl")),
        "demos": weights(seed / "demos.safetensors"),
        "weights": weights(seed / "policy.safetensors"),
    }


def lines(path):
    """A file of JSON lines, without what depends on the clock."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row.pop("wall_s", None)
    return rows


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def weights(path):
    """A hash of each tensor of floating-point numbers, sorted: their names may change."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    hashes = []
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = entry["data_offsets"]
        hashes.append(hashlib.sha256(data[8 + length + begin : 8 + length + end]).hexdigest()[:12])
    return sorted(hashes)


def record(program, out, pattern):
    chosen = [cell for cell in cells() if re.search(pattern, cell[0])]

    def one(cell):
        name, arguments, settings = cell
        with tempfile.TemporaryDirectory() as folder:
            result = run(program, arguments, settings, Path(folder))
        outcome = [key for key in result if key in ("refused", "failed")] or ["ok"]
        print(f"{name:45} {outcome[0]}", flush=True)
        return name, result

    with ThreadPoolExecutor(2) as workers:
        results = dict(workers.map(one, chosen))
    Path(out).write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    ran = sum("weights" in result for result in results.values())
    print(f"{ran} cells ran, {len(results) - ran} did not")


def compare(before, after):
    before, after = (json.loads(Path(path).read_text()) for path in (before, after))
    different = 0
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            parts = ["only in one of the records"]
        elif "weights" not in old or "weights" not in new:
            why = new.get("refused") or new.get("failed")
            same = old.keys() == new.keys()
            parts = [] if same else [f"{sorted(old)} became {sorted(new)}: {why}"]
        else:
            missing = [tensor for tensor in old["weights"] if tensor not in new["weights"]]
            parts = [part for part in ("metrics", "episodes", "demos") if old[part] != new[part]]
            parts += [f"{len(missing)} of {len(old['weights'])} weights"] if missing else []
        if parts:
            different += 1
            print(f"{name}: {', '.join(parts)}")
    print(f"{len(before)} cells, {different} different")
    return different


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["record", program, out]:
            record(program, out, "")
        case ["record", program, out, pattern]:
            record(program, out, pattern)
        case ["compare", before, after]:
            sys.exit(1 if compare(before, after) else 0)
        case _:
            sys.exit(__doc__)
