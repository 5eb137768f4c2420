"""Measures protege and PyTorch on one GPU, checks protege's losses against the CPU, and prints a report in Markdown. See README.md."""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "vs_pytorch"))
from networks import DiffusionSampling, DiffusionTraining, Dppo, Dsrl, Encoder  # noqa: E402
from td_mpc2 import TdMpc2  # noqa: E402

# Figure of `protege bench`, title, calls a measurement, what builds the thing to call.
JOBS = [
    ("td_mpc_ms_per_update", "TD-MPC2 of 1M parameters, update of 256 x 3", 20, lambda: TdMpc2().update),
    ("td_mpc_ms_per_plan", "the same, one plan, 512 samples, 6 rounds", 20, lambda: TdMpc2().plan),
    ("td_mpc_pictures_ms_per_update", "TD-MPC2, preset cpu, 84 px, update of 128 x 3", 5, None),
    ("encoder_large_ms_per_step", "encoder of pictures, 84 px, batch 256", 20, lambda: Encoder(256)),
    ("dppo_paper_ms_per_step", "DPPO, 512x3, a step of 7,500 decisions x 10", 5, Dppo),
    ("dsrl_paper_ms_per_update", "DSRL-NA update, 2048x3", 20, lambda: Dsrl(2048)),
    ("policy_paper_train_ms_per_step", "diffusion policy, 512x3, training step of 256", 20, DiffusionTraining),
    ("policy_paper_act_ms", "the same, one decision, DDIM, 8 steps", 20, DiffusionSampling),
]
COUNTS = ["td_mpc_launches_per_update", "td_mpc_launches_per_plan"]
# A run in which ensemble, cloning and critics learn for a few steps.
SHORT = [
    "pretrain.post_bc.updates=4",
    "pretrain.bc.updates=4",
    "eval.episodes=2",
    "eval.curve_episodes=2",
    "env.parallel=2",
    "finetune.best_of_n.rollouts=2",
    "finetune.best_of_n.updates=4",
]


def bench(args, figure, device):
    """The rows of one figure, measured by a fresh process."""
    command = [args.protege, "bench", "--json", "--quiet", "--only", figure, "--repeats", "5", "--device", device]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(answer)["rows"]


def losses(args, device, folder):
    """The last value of every loss of a short run."""
    out = pathlib.Path(folder) / device.replace(":", "-")
    sets = [word for setting in SHORT for word in ("--set", setting)]
    fixed = ["--preset", "tiny", "--task", "lab/pick-place", "--finetune", "best-of-n", "--demos", "2", "--no-video", "--quiet"]
    subprocess.run([args.protege, "run", *fixed, "--device", device, "--out", out, *sets], check=True)
    found = {}
    for file in out.glob("seed-*/metrics.jsonl"):
        for line in file.read_text().splitlines():
            found |= {key: value for key, value in json.loads(line).items() if key.startswith("loss/")}
    return found


def correctness(args):
    """Every loss on the GPU beside the CPU's."""
    with tempfile.TemporaryDirectory() as folder:
        cpu, gpu = (losses(args, device, folder) for device in ("cpu", args.device))
    if cpu.keys() != gpu.keys():
        raise SystemExit(f"the runs have different losses: {sorted(cpu)} and {sorted(gpu)}")
    yield "| loss after four steps | CPU | GPU | within 1% |\n|---|---|---|---|"
    for name, value in sorted(cpu.items()):
        close = abs(gpu[name] - value) <= 0.01 * max(abs(value), 0.1)
        yield f"| {name} | {value:.5g} | {gpu[name]:.5g} | {'yes' if close else '**no**'} |"


class Memory(threading.Thread):
    """The most that the card has held since it was started, in MiB, by nvidia-smi."""

    def __init__(self, index):
        super().__init__(daemon=True)
        self.query = ["nvidia-smi", f"--id={index}", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        self.ended = threading.Event()
        self.before = self.now()
        self.peak = self.before

    def now(self):
        return int(subprocess.run(self.query, check=True, capture_output=True, text=True).stdout)

    def run(self):
        while not self.ended.wait(0.1):
            self.peak = max(self.peak, self.now())

    def end(self):
        self.ended.set()
        self.join()
        return self.peak - self.before


def synchronize():
    if torch.get_default_device().type == "cuda":
        torch.cuda.synchronize()


def seconds(step, calls):
    start = time.perf_counter()
    for _ in range(calls):
        step()
    synchronize()
    return (time.perf_counter() - start) / calls


def pytorch(build, calls, compiled):
    """Milliseconds of a call: the median of five measurements after one that does not count; why not, where it cannot."""
    torch._dynamo.reset()
    step = build()
    step = torch.compile(step) if compiled else step
    try:
        seconds(step, 3)
        return 1e3 * statistics.median(seconds(step, calls) for _ in range(5))
    except Exception as error:  # a rival that does not compile is a figure that is not there
        print(f"({type(error).__name__}: {str(error).splitlines()[0]})", file=sys.stderr)
        return None


def speeds(args, watched):
    yield "| what | protege, ms | MiB | PyTorch eager | ratio | torch.compile | ratio |\n|---|---|---|---|---|---|---|"
    for figure, title, calls, build in JOBS:
        memory = Memory(args.device.split(":")[-1]) if watched else None
        if memory:
            memory.start()
        ours = bench(args, figure, args.device)[0]["value"]
        held = f"{memory.end():,}" if memory else "-"
        cells = []
        for compiled in (False, True):
            theirs = pytorch(build, calls, compiled) if build else None
            cells += [f"{theirs:.3g}", f"{theirs / ours:.2f}"] if theirs else ["-", "-"]
        yield f"| {title} | {ours:.3g} | {held} | {' | '.join(cells)} |"


def counts(args):
    yield "| what of TD-MPC2 | number |\n|---|---|"
    for figure in COUNTS:
        for row in bench(args, figure, args.device):
            yield f"| `{row['name']}` | {row['value']:.0f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protege", default="protege", help="the program, built with --features cuda")
    parser.add_argument("--device", default="cuda:0", help="of protege; PyTorch takes the same card, or its CPU where it has none")
    parser.add_argument("--out", help="a file for the report")
    args = parser.parse_args()

    watched = torch.cuda.is_available() and args.device.startswith("cuda")
    torch.set_default_device(args.device if watched else "cpu")
    card = torch.cuda.get_device_name() if watched else f"{args.device} (PyTorch: CPU)"
    version = subprocess.run([args.protege, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    lines = [f"{card}; {version}, PyTorch {torch.__version__}, Python {platform.python_version()}"]
    print(lines[0], flush=True)
    for part in (correctness(args), counts(args), speeds(args, watched)):
        print(flush=True)
        lines.append("")
        for line in part:
            print(line, flush=True)
            lines.append(line)
    if args.out:
        pathlib.Path(args.out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
