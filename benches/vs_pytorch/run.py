"""Measures protege and PyTorch in turns on this machine and prints a table. See README.md."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Callable

import numpy
import torch
from threadpoolctl import threadpool_limits
from torch.utils.flop_counter import FlopCounterMode

from networks import DiffusionSampling, DiffusionTraining, Dppo, Dsrl, Encoder, LoopedEnsemble, VmappedEnsemble
from td_mpc2 import TdMpc2


@dataclass
class Job:
    """A figure of `protege bench` and what it is compared with."""

    title: str
    figure: str
    calls: int
    """Calls per measurement of PyTorch: as many as `protege bench` makes."""
    rivals: dict[str, Callable]
    """Label -> what builds the thing to call."""


def ensemble(figure, hidden):
    rivals = {
        "loop over members, Adam": lambda: LoopedEnsemble(hidden),
        "torch.func vmap, Adam foreach": lambda: VmappedEnsemble(hidden, "foreach"),
        "torch.func vmap, Adam fused": lambda: VmappedEnsemble(hidden, "fused"),
    }
    return Job(f"ensemble, K=100, {hidden}x3", figure, 1, rivals)


def dsrl(figure, hidden):
    rivals = {"eager, Adam": lambda: Dsrl(hidden), "eager, Adam fused": lambda: Dsrl(hidden, fused=True)}
    return Job(f"DSRL-NA update, {hidden}x3", figure, 1, rivals)


TRAINING = {"eager, AdamW": DiffusionTraining, "eager, AdamW fused": lambda: DiffusionTraining(fused=True)}
SAMPLING = {"eager, inference mode": DiffusionSampling}
JOBS = {
    "ensemble": ensemble("ensemble_ms_per_step", 256),
    "ensemble-paper": ensemble("ensemble_paper_ms_per_step", 512),
    "training": Job("diffusion policy, 512x3, training step", "policy_paper_train_ms_per_step", 20, TRAINING),
    "sampling": Job("the same, one decision, DDIM, 8 steps", "policy_paper_act_ms", 100, SAMPLING),
    "dsrl": dsrl("dsrl_ms_per_update", 128),
    "dsrl-paper": dsrl("dsrl_paper_ms_per_update", 2048),
    "dppo-paper": Job("DPPO, 512x3, a step of 7,500 decisions x 10", "dppo_paper_ms_per_step", 1, {"eager, Adam": Dppo}),
    "td-mpc-update": Job("TD-MPC2 of 1M parameters, update of 256 x 3", "td_mpc_ms_per_update", 5, {"eager": lambda: TdMpc2().update}),
    "encoder": Job("encoder of pictures, 84 px, batch 128", "encoder_ms_per_step", 2, {"eager": lambda: Encoder(128)}),
    "encoder-large": Job("the same, batch 256", "encoder_large_ms_per_step", 2, {"eager": lambda: Encoder(256)}),
    "td-mpc-plan": Job("the same, one plan, 512 samples, 6 rounds", "td_mpc_ms_per_plan", 5, {"eager": lambda: TdMpc2().plan}),
}


HEAD = "| what | threads | protege, ms | PyTorch | ms | ratio | its products alone, ms | share |"


def protege(args, job, threads):
    """Milliseconds of one figure, measured by a fresh process."""
    command = [args.protege, "bench", "--json", "--quiet", "--only", job.figure, "--repeats", str(args.repeats)]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(output)["rows"][0]["value"]


def pytorch(step, job, args):
    """The median in milliseconds after one call that does not count, as `protege bench` does it."""
    step()
    values = []
    for _ in range(args.repeats):
        start = time.perf_counter()
        for _ in range(job.calls):
            step()
        values.append(1e3 * (time.perf_counter() - start) / job.calls)
    return statistics.median(values)


def measure(args, job, threads):
    """Rounds of protege, rival, protege, rival: label -> one figure per round."""
    torch.set_num_threads(threads)
    rivals = {label: build() for label, build in job.rivals.items()}
    found = {"protege": []} | {label: [] for label in rivals}
    for _ in range(args.rounds):
        for label, step in rivals.items():
            found["protege"].append(protege(args, job, threads))
            found[label].append(pytorch(step, job, args))
    return found


def seconds(work):
    """The least of some calls: a limit is what the machine can do, not what it usually does."""
    work()
    found = []
    for _ in range(20):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def best_rate(threads):
    """The most floating-point operations a second that a matrix product of PyTorch's or numpy's reaches here."""
    torch.set_num_threads(threads)
    rates = []
    for side in [512, 1024, 2048]:
        a, b, out = (torch.randn(side, side) for _ in range(3))
        rates.append(2 * side**3 / seconds(lambda: torch.mm(a, b, out=out)))
        with threadpool_limits(threads):
            a, b, out = (matrix.numpy() for matrix in (a, b, out))
            rates.append(2 * side**3 / seconds(lambda: numpy.matmul(a, b, out=out)))
    return max(rates)


def limit(job, rate):
    """Milliseconds that the products and convolutions of a call take at this rate, as PyTorch counts them."""
    step = next(iter(job.rivals.values()))()
    with FlopCounterMode(display=False) as counter:
        step()
    return 1e3 * counter.get_total_flops() / rate


def rows(title, threads, found, least):
    ours = statistics.median(found["protege"])
    for label, values in found.items():
        if label != "protege":
            theirs = statistics.median(values)
            share = f"{least:.3g} | {least / ours:.0%}"
            yield f"| {title} | {threads} | {ours:.3g} | {label} | {theirs:.3g} | {theirs / ours:.2f} | {share} |"


def processor():
    with open("/proc/cpuinfo") as file:
        return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protege", default="protege", help="the program")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--repeats", type=int, default=5, help="measurements in a turn, of which the median counts")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--out", help="a file for all figures, as JSON")
    args = parser.parse_args()

    version = subprocess.run([args.protege, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    machine = f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    versions = f"{version}, PyTorch {torch.__version__} (capability {torch.backends.cpu.get_cpu_capability()}), Python {platform.python_version()}"
    lines = [machine, versions, "", HEAD, "|---|---|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    rates = {threads: best_rate(threads) for threads in args.threads}
    figures = []
    for name in args.only:
        for threads in args.threads:
            found = measure(args, JOBS[name], threads)
            least = limit(JOBS[name], rates[threads])
            figures.append({"job": name, "threads": threads, "ms": found, "limit_ms": least})
            print("\n".join(rows(JOBS[name].title, threads, found, least)), flush=True)
    reached = ", ".join(f"{rate / 1e9:.0f} on {threads}" for threads, rate in rates.items())
    print(f"\nThe fastest matrix product found, GFLOP/s by threads: {reached}.")
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"machine": machine, "versions": versions, "figures": figures}, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
