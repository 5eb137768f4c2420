"""Draws robosuite's tasks with its own renderer on MuJoCo 3.17.0: pictures that ours are held to.

    python -m venv venv && venv/bin/pip install robosuite==1.5.2 mujoco==3.17.0 safetensors
    cd ../fixtures
    MUJOCO_GL=egl venv/bin/python ../upstream/make_robosuite_pictures.py \\
        robosuite_traces.safetensors robosuite_door_traces.safetensors OUT.safetensors

The states are those of the traces, a third of the way into number 0. The layout is described in ../fixtures/README.md.
"""

import sys
import types

import mujoco
import numpy as np
import robosuite
import robosuite.controllers.parts.controller as controller
import robosuite.utils.binding_utils as binding_utils
from robosuite.controllers import load_composite_controller_config
from safetensors import safe_open
from safetensors.numpy import save_file

TASKS = {
    "lift": "Lift",
    "can": "PickPlaceCan",
    "square": "NutAssemblySquare",
    "stack": "Stack",
    "tool-hang": "ToolHang",
    "door": "Door",
}
CAMERAS = ["agentview", "robot0_eye_in_hand"]
SIZE = 84


class Patched(types.ModuleType):
    """The module `mujoco` with some names replaced."""

    def __init__(self, **names):
        super().__init__("mujoco")
        self.__dict__.update(names)

    def __getattr__(self, name):
        return getattr(mujoco, name)


def run_on_3_17():
    """MuJoCo 3.17's enums are no longer equal to numpy's integers, and mj_fullM takes other arguments."""
    joints = {name: int(value) for name, value in mujoco.mjtJoint.__members__.items()}
    binding_utils.mujoco = Patched(mjtJoint=types.SimpleNamespace(**joints))
    binding_utils.MjData.qM = property(lambda self: self._data)
    full = lambda model, matrix, data: mujoco.mj_fullM(model, data, matrix)
    controller.mujoco = Patched(mj_fullM=full)


def pictures(task, traces):
    """The state, and what each camera sees of it, upright."""
    env = robosuite.make(
        TASKS[task],
        robots="Panda",
        controller_configs=load_composite_controller_config(controller="BASIC", robot="Panda"),
        has_offscreen_renderer=True,
        use_camera_obs=True,
        camera_names=CAMERAS,
        camera_heights=SIZE,
        camera_widths=SIZE,
        ignore_done=True,
    )
    env.reset()
    model = env.sim.model._model
    body_pos = traces.get_tensor(f"model/robosuite/{task}/body_pos")
    model.body_pos[:] = body_pos
    found = {f"{task}/body_pos": body_pos}
    if task == "door":
        found[f"{task}/body_quat"] = traces.get_tensor(f"model/robosuite/{task}/body_quat")
        model.body_quat[:] = found[f"{task}/body_quat"]
    else:
        model.geom_size[:] = traces.get_tensor(f"robosuite/{task}/0/model_geom_size")
    rows = traces.get_tensor(f"robosuite/{task}/0/qpos")
    qpos = rows[len(rows) // 3]
    env.sim.data.qpos[:] = qpos
    env.sim.data.qvel[:] = 0
    env.sim.forward()
    seen = env._get_observations(force_update=True)
    found[f"{task}/qpos"] = qpos
    if task == "lift":
        cube = env.sim.model.geom_name2id("cube_g0")
        found[f"{task}/cube"] = np.array(model.geom_size[cube])
    for camera in CAMERAS:
        found[f"{task}/{camera}"] = np.ascontiguousarray(seen[f"{camera}_image"][::-1])
    env.close()
    return found


if __name__ == "__main__":
    run_on_3_17()
    tensors = {}
    for file in sys.argv[1:-1]:
        with safe_open(file, "np") as traces:
            recorded = {name.split("/")[2] for name in traces.keys() if name.startswith("model/")}
            for task in recorded & TASKS.keys():
                tensors |= pictures(task, traces)
    save_file(tensors, sys.argv[-1])
