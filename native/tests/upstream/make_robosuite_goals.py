"""Plays robosuite's tasks with its own Python on MuJoCo 3.17.0, from states in which the goal is reached.

    python -m venv venv && venv/bin/pip install robosuite==1.5.2 mujoco==3.17.0 safetensors scipy
    OPENBLAS_CORETYPE=SkylakeX venv/bin/python make_robosuite_goals.py OUT.safetensors

An episode begins with the hook in its stand and the wrench on it (the cube on the other, the nut over its peg); the hand waits,
then reaches for it and takes it away, with noise. States of their own follow, about half of which succeed: shifted along the
hook, beside it, leaning, lifted, and between the fingers. The layout is that of robosuite_traces.safetensors.
"""

import json
import sys

import mujoco
import numpy as np
import robosuite
from make_robosuite_door import doubles, seen, watch
from make_robosuite_pictures import run_on_3_17
from robosuite.controllers import load_composite_controller_config
from safetensors.numpy import save_file
from scipy.spatial.transform import Rotation

TASKS = {"tool-hang": "ToolHang", "stack": "Stack", "square": "NutAssemblySquare"}
# The free joints of a task, and the one that is taken away.
JOINTS = {
    "tool-hang": ["stand_joint0", "frame_joint0", "tool_joint0"],
    "stack": ["cubeA_joint0", "cubeB_joint0"],
    "square": ["SquareNut_joint0"],
}
TAKEN = {"tool-hang": "tool_grip_main", "stack": "cubeA_main", "square": "SquareNut_main"}
OBS = ["robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object-state"]
SEED = 21
STEPS = 90
SENT = range(20, 30)
NEAR = 60


def make(task):
    return robosuite.make(
        TASKS[task],
        robots="Panda",
        controller_configs=load_composite_controller_config(controller="BASIC", robot="Panda"),
        has_offscreen_renderer=False,
        use_camera_obs=False,
        ignore_done=True,
        seed=SEED,
    )


class Scene:
    """A simulation of its own of a task, in which things are put together."""

    def __init__(self, env):
        self.model = env.sim.model._model
        self.data = mujoco.MjData(self.model)
        self.data.qpos[:] = env.sim.data.qpos
        self.forward()

    def forward(self):
        mujoco.mj_forward(self.model, self.data)

    def place(self, joint):
        start = self.model.jnt_qposadr[self.model.joint(joint).id]
        return slice(start, start + 7)

    def put(self, joint, position, turn):
        x, y, z, w = Rotation.from_matrix(turn).as_quat()
        self.data.qpos[self.place(joint)] = [*position, w, x, y, z]
        self.forward()

    def body(self, name):
        body = self.data.body(name)
        return body.xpos.copy(), body.xmat.reshape(3, 3).copy()

    def inside(self, body, points):
        """Points in the frame of a body."""
        position, turn = self.body(body)
        return (np.array(points) - position) @ turn

    def site(self, name):
        return self.data.site(name).xpos.copy()

    def settle(self, seconds):
        """Lets things come to rest, while the arm is held."""
        held = list(range(9))
        arm = self.data.qpos[held].copy()
        for _ in range(int(seconds / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)
            self.data.qpos[held] = arm
            self.data.qvel[: len(held)] = 0
            self.data.qvel[len(held) :] *= 0.98
        self.forward()


def turned(first, second, to_first, to_second):
    """The rotation that brings two directions onto two others."""

    def frame(a, b):
        a = a / np.linalg.norm(a)
        b = b - (b @ a) * a
        b = b / np.linalg.norm(b)
        return np.stack([a, b, np.cross(a, b)], 1)

    return frame(to_first, to_second) @ frame(first, second).T


def assemble(scene):
    """The hook into its stand, the wrench onto it."""
    up = np.array([0.0, 0.0, 1.0])
    # Beside the hand, which would be in the way.
    start, turn = scene.body("stand_root")
    scene.put("stand_joint0", [0.0, -0.25, start[2]], turn)
    bottom = np.mean([scene.data.geom(f"stand_wall{i}").xpos for i in range(4)], 0)
    bottom[2] = scene.data.geom("stand_base").xpos[2]
    sites = ["frame_mount_site", "frame_intersection_site", "frame_hang_site", "frame_tip_site"]
    mount, corner, hang, tip = scene.inside("frame_root", [scene.site(name) for name in sites])
    along = scene.body("stand_root")[1][:, 0]
    turn = turned(corner - mount, hang - corner, up, along)
    scene.put("frame_joint0", bottom + 0.013 * up - turn @ tip, turn)
    scene.settle(0.5)
    ring = [scene.data.geom(f"tool_hole1_hc_{i}").xpos.copy() for i in range(8)]
    ring = scene.inside("tool_root", ring)
    hole = scene.inside("tool_root", [scene.site("tool_hole1_center")])[0]
    middle = scene.inside("tool_root", [scene.data.subtree_com[scene.model.body("tool_root").id]])[0]
    axis = np.linalg.svd(ring - ring.mean(0))[2][2]
    hang, corner = scene.site("frame_hang_site"), scene.site("frame_intersection_site")
    turn = turned(axis, middle - hole, corner - hang, -up)
    scene.put("tool_joint0", hang + 0.45 * (corner - hang) - 0.006 * up - turn @ hole, turn)
    scene.settle(2.0)


def stack(scene):
    """The red cube onto the green one."""
    below, turn = scene.body("cubeB_main")
    scene.put("cubeB_joint0", below, turn)
    scene.put("cubeA_joint0", below + [0.004, -0.003, 0.0455], turn)
    scene.settle(1.0)


def thread(scene):
    """The nut over its peg."""
    peg = scene.body("peg1")[0]
    scene.put("SquareNut_joint0", [peg[0], peg[1], 0.86], np.eye(3))
    scene.settle(1.0)


ARRANGE = {"tool-hang": assemble, "stack": stack, "square": thread}


def begin(task):
    """An environment whose reset places things where the goal is reached."""
    env = make(task)
    env.reset()
    scene = Scene(env)
    ARRANGE[task](scene)
    places = {}
    for joint in JOINTS[task]:
        place = scene.data.qpos[scene.place(joint)]
        places[joint] = (tuple(place[:3]), place[3:].copy())
    sampler = type(env.placement_initializer)
    sample = sampler.sample

    def at_goal(self, *args, **kwargs):
        found = sample(self, *args, **kwargs)
        return {
            name: (*places.get(thing.joints[0], (position, turn)), thing)
            for name, (position, turn, thing) in found.items()
        }

    sampler.sample = at_goal
    first = env.reset()
    sampler.sample = sample
    return env, first, scene


def action(env, task, number, rng):
    """Waits, reaches for what is taken away, closes, lifts."""
    data = env.sim.data._data
    at = data.site("gripper0_right_grip_site").xpos
    way, gripper = np.zeros(3), -1.0
    if number >= 60:
        way, gripper = np.array([0.3, 0.3, 1.0]), 1.0
    elif number >= 15:
        way = 15 * (data.body(TAKEN[task]).xpos - at)
        gripper = 1.0 if number >= 50 else -1.0
    motion = np.concatenate([np.clip(way, -1, 1) + rng.normal(0, 0.1, 3), rng.normal(0, 0.15, 3)])
    return np.array([*motion, gripper]).astype(np.float32).astype(np.float64)


def play(env, task, first, rng):
    """An episode by name."""
    data, sent = env.sim.data, []
    watch(env, sent)
    found = {"qpos0": data.qpos.copy(), "qvel0": data.qvel.copy()}
    rows = {"obs": [seen(first, OBS)], "actions": [], "success": [], "rewards": []}
    states = []
    for number in range(STEPS):
        chosen = action(env, task, number, rng)
        obs, reward, _, _ = env.step(chosen)
        rows["obs"].append(seen(obs, OBS))
        rows["actions"].append(chosen)
        rows["success"].append(float(env._check_success()))
        rows["rewards"].append(reward)
        states.append(data.qpos.copy())
    sent = sent[25 * SENT.start : 25 * SENT.stop]
    return found | rows | {f"ctrl_{SENT.start}_{SENT.stop - 1}": sent}, states


def moved(scene, joints, by, turn=np.eye(3), about=np.zeros(3)):
    """Moves things together: a turn about a point, then a way."""
    for joint in joints:
        place = scene.data.qpos[scene.place(joint)].copy()
        w, x, y, z = place[3:]
        now = Rotation.from_quat([x, y, z, w]).as_matrix()
        scene.put(joint, about + turn @ (place[:3] - about) + by, turn @ now)


def disturb(scene, task, kind, rng):
    """Moves things a little, in one of several ways."""
    joints = JOINTS[task]
    grip = scene.site("gripper0_right_grip_site")
    held = scene.body(TAKEN[task])[0]
    tilt = Rotation.from_rotvec(rng.uniform(0, 0.3) * np.array([*rng.normal(0, 1, 2), 0])).as_matrix()
    if kind == 0:
        moved(scene, joints, grip - held + rng.normal(0, 0.008, 3))
    elif task == "tool-hang":
        corner, hang = scene.site("frame_intersection_site"), scene.site("frame_hang_site")
        base = scene.data.geom("stand_base").xpos.copy()
        if kind == 1:
            moved(scene, joints[2:], rng.uniform(-0.7, 0.6) * (corner - hang))
        elif kind == 2:
            moved(scene, joints[2:], rng.normal(0, 0.002, 3))
        elif kind == 3:
            moved(scene, joints, np.zeros(3), tilt, base)
        elif kind == 4:
            moved(scene, joints[1:], [*rng.normal(0, 0.003, 2), rng.uniform(0, 0.03)])
        else:
            moved(scene, joints, rng.normal(0, 0.01, 3))
    elif task == "square":
        moved(scene, joints, [*rng.normal(0, 0.02, 2), rng.uniform(0, 0.05)])
    elif kind % 2 == 1:
        moved(scene, joints[:1], rng.normal(0, 1, 3) * [0.015, 0.015, 0.001])
    else:
        moved(scene, joints[:1], [0, 0, rng.uniform(-0.001, 0.002)], tilt, scene.body("cubeB_main")[0])


def probe(env, task, scene, states, rng):
    """States of their own, at rest, and how often each part of the rule holds."""
    goal = scene.data.qpos.copy()
    arm = slice(0, 9)
    rows = {"probe_qpos": [], "probe_success": [], "probe_obs": []}
    for i in range(NEAR):
        scene.data.qpos[:] = goal
        # While the hand waits it is away, later it is near.
        scene.data.qpos[arm] = states[rng.integers(20 if i % 3 else STEPS)][arm]
        scene.forward()
        disturb(scene, task, i % 6, rng)
        env.sim.data.qpos[:] = scene.data.qpos
        env.sim.data.qvel[:] = 0
        env.sim.forward()
        obs = env._get_observations(force_update=True)
        rows["probe_qpos"].append(env.sim.data.qpos.copy())
        rows["probe_success"].append(float(env._check_success()))
        rows["probe_obs"].append(seen(obs, OBS))
    return rows


def main(out):
    run_on_3_17()
    tensors = {}
    about = {"robosuite": robosuite.__version__, "mujoco": mujoco.__version__, "entries": {}}
    for task in TASKS:
        key = f"robosuite/{task}/2"
        rng = np.random.default_rng(SEED)
        env, first, scene = begin(task)
        episode, states = play(env, task, first, rng)
        episode |= probe(env, task, scene, states, rng)
        tensors |= {f"{key}/{name}": doubles(rows) for name, rows in episode.items()}
        about["entries"][key] = {
            "seed": SEED,
            "steps": STEPS,
            "successes": int(sum(episode["success"])),
            "probe_successes": int(sum(episode["probe_success"])),
        }
        if task == "tool-hang":
            flags = np.array(episode["probe_obs"])[:, -2:].astype(int)
            kinds = ["neither", "hung", "assembled", "both"]
            counts = np.bincount(2 * flags[:, 0] + flags[:, 1], minlength=4)
            about["entries"][key]["probe_flags"] = dict(zip(kinds, map(int, counts)))
        env.close()
    print(json.dumps(about["entries"], indent=1))
    save_file(tensors, out, metadata={"protege": json.dumps(about)})


if __name__ == "__main__":
    main(sys.argv[1])
