"""The cells of a sweep as tasks of Ray, on nodes that share its folder: ray job submit [FLAGS] -- python3 ray_driver.py"""

import subprocess
import sys

import ray

PROGRAM = @PROGRAM@
SWEEP = @SWEEP@
THREADS = @THREADS@
# Number of each cell that is not done, and those of the cells that it begins with.
CELLS = @CELLS@
STOPPED = 75


class Stopped(Exception):
    """The cell was stopped, and goes on when it is begun again."""


@ray.remote(num_cpus=THREADS, max_retries=-1, retry_exceptions=[Stopped])
def work(cell, *_needs):
    command = [PROGRAM, "sweep", "cell", SWEEP, "--index", str(cell), "--quiet", "--threads", str(THREADS)]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode == STOPPED:
        raise Stopped(ended.stderr)
    words = ended.stderr.strip().splitlines()
    return cell, ended.returncode, words[-1] if words else ""


ray.init(address="auto", log_to_driver=False)
tasks = {}
for number, needs in CELLS:
    tasks[number] = work.remote(number, *(tasks[need] for need in needs if need in tasks))
left = list(tasks.values())
failed = 0
while left:
    done, left = ray.wait(left)
    for cell, code, words in ray.get(done):
        failed += code != 0
        print(f"cell {cell}: {'done' if code == 0 else words} ({len(left)} left)", flush=True)
sys.exit(1 if failed else 0)
