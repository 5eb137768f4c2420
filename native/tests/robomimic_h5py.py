"""Holds a file that `protege export` wrote to robomimic's form, read by h5py as robomimic reads it.

    python robomimic_h5py.py FILE.hdf5 DATASET.safetensors VALID

Prints one line of JSON about it; whatever is not as it should be ends it. Accesses are those of robomimic 0.5.0: utils/dataset.py
(SequenceDataset), utils/file_utils.py (get_env_metadata_from_dataset, get_shape_metadata_from_dataset, get_demos_for_filter_key).
"""

import json
import struct
import sys

import h5py
import numpy as np

TYPES = {"F32": np.float32, "U8": np.uint8}


def read_safetensors(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    ours = json.loads(header.pop("__metadata__")["protege"])

    def tensor(entry):
        start, end = entry["data_offsets"]
        raw = data[8 + length + start : 8 + length + end]
        return np.frombuffer(raw, TYPES[entry["dtype"]]).reshape(entry["shape"])

    return ours, {name: tensor(entry) for name, entry in header.items()}


def has(group, names):
    assert set(group) == set(names), (group.name, set(group), set(names))


def same(dataset, numbers, dtype):
    assert dataset.dtype == dtype and dataset.shape == numbers.shape, (dataset.name, dataset.dtype, dataset.shape, numbers.shape)
    # Bit for bit: a number of 32 bits is one of 64.
    assert dataset[()].tobytes() == numbers.astype(dtype).tobytes(), dataset.name


def text(attributes, name):
    info = h5py.check_string_dtype(attributes.get_id(name).dtype)
    assert (info.encoding, info.length) == ("utf-8", None), (name, info)
    assert isinstance(attributes[name], str), name
    return attributes[name]


def number(attributes, name):
    assert attributes.get_id(name).dtype == np.int64 and attributes[name].shape == (), name
    return int(attributes[name])


def main(path, safetensors, valid):
    ours, tensors = read_safetensors(safetensors)
    meta = ours["meta"]
    file = h5py.File(path, "r", swmr=True, libver="latest")
    has(file, ["data", "mask"])
    data = file["data"]
    names = list(data.keys())
    names = [names[i] for i in np.argsort([int(name[5:]) for name in names])]
    assert names == [f"demo_{i}" for i in range(len(ours["episodes"]))], names
    env = json.loads(text(data.attrs, "env_args"))
    assert set(env) == {"env_name", "env_version", "type", "env_kwargs"}, env
    assert number(data.attrs, "total") == sum(entry["length"] for entry in ours["episodes"])

    keys = {"flat": slice(0, None)}
    if meta["task"].startswith("robosuite/"):
        keys = {
            "robot0_eef_pos": slice(0, 3),
            "robot0_eef_quat": slice(3, 7),
            "robot0_gripper_qpos": slice(7, 9),
            "object": slice(9, None),
        }
        if meta["obs"]["cameras"]:
            del keys["object"]
    cameras = {f"{camera['name']}_image": camera["name"] for camera in meta["obs"]["cameras"]}
    for i, entry in enumerate(ours["episodes"]):
        demo, length = data[names[i]], entry["length"]
        part = lambda name: tensors[f"episode_{i:03}/{name}"]
        assert number(demo.attrs, "num_samples") == length
        has(demo, ["actions", "rewards", "dones", "obs", "next_obs"])
        same(demo["actions"], part("actions"), np.float64)
        same(demo["rewards"], part("rewards"), np.float64)
        done = part("rewards") > 0
        done[-1] = True
        same(demo["dones"], done, np.int64)
        for group, first in [("obs", 0), ("next_obs", 1)]:
            seen = slice(first, first + length)
            has(demo[group], [*keys, *cameras])
            for key, place in keys.items():
                same(demo[group][key], part("state")[seen, place], np.float64)
            for key, camera in cameras.items():
                same(demo[group][key], part(f"images/{camera}")[seen].transpose(0, 2, 3, 1), np.uint8)

    masks = {"train"} | ({"valid"} if valid else set())
    has(file["mask"], masks)
    lists = {mask: [name.decode("utf-8") for name in np.array(file[f"mask/{mask}"][:])] for mask in masks}
    assert file["mask/train"].dtype.kind == "S"
    assert sorted(sum(lists.values(), [])) == sorted(names), lists
    assert len(lists.get("valid", [])) == int(valid * len(names)), lists
    print(json.dumps(dict(task=env["env_name"], type=env["type"], demos=len(names), obs=sorted([*keys, *cameras]))))


main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
