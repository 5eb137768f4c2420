"""Plays Meta-World's own Python on MuJoCo 3.17.0 and records episodes, or counts how often its scripted policies succeed.

    python -m venv venv && venv/bin/pip install mujoco==3.17.0 gymnasium==1.4.0 scipy imageio packaging safetensors
    venv/bin/pip install --no-deps metaworld==3.1.1
    venv/bin/python make_traces.py record OUT.safetensors reach push ...     # 250 steps, 64 bits; number 1 with noise of 0.1
    venv/bin/python make_traces.py record --short OUT.safetensors reach ...  # what is committed: the way to success, 32 bits
    venv/bin/python make_traces.py count 50 reach push ...                   # successes of 50 starts, one line of JSON a task

The layout of a record is described in ../fixtures/README.md. Without names, every task of Meta-World is played.
"""

import argparse
import json
import zlib

import mujoco
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.policies import ENV_POLICY_MAP
from metaworld.sawyer_xyz_env import SawyerMocapBase
from safetensors.numpy import save_file

WELD = [0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 5]


def reset_mocap_welds(self):
    """Upstream's, but for a weld's twelfth number, which MuJoCo has had since 3.17 and which stays as it is."""
    welds = self.model.eq_type == mujoco.mjtEq.mjEQ_WELD
    self.model.eq_data[welds, : len(WELD)] = WELD


SawyerMocapBase.reset_mocap_welds = reset_mocap_welds


def names():
    return [name.removesuffix("-v3") for name in ALL_V3_ENVIRONMENTS]


def make(name):
    env = ALL_V3_ENVIRONMENTS[f"{name}-v3"]()
    env._partially_observable = False
    vars(env).pop("sawyer_observation_space", None)
    env._set_task_called = True
    return env


def draw(env, seed):
    """A random vector, drawn as upstream's benchmarks do: by a reset of an environment that is not played."""
    np.random.seed(seed)
    env._freeze_rand_vec = False
    env.reset()
    return env._last_rand_vec


def start(env, vector):
    env._freeze_rand_vec = True
    env._last_rand_vec = vector
    return env.reset()[0]


def play(name, env, obs, noise, rng, steps):
    """Yields action, observation, reward and success of each step."""
    expert = ENV_POLICY_MAP[f"{name}-v3"]()
    for _ in range(steps):
        action = np.clip(expert.get_action(obs.copy()), -1, 1)
        action = np.clip(action + noise * rng.standard_normal(4), -1, 1).astype(np.float32)
        obs, reward, _, _, info = env.step(action)
        yield action, obs, reward, info["success"]


def record(name, number, short):
    seed = zlib.crc32(name.encode()) + number
    env = make(name)
    first = start(env, draw(make(name), seed))
    init = {
        "qpos": env.data.qpos, "qvel": env.data.qvel, "mocap_pos": env.data.mocap_pos, "mocap_quat": env.data.mocap_quat,
        "body_pos": env.model.body_pos, "site_pos": env.model.site_pos,
    }
    init = {f"init/{key}": np.array(value) for key, value in init.items()}
    steps = list(play(name, env, first, 0.1 * number, np.random.default_rng(seed), 250))
    if short:
        wins = [i for i, step in enumerate(steps) if step[3]]
        steps = steps[: int(np.clip(wins[0] + 10 if wins else 0, 60, 130))]
    actions, obs, rewards, success = map(list, zip(*steps))
    wide = np.float32 if short else np.float64
    episode = init | {
        "rand_vec": np.array(env._last_rand_vec),
        "actions": np.array(actions),
        "obs": np.array([first, *obs], dtype=wide),
        "reward_dense": np.array(rewards, dtype=wide),
        "success": np.array(success, dtype=np.float32),
    }
    return {f"metaworld/{name}/{number}/{key}": np.ascontiguousarray(value) for key, value in episode.items()}


def count(name, starts):
    """Starts that are solved at any step, and the median of the first step that succeeds."""
    drawn, env, firsts = make(name), make(name), []
    for seed in range(starts):
        episode = play(name, env, start(env, draw(drawn, seed)), 0.0, np.random.default_rng(seed), 500)
        firsts += next(([i + 1] for i, step in enumerate(episode) if step[3]), [])
    return {"task": name, "starts": starts, "success": len(firsts), "first": float(np.median(firsts)) if firsts else None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recorder = commands.add_parser("record")
    recorder.add_argument("--short", action="store_true")
    recorder.add_argument("out")
    recorder.add_argument("tasks", nargs="*")
    counter = commands.add_parser("count")
    counter.add_argument("starts", type=int)
    counter.add_argument("tasks", nargs="*")
    args = parser.parse_args()
    tasks = args.tasks or names()
    if args.command == "count":
        for name in tasks:
            print(json.dumps(count(name, args.starts)), flush=True)
        return
    numbers = [0] if args.short else [0, 1]
    episodes = [record(name, number, args.short) for name in tasks for number in numbers]
    save_file({key: value for episode in episodes for key, value in episode.items()}, args.out)


main()
