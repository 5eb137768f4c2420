"""One turn of robosuite's own Python: prints {task: figure} of one kind of figure as JSON. `run.py` calls it."""

import argparse
import json
import logging
import math
import time
import types
import warnings

logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")

import mujoco
import numpy as np
import robosuite
import robosuite.controllers.parts.controller as controller
import robosuite.utils.binding_utils as binding_utils
from robosuite.controllers import load_composite_controller_config

PIXELS = 84
HORIZON = 400
TASKS = {
    "robosuite/lift": "Lift",
    "robosuite/can": "PickPlaceCan",
    "robosuite/square": "NutAssemblySquare",
}
OPEN, CLOSED = -1.0, 1.0


class Patched(types.ModuleType):
    """The module `mujoco` with some names replaced."""

    def __init__(self, **names):
        super().__init__("mujoco")
        self.__dict__.update(names)

    def __getattr__(self, name):
        return getattr(mujoco, name)


# What robosuite 1.5.2 needs to run on MuJoCo 3.17, whose enums are not equal to numpy's integers, and whose mj_fullM
# takes (model, data, matrix) in place of (model, matrix, data.qM).
JOINTS = {name: int(value) for name, value in mujoco.mjtJoint.__members__.items()}
binding_utils.mujoco = Patched(mjtJoint=types.SimpleNamespace(**JOINTS))
binding_utils.MjData.qM = property(lambda self: self._data)
controller.mujoco = Patched(mj_fullM=lambda model, matrix, data: mujoco.mj_fullM(model, data, matrix))


def make(task, **settings):
    """As robomimic makes it (EnvRobosuite, its settings of states), with the controller that protege has."""
    config = load_composite_controller_config(controller="BASIC", robot="Panda")
    settings = {"has_offscreen_renderer": False, "use_camera_obs": False, **settings}
    return robosuite.make(
        TASKS[task],
        robots="Panda",
        controller_configs=config,
        control_freq=20,
        has_renderer=False,
        ignore_done=True,
        use_object_obs=True,
        reward_shaping=False,
        seed=0,
        **settings,
    )


def direction(body):
    """The way in which a body's x points, seen from above, rad."""
    return math.atan2(body[1, 0], body[0, 0])


class Hand:
    """A scripted hand for one episode: it takes the object, carries it to its place, and lets it go, as protege's does."""

    def __init__(self, task, env):
        self.task, self.env, self.data = task, env, env.sim.data
        self.stage, self.waited = 0, 0
        self.grip = env.sim.model.site_name2id("gripper0_right_grip_site")
        name = {"robosuite/lift": "cube_main", "robosuite/can": "Can_main", "robosuite/square": "SquareNut_main"}[task]
        self.body = env.sim.model.body_name2id(name)

    def act(self):
        hand = np.array(self.data.site_xpos[self.grip])
        turn = np.array(self.data.site_xmat[self.grip]).reshape(3, 3)
        place = np.array(self.data.body_xpos[self.body])
        body = np.array(self.data.body_xmat[self.body]).reshape(3, 3)
        held = self.held(place, body)
        twist = self.twist(direction(body), direction(turn)) if self.task == "robosuite/square" else 0.0
        goal, gripper = self.aim(hand, place, held, abs(twist) < 0.1)
        # The hand points down.
        tilt = np.cross(turn[:, 2], [0, 0, -1])
        action = np.concatenate([20 * (goal - hand), 2 * tilt, [gripper]])
        action[5] += 2 * twist
        return np.clip(action, -1, 1)

    def twist(self, nut, fingers):
        """By how much the hand turns: across the handle, then until the nut fits its peg, its handle not away from the robot."""
        if self.stage < 2:
            return (nut + math.pi / 2 - fingers + math.pi / 2) % math.pi - math.pi / 2
        quarter = math.pi / 2
        fit = quarter * round(nut / quarter) or math.copysign(quarter, nut)
        return (fit - nut + math.pi) % (2 * math.pi) - math.pi

    def held(self, place, body):
        """The point by which the object is held."""
        if self.task == "robosuite/square":
            return place + body @ [0.061, 0, 0]
        return place + [0, 0, 0.02 if self.task == "robosuite/can" else 0]

    def aim(self, hand, place, held, fits):
        """Where the hand goes, and what the fingers do."""
        if self.stage == 0:
            over = held + [0, 0, 0.08]
            self.stage += int(fits and np.linalg.norm(hand - over) < 0.015)
            return over, OPEN
        if self.stage == 1:
            near = np.linalg.norm(hand - held) < 0.01
            self.waited += int(near or self.waited > 0)
            self.stage += int(self.waited > 12)
            return held, CLOSED if self.waited else OPEN
        if self.stage == 2:
            self.stage += int(self.task != "robosuite/lift" and place[2] > 1.0)
            return hand + [0, 0, 0.05], CLOSED
        target = [0.15, 0.35, 0.0] if self.task == "robosuite/can" else [0.23, 0.1, 0.0]
        aside = target - place
        low = 0.9 if self.task == "robosuite/can" else 0.91
        if self.stage == 3:
            near = fits and np.hypot(*aside[:2]) < 0.008
            self.stage += int(near and place[2] < low)
            return hand + [aside[0], aside[1], -0.02 if near else 1.0 - place[2]], CLOSED
        self.waited += 1
        return hand + [0, 0, 0.05 if self.waited > 20 else 0], OPEN


def steps(task):
    """Seconds of one episode to its horizon; actions and the reset do not count."""
    env = make(task)

    def episode():
        for _ in range(10):
            seconds, successes = play(task, env)
            # One in which the hand fails is not like protege's.
            if successes > 0:
                return HORIZON / seconds
        raise RuntimeError(f"the hand does not do {task}")

    return episode


def play(task, env):
    """Seconds in `step`, and steps on which the success rule held."""
    env.reset()
    hand, seconds, successes = Hand(task, env), 0.0, 0
    for _ in range(HORIZON):
        action = hand.act()
        start = time.perf_counter()
        _, reward, _, _ = env.step(action)
        seconds += time.perf_counter() - start
        successes += int(reward > 0)
    return seconds, successes


def inside(task):
    """Microseconds of a control step that are spent inside MuJoCo."""
    spent = {"seconds": 0.0}

    def timed(function):
        def call(*args):
            start = time.perf_counter()
            result = function(*args)
            spent["seconds"] += time.perf_counter() - start
            return result

        return call

    for name in ("mj_step1", "mj_step2", "mj_step", "mj_forward"):
        setattr(binding_utils.mujoco, name, timed(getattr(mujoco, name)))
    env = make(task)

    def measure():
        # What the reset does there is not counted.
        env.reset()
        spent["seconds"] = 0.0
        hand = Hand(task, env)
        for _ in range(HORIZON):
            env.step(hand.act())
        return 1e6 * spent["seconds"] / HORIZON

    return measure


def resets(task):
    """From random starts, each in a simulation made anew, as upstream does unless it is told not to."""
    env = make(task)
    return lambda: rate(env.reset, 5)


def soft_resets(task):
    env = make(task, hard_reset=False)
    return lambda: rate(env.reset, 20)


def frames(task):
    """Pictures as upstream makes them, with the scene's own quality."""
    env = make(task, has_offscreen_renderer=True)
    env.reset()

    def draw():
        return env.sim.render(camera_name="agentview", width=PIXELS, height=PIXELS)

    picture = draw()
    assert picture.shape == (PIXELS, PIXELS, 3) and not math.isclose(picture.std(), 0)
    return lambda: rate(draw, 20)


def plain_frames(task):
    """The same with protege's settings for learning: no shadows, no mirrors, one sample a pixel."""
    env = make(task, has_offscreen_renderer=True)
    env.reset()
    model = env.sim.model._model
    model.vis.quality.offsamples = model.vis.quality.shadowsize = 0
    model.mat_reflectance[:] = 0
    # Made anew, since a context keeps the quality that it began with.
    context = env.sim._render_context_offscreen
    context.con.free()
    context._set_mujoco_context_and_buffers()

    def draw():
        return env.sim.render(camera_name="agentview", width=PIXELS, height=PIXELS)

    return lambda: rate(draw, 20)


def rate(work, count):
    start = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - start)


def median(measure, repeats):
    """After one call that does not count, as `protege bench` does it."""
    measure()
    return float(np.median([measure() for _ in range(repeats)]))


FIGURES = {"steps": steps, "resets": resets, "soft-resets": soft_resets, "frames": frames, "plain-frames": plain_frames, "inside": inside}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    prepare = FIGURES[args.figure]
    print(json.dumps({task: median(prepare(task), args.repeats) for task in TASKS}))


if __name__ == "__main__":
    main()
