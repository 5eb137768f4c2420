"""One turn of the Python side: prints {task: [figures a second]} of one kind of figure as JSON. `run.py` calls it."""

import argparse
import json
import math
import time

import gymnasium
import gymnasium_robotics
import metaworld
import mujoco
import numpy as np
from metaworld.policies import SawyerAssemblyV3Policy, SawyerBoxCloseV3Policy, SawyerPickPlaceV3Policy
from metaworld.sawyer_xyz_env import SawyerMocapBase

PIXELS = 84
EXPERTS = {
    "metaworld/pick-place": SawyerPickPlaceV3Policy,
    "metaworld/box-close": SawyerBoxCloseV3Policy,
    "metaworld/assembly": SawyerAssemblyV3Policy,
}
HANDS = {"adroit/pen": "AdroitHandPen-v1", "adroit/hammer": "AdroitHandHammer-v1", "adroit/door": "AdroitHandDoor-v1"}
CAMERAS = {"metaworld": "corner2", "adroit": "fixed"}


def reset_mocap_welds(self):
    """Meta-World's own, which raises in MuJoCo 3.17: there a weld has a twelfth number, which is left alone here."""
    welds = self.model.eq_type == mujoco.mjtEq.mjEQ_WELD
    self.model.eq_data[welds, :11] = [0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 5]


SawyerMocapBase.reset_mocap_welds = reset_mocap_welds
gymnasium.register_envs(gymnasium_robotics)


def make(task, **drawing):
    """The bare environment, without gymnasium's wrappers, which would cost time."""
    if task in HANDS:
        return gymnasium.make(HANDS[task], **drawing).unwrapped
    name = task.removeprefix("metaworld/") + "-v3"
    env = metaworld.env_dict.ALL_V3_ENVIRONMENTS[name](**drawing)
    env._partially_observable, env._freeze_rand_vec, env._set_task_called = False, False, True
    # Kept from before, it has no room for the goal: `step` would cut the goal to zero, and the expert would go elsewhere.
    del env.sawyer_observation_space
    return env


def actor(task, env):
    """(observation, step) -> action: upstream's scripted policy, or a wave over all joints."""
    if task in EXPERTS:
        policy = EXPERTS[task]()
        return lambda obs, step: np.clip(policy.get_action(obs), -1, 1).astype(np.float32)
    phases = 3 * np.arange(env.action_space.shape[0])
    return lambda obs, step: np.sin(0.1 * (step + phases)).astype(np.float32)


def steps(task):
    """One episode to its horizon; actions and the reset do not count. The expert has to be shown its goal, as protege's is."""
    env = make(task)
    act = actor(task, env)
    horizon = 500 if task in EXPERTS else 200

    def episode():
        obs, seconds = env.reset()[0], 0.0
        for step in range(horizon):
            action = act(obs, step)
            start = time.perf_counter()
            obs = env.step(action)[0]
            seconds += time.perf_counter() - start
        assert task not in EXPERTS or np.array_equal(obs[-3:], env._target_pos), f"{task} hides its goal"
        return horizon / seconds

    return episode


def resets(task):
    env = make(task)
    return lambda: rate(env.reset, 20)


def frames(task):
    """Pictures as upstream makes them: `render_mode="rgb_array"` with the scene's own quality."""
    env = make(task, render_mode="rgb_array", camera_name=CAMERAS[task.split("/")[0]], width=PIXELS, height=PIXELS)
    env.reset()
    picture = env.render()
    assert picture.shape == (PIXELS, PIXELS, 3) and not math.isclose(picture.std(), 0)
    return lambda: rate(env.render, 20)


def rate(work, count):
    start = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - start)


def median_rate(measure, repeats):
    """After one call that does not count, as `protege bench` does it."""
    measure()
    return float(np.median([measure() for _ in range(repeats)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figure", choices=["steps", "resets", "frames"])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    prepare = {"steps": steps, "resets": resets, "frames": frames}[args.figure]
    print(json.dumps({task: median_rate(prepare(task), args.repeats) for task in [*EXPERTS, *HANDS]}))


if __name__ == "__main__":
    main()
