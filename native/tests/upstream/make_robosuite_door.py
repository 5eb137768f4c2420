"""Plays robosuite's Door with its own Python on MuJoCo 3.17.0: a model and episodes that ours are held to.

    python -m venv venv && venv/bin/pip install robosuite==1.5.2 mujoco==3.17.0 safetensors scipy
    OPENBLAS_CORETYPE=SkylakeX venv/bin/python make_robosuite_door.py OUT.safetensors

A hand takes the lever, turns it up and pulls, with noise on all seven numbers and some actions beyond [-1, 1]. The layout is
described in ../fixtures/README.md.
"""

import json
import sys

import mujoco
import numpy as np
import robosuite
from make_robosuite_pictures import run_on_3_17
from robosuite.controllers import load_composite_controller_config
from safetensors.numpy import save_file
from scipy.spatial.transform import Rotation

TASK = "robosuite/door"
SEEDS = [11, 12]
STEPS = 150
SENT = range(60, 70)
OBS = ["robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object-state"]
MORE = ["robot0_joint_pos", "robot0_joint_vel", "robot0_gripper_qvel", "robot0_eef_quat_site"]
FIELDS = """
body_parentid body_pos body_quat body_mass body_inertia body_ipos body_iquat body_gravcomp geom_bodyid geom_type geom_pos
geom_quat geom_size geom_friction geom_solref geom_solimp geom_condim geom_contype geom_conaffinity geom_margin geom_rgba
jnt_type jnt_bodyid jnt_pos jnt_axis jnt_range jnt_stiffness jnt_solref dof_damping dof_armature dof_frictionloss
actuator_trnid actuator_gainprm actuator_biasprm actuator_ctrlrange actuator_forcerange actuator_gear site_bodyid site_pos
site_quat cam_pos cam_quat cam_fovy qpos0
""".split()
OPTIONS = "timestep cone impratio iterations tolerance solver integrator density viscosity".split()
# Where the lever is held, in the frame of the latch, m.
HELD = [0.11, -0.10, 0.0]


def make(seed):
    return robosuite.make(
        "Door",
        robots="Panda",
        controller_configs=load_composite_controller_config(controller="BASIC", robot="Panda"),
        has_offscreen_renderer=False,
        use_camera_obs=False,
        ignore_done=True,
        seed=seed,
    )


def doubles(value):
    return np.ascontiguousarray(np.array(value, dtype=np.float64))


def seen(obs, keys):
    return np.concatenate([np.ravel(obs[key]) for key in keys])


def names(model):
    """The names of everything, by kind, and the options."""
    kinds = {
        "body": (model.nbody, mujoco.mjtObj.mjOBJ_BODY),
        "geom": (model.ngeom, mujoco.mjtObj.mjOBJ_GEOM),
        "joint": (model.njnt, mujoco.mjtObj.mjOBJ_JOINT),
        "site": (model.nsite, mujoco.mjtObj.mjOBJ_SITE),
        "actuator": (model.nu, mujoco.mjtObj.mjOBJ_ACTUATOR),
        "camera": (model.ncam, mujoco.mjtObj.mjOBJ_CAMERA),
    }
    found = {
        kind: [mujoco.mj_id2name(model, number, i) or "" for i in range(count)]
        for kind, (count, number) in kinds.items()
    }
    return found | {"option": {name: float(getattr(model.opt, name)) for name in OPTIONS}}


class Hand:
    """Goes before the lever, takes it, turns it up, pulls."""

    def __init__(self, env):
        self.data, self.model = env.sim.data._data, env.sim.model._model
        self.closing = 0

    def pose(self, name):
        body = self.data.body(name)
        return body.xpos, body.xmat.reshape(3, 3)

    def action(self):
        door, turned = self.pose("Door_door")
        axis, latch = self.pose("Door_latch")
        hand = self.pose("robot0_right_hand")[1]
        at = self.data.site("gripper0_right_grip_site").xpos
        inward, across = turned[:, 1], latch[:, 2]
        turn = np.stack([np.cross(across, inward), across, inward], 1)
        lever = axis + latch @ HELD
        to, gripper = lever, 1.0
        crooked = np.linalg.norm(Rotation.from_matrix(turn @ hand.T).as_rotvec())
        if self.closing == 0:
            gripper = -1.0
            aside = at - lever - ((at - lever) @ inward) * inward
            if crooked > 0.25 or np.linalg.norm(aside) > 0.03:
                to = lever - 0.1 * inward
            elif np.linalg.norm(at - lever) < 0.015:
                self.closing = 1
        elif self.closing < 8:
            self.closing += 1
        elif self.data.joint("Door_hinge").qpos < 0.05 and self.data.joint("Door_latch_joint").qpos > -1.35:
            by = Rotation.from_rotvec(-0.4 * latch[:, 1]).as_matrix()
            to, turn = axis + by @ (lever - axis), by @ turn
        else:
            hinge = door + turned @ [0.255, 0, 0]
            by = Rotation.from_rotvec(0.15 * turned[:, 2]).as_matrix()
            to, turn = hinge + by @ (lever - hinge), by @ turn
        way = np.clip(20 * (to - at), -1, 1)
        by = np.clip(2 * Rotation.from_matrix(turn @ hand.T).as_rotvec(), -1, 1)
        return np.array([*way, *by, gripper])


def watch(env, sent):
    """Keeps what is sent to the actuators in each physics step."""
    step = env.sim.step2

    def watched():
        sent.append(env.sim.data.ctrl.copy())
        return step()

    env.sim.step2 = watched


def play(env, rng):
    """An episode by name, and the joints' places of which it is made."""
    first = env.reset()
    model, data = env.sim.model._model, env.sim.data
    sent, hand = [], Hand(env)
    watch(env, sent)
    found = {
        "qpos0": data.qpos.copy(),
        "qvel0": data.qvel.copy(),
        "init/body_pos": model.body_pos,
        "init/body_quat": model.body_quat,
    }
    found = {name: [value.copy()] for name, value in found.items()}
    rows = {"obs": [seen(first, OBS)], "more": [seen(first, MORE)]}
    rows |= {name: [] for name in ["actions", "success", "rewards", "qpos", "qvel"]}
    for number in range(STEPS):
        action = hand.action()
        action[:3] += rng.normal(0, 0.1, 3)
        action[3:6] += rng.normal(0, 0.15, 3)
        if number % 37 == 36:
            action = rng.uniform(-1.3, 1.3, 7)
        action = action.astype(np.float32).astype(np.float64)
        obs, reward, _, _ = env.step(action)
        step = {
            "obs": seen(obs, OBS),
            "more": seen(obs, MORE),
            "actions": action,
            "success": float(env._check_success()),
            "rewards": reward,
            "qpos": data.qpos.copy(),
            "qvel": data.qvel.copy(),
        }
        for name, value in step.items():
            rows[name].append(value)
    found = {name: value[0] for name, value in found.items()}
    steps = slice(25 * SENT.start, 25 * SENT.stop)
    return found | rows | {f"ctrl_{SENT.start}_{SENT.stop - 1}": sent[steps]}


def probe(env, rng, qpos):
    """States of their own, at rest: the door open by about as much as it has to be."""
    model, data = env.sim.model, env.sim.data
    rows = {"probe_qpos": [], "probe_success": [], "probe_obs": []}
    for _ in range(60):
        data.qpos[:] = qpos[rng.integers(len(qpos))]
        data.qvel[:] = 0
        data.qpos[model.get_joint_qpos_addr("Door_hinge")] = rng.uniform(0.2, 0.4)
        data.qpos[model.get_joint_qpos_addr("Door_latch_joint")] = rng.uniform(-1.5, 1.5)
        env.sim.forward()
        obs = env._get_observations(force_update=True)
        rows["probe_qpos"].append(data.qpos.copy())
        rows["probe_success"].append(float(env._check_success()))
        rows["probe_obs"].append(seen(obs, OBS))
    return rows


def starts():
    """Other resets: the joints' places, and where the door is."""
    rows = {"starts_qpos": [], "starts_door": []}
    for seed in range(5000, 5020):
        env = make(seed)
        env.reset()
        model = env.sim.model._model
        door = model.body("Door_main").id
        rows["starts_qpos"].append(env.sim.data.qpos.copy())
        rows["starts_door"].append([*model.body_pos[door], *model.body_quat[door]])
        env.close()
    return rows


def main(out):
    run_on_3_17()
    tensors = {f"{TASK}/{name}": doubles(rows) for name, rows in starts().items()}
    about = {"robosuite": robosuite.__version__, "mujoco": mujoco.__version__, "entries": {}}
    for number, seed in enumerate(SEEDS):
        env = make(seed)
        rng = np.random.default_rng(seed)
        episode = play(env, rng)
        model = env.sim.model._model
        if number == 0:
            for field in FIELDS:
                tensors[f"model/{TASK}/{field}"] = doubles(getattr(model, field))
            about["names"] = {"door": names(model)}
            obs = env._get_observations()
            about["obs"] = {"door": {key: int(np.size(obs[key])) for key in OBS + MORE}}
        episode |= probe(env, rng, episode["qpos"])
        tensors |= {f"{TASK}/{number}/{name}": doubles(rows) for name, rows in episode.items()}
        about["entries"][f"{TASK}/{number}"] = {
            "seed": seed,
            "steps": STEPS,
            "successes": int(sum(episode["success"])),
            "probe_successes": int(sum(episode["probe_success"])),
        }
        env.close()
    print(json.dumps(about["entries"]))
    save_file(tensors, out, metadata={"protege": json.dumps(about)})


if __name__ == "__main__":
    main(sys.argv[1])
