"""Plays robosuite's can under other settings of its controller, and under the controller of 1.4.1, on MuJoCo 3.17.0.

    python -m venv venv && venv/bin/pip install robosuite==1.5.2 mujoco==3.17.0 safetensors
    venv/bin/pip download --no-deps --no-binary :all: robosuite==1.4.1   # and unpack it
    OPENBLAS_CORETYPE=SkylakeX venv/bin/python make_robosuite_settings.py robosuite-1.4.1/robosuite OUT.safetensors

1.4.1 does not run on this MuJoCo. Its controller does, in 1.5.2's scene; the few lines of 1.4.1 around it (when it is
asked, how the gripper moves) are repeated here. The layout is described in ../fixtures/README.md.
"""

import importlib.util
import json
import sys

import mujoco
import numpy as np
import robosuite
import robosuite.utils.binding_utils as binding_utils
from make_robosuite_pictures import Patched, run_on_3_17
from robosuite.controllers import load_composite_controller_config
from safetensors.numpy import save_file

STEPS = 40


def can(controller_configs, lite_physics=True):
    return robosuite.make(
        "PickPlaceCan",
        robots="Panda",
        controller_configs=controller_configs,
        lite_physics=lite_physics,
        has_offscreen_renderer=False,
        use_camera_obs=False,
        ignore_done=True,
        seed=3,
    )


def basic():
    return load_composite_controller_config(controller="BASIC", robot="Panda")


def actions():
    """Down to the can and about, with and without a turn, the gripper closing, opening and still."""
    rng = np.random.default_rng(5)
    for step in range(STEPS):
        action = np.clip(rng.normal(0, 0.6, 7), -1, 1)
        action[2] = -0.6
        action[6] = 1 if step % 20 > 10 else -1
        if step % 3 == 0:
            action[3:6] = 0
        if step % 13 == 0:
            action[6] = 0
        yield action.astype(np.float32).astype(np.float64)


def new(name, lite_physics=True, **settings):
    """Under 1.5.2, with settings of the arm."""
    configs = basic()
    arm = configs["body_parts"]["right"]
    arm.update(settings)
    env = can(configs, lite_physics)
    seen = env.reset()
    start = env.sim.data.qpos.copy(), env.sim.data.qvel.copy()
    base = np.array(env.sim.data.get_site_xpos("robot0_right_center"))
    played, reached = [], []
    for step, action in enumerate(actions()):
        if settings.get("input_type") == "absolute":
            action[:3] = seen["robot0_eef_pos"] - base + action[:3] * 0.05
            action[3:6] = [3.0, 0.1 * np.sin(step / 5), 0.2]
        seen = env.step(action)[0]
        played.append(action)
        reached.append(env.sim.data.qpos.copy())
    args = {
        "env_name": "PickPlaceCan",
        "env_version": robosuite.__version__,
        "type": 1,
        "env_kwargs": {
            "lite_physics": lite_physics,
            "controller_configs": {"type": "BASIC", "body_parts": {"right": arm}},
        },
    }
    return record(name, args, start, played, reached)


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def old(name, source):
    """Under 1.4.1's controller."""
    base = load("robosuite.controllers.base_controller", f"{source}/controllers/base_controller.py")
    base.mujoco = Patched(mj_fullM=lambda model, matrix, data: mujoco.mj_fullM(model, data, matrix))
    osc = load("old_osc", f"{source}/controllers/osc.py")
    configs = json.load(open(f"{source}/controllers/config/osc_pose.json"))
    env = can(basic())
    env.reset()
    robot, sim = env.robots[0], env.sim
    start = sim.data.qpos.copy(), sim.data.qvel.copy()
    # As in a reset: each forward pass leaves the solver another point to start from.
    sim.reset()
    sim.forward()
    joints = robot._ref_joint_pos_indexes
    sim.data.qpos[joints] = start[0][joints]
    settings = {key: value for key, value in configs.items() if key != "type"}
    controller = osc.OperationalSpaceController(
        sim,
        robot.gripper["right"].important_sites["grip_site"],
        {
            "joints": robot._ref_joint_indexes,
            "qpos": joints,
            "qvel": robot._ref_joint_vel_indexes,
        },
        robot.torque_limits,
        policy_freq=20,
        **settings,
    )
    sim.data.qpos[:] = start[0]
    sim.forward()
    fingers = robot._ref_joint_gripper_actuator_indexes["right"]
    low, high = sim.model.actuator_ctrlrange[fingers].T
    grip = np.zeros(2)
    played, reached = [], []
    for action in actions():
        for substep in range(25):
            sim.forward()
            if substep == 0:
                controller.set_goal(action[:6])
            torques = np.clip(controller.run_controller(), *robot.torque_limits)
            grip = np.clip(grip + np.array([-1.0, 1.0]) * 0.01 * np.sign(action[6]), -1.0, 1.0)
            sim.data.ctrl[fingers] = 0.5 * (high + low) + 0.5 * (high - low) * grip
            sim.data.ctrl[robot._ref_arm_joint_actuator_indexes] = torques
            sim.step()
        played.append(action)
        reached.append(sim.data.qpos.copy())
    args = {"env_name": "PickPlaceCan", "env_version": "1.4.1", "type": 1}
    args["env_kwargs"] = {"controller_configs": configs}
    return record(name, args, start, played, reached)


def record(name, args, start, played, reached):
    arrays = {"qpos0": start[0], "qvel0": start[1], "actions": played, "qpos": reached}
    return {name: args}, {f"{name}/{key}": np.array(rows) for key, rows in arrays.items()}


if __name__ == "__main__":
    run_on_3_17()
    makers = [
        new("heavy", lite_physics=False),
        new(
            "world",
            input_ref_frame="world",
            uncouple_pos_ori=False,
            kp=[100, 120, 150, 80, 90, 200],
            damping_ratio=0.7,
            output_max=[0.1, 0.05, 0.02, 0.3, 0.5, 0.4],
        ),
        new("absolute", input_type="absolute"),
        old("1.4.1", sys.argv[1]),
    ]
    args, tensors = {}, {}
    for of_one, arrays in makers:
        args |= of_one
        tensors |= arrays
    save_file(tensors, sys.argv[2], metadata={"protege": json.dumps(args)})
