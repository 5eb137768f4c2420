//! What the tests need beside cargo, and how to get it. Everything is safe to repeat and takes no
//! time when it is there.

use crate::downloads::Download;
use crate::{downloads, shell};
use std::path::PathBuf;

/// One thing that must be there.
pub struct Need {
    what: &'static str,
    /// Its version, or other words that change when it does; none when it is missing.
    found: fn() -> Option<String>,
    get: fn() -> Result<(), String>,
}

/// The physics engine, which the program loads where it needs it.
pub const MUJOCO: Need = Need {
    what: "MuJoCo's library",
    found: || {
        let is_there = downloads::MUJOCO.is_there();
        is_there.then(|| downloads::MUJOCO.version.to_owned())
    },
    get: || downloads::MUJOCO.ensure().map(drop),
};

/// The packages of the suites whose scenes are others'.
const SUITES: [&Download; 3] = [
    &crate::metaworld::PACKAGE,
    &crate::adroit::PACKAGE,
    &crate::robosuite::PACKAGE,
];

/// The scenes of these suites.
pub const SCENES: Need = Need {
    what: "the scenes of Meta-World, Adroit and robosuite",
    found: || {
        let are_there = SUITES.iter().all(|package| package.is_there());
        are_there.then(|| SUITES.map(|package| package.version).join(" "))
    },
    get: || {
        SUITES
            .iter()
            .try_for_each(|package| package.ensure().map(drop))
    },
};

/// rustfmt and clippy.
pub const LINTS: Need = Need {
    what: "rustfmt and clippy",
    found: || {
        let rustfmt = answer(shell::cargo(&["fmt", "--version"]))?;
        let clippy = answer(shell::cargo(&["clippy", "--version"]))?;
        Some(format!("{rustfmt}, {clippy}"))
    },
    get: || {
        shell::run(shell::command(
            "rustup",
            &["component", "add", "rustfmt", "clippy"],
        ))
    },
};

/// Rust's standard library for the browser.
pub const WASM_TARGET: Need = Need {
    what: "the wasm32-unknown-unknown target",
    found: || {
        let folder = answer(shell::command(
            "rustc",
            &["--print", "target-libdir", "--target", shell::WASM],
        ))?;
        PathBuf::from(&folder).is_dir().then_some(folder)
    },
    get: || shell::run(shell::command("rustup", &["target", "add", shell::WASM])),
};

/// The version of wasm-bindgen in Cargo.lock: library and tool must be the same.
const WASM_BINDGEN: &str = "0.2.130";

/// The tool that runs wasm tests.
pub const WASM_RUNNER: Need = Need {
    what: "wasm-bindgen (built here, some minutes)",
    found: || {
        let version = answer(shell::command(tool("wasm-bindgen"), &["--version"]))?;
        let is_ours = version.split_whitespace().nth(1) == Some(WASM_BINDGEN);
        is_ours.then_some(version)
    },
    get: || {
        // Its lock file names a crate that package mirrors no longer serve, hence no --locked. Its
        // default features are encryption, for browsers at other addresses than this machine's.
        install(&[
            "wasm-bindgen-cli",
            "--version",
            WASM_BINDGEN,
            "--no-default-features",
        ])
    },
};

/// The JavaScript engine that wasm tests run in.
pub const NODE: Need = Need {
    what: "Node.js",
    found: || answer(shell::command("node", &["--version"])),
    get: || apt(&["nodejs"]),
};

/// Vulkan in software, so that GPU code runs on a machine without a GPU.
pub const LAVAPIPE: Need = Need {
    what: "a software Vulkan device (Mesa's lavapipe)",
    found: || lavapipe().map(|driver| driver.display().to_string()),
    get: || apt(&["mesa-vulkan-drivers", "libvulkan1"]),
};

/// Drawing without a display, so that pictures are tested, too. Mesa has a device in software.
pub const EGL: Need = Need {
    what: "EGL (Mesa's, for pictures)",
    found: || {
        let vendors = std::fs::read_dir("/usr/share/glvnd/egl_vendor.d")
            .is_ok_and(|mut files| files.next().is_some());
        let drivers = answer(shell::command(
            "sh",
            &[
                "-c",
                "ldconfig -p | grep -q libEGL.so.1 && ls /usr/lib/*/dri/swrast_dri.so \
                 /usr/lib*/dri/swrast_dri.so 2>/dev/null | grep .",
            ],
        ))?;
        vendors.then_some(drivers)
    },
    get: || apt(&["libegl1", "libegl-mesa0", "libgl1-mesa-dri"]),
};

/// The batch system that sweeps are tried on. Where its packages cannot be installed, the test says
/// so and passes.
pub const SLURM: Need = Need {
    what: "Slurm",
    found: || {
        let can_install =
            answer(shell::command("apt-get", &["--version"])).is_some() && root_prefix().is_some();
        let version = answer(shell::command("slurmctld", &["-V"]));
        version.or_else(|| (!can_install).then(|| "not to be had".to_owned()))
    },
    get: || apt(&["slurmctld", "slurmd", "slurm-client", "munge"]),
};

/// The version that wrote the files of others in `native/tests/fixtures/robomimic`.
const H5PY_VERSION: &str = "3.16.0";

/// What robomimic reads and writes HDF5 with, in a folder of its own: a virtual environment would
/// take a package that Debian's Python is without.
pub const H5PY: Need = Need {
    what: "h5py",
    found: || {
        let mut python = shell::command("python3", &["-c"]);
        python.arg("import h5py; print(h5py.__version__)");
        python.env("PYTHONPATH", h5py());
        let version = answer(python)?;
        (version == H5PY_VERSION).then_some(version)
    },
    get: || {
        let package = format!("h5py=={H5PY_VERSION}");
        let mut pip = shell::command("python3", &["-m", "pip", "install", "--quiet"]);
        pip.args(["--disable-pip-version-check", "--upgrade", "--target"]);
        pip.arg(h5py()).arg(package);
        shell::run(pip)
    },
};

/// Named as the test names it.
fn h5py() -> PathBuf {
    shell::cache().join("tools/python")
}

/// three.js, its bundler and the driver of browser tests, as www/package-lock.json says.
pub const NPM_PACKAGES: Need = Need {
    what: "the site's npm packages",
    found: || {
        // npm writes this file when an installation is complete; an older one is of another lock
        // file.
        let time = |path: &str| {
            std::fs::metadata(shell::root().join(path))
                .and_then(|data| data.modified())
                .ok()
        };
        let installed = time("www/node_modules/.package-lock.json")?;
        let is_newer = Some(installed) >= time("www/package-lock.json");
        is_newer.then(|| "as www/package-lock.json says".to_owned())
    },
    get: || {
        shell::run(shell::command(
            "npm",
            &["ci", "--prefix", "www", "--no-audit", "--no-fund"],
        ))
    },
};

/// A browser without a window, for the tests of the site.
pub const CHROMIUM: Need = Need {
    what: "Chromium",
    found: || answer(shell::command("chromium", &["--version"])),
    get: || apt(&["chromium", "fonts-noto-core"]),
};

/// Installs whatever is missing, and goes on after a failure; `web` adds what the web app needs.
///
/// # Errors
/// One sentence for each thing that could not be had.
pub fn everything(web: bool) -> Result<(), String> {
    let mut needs = vec![
        MUJOCO,
        SCENES,
        LINTS,
        WASM_TARGET,
        NODE,
        EGL,
        H5PY,
        LAVAPIPE,
        WASM_RUNNER,
    ];
    if web {
        needs.extend([NPM_PACKAGES, CHROMIUM]);
    }
    let missing: Vec<String> = needs.iter().filter_map(|need| ensure(need).err()).collect();
    if !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    eprintln!("Everything is installed.");
    Ok(())
}

/// Installs one thing unless it is there.
///
/// # Errors
/// A sentence that names what is missing, why, and what to do.
pub fn ensure(need: &Need) -> Result<(), String> {
    if (need.found)().is_some() {
        return Ok(());
    }
    eprintln!("Installing {} ...", need.what);
    (need.get)().map_err(|why| format!("{} is missing: {why}", need.what))?;
    if (need.found)().is_some() {
        Ok(())
    } else {
        Err(format!(
            "{} was installed but does not work here.",
            need.what
        ))
    }
}

/// What is found of a thing, for those who care which version it was.
pub fn found(need: &Need) -> (&'static str, String) {
    let version = (need.found)().unwrap_or_else(|| "missing".to_owned());
    (need.what, version)
}

/// The driver file of lavapipe, where Debian and Fedora put it.
pub fn lavapipe() -> Option<PathBuf> {
    let drivers = std::fs::read_dir("/usr/share/vulkan/icd.d").ok()?;
    drivers
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().contains("lvp_icd"))
}

/// Where a tool of ours lies: not in the user's own ~/.cargo/bin.
pub fn tool(name: &str) -> PathBuf {
    shell::cache()
        .join("tools")
        .join("bin")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Takes the build folder for this clone.
///
/// Cargo tells whether our own crates are up to date by the files' times only, so a clone would get
/// the programs of another clone that built later into the same folder. Forgetting our crates costs
/// seconds; the dependencies stay.
///
/// # Errors
/// One sentence when the build folder cannot be written.
pub fn claim_target() -> Result<(), String> {
    let target = shell::target();
    let root = shell::root().to_string_lossy().into_owned();
    let owner = target.join("protege-clone");
    if std::fs::read_to_string(&owner).is_ok_and(|known| known == root) {
        return Ok(());
    }
    for folder in ["release", "wasm32-unknown-unknown/release"] {
        forget_our_crates(&target.join(folder).join(".fingerprint"));
    }
    let written = std::fs::create_dir_all(&target).and_then(|()| std::fs::write(&owner, root));
    written.map_err(|error| {
        format!(
            "The build folder {} cannot be written ({error}); set CARGO_TARGET_DIR.",
            target.display()
        )
    })
}

/// Removes cargo's notes on the workspace's own crates; a folder that is not there has none.
fn forget_our_crates(fingerprints: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(fingerprints) else {
        return;
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    for path in paths.filter(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("protege"))
    }) {
        // What cannot be removed is at worst built again.
        let _ = std::fs::remove_dir_all(path);
    }
}

/// `cargo install` into our own folder. What is installed runs for seconds, so most of the
/// compiler's work on its speed would be lost time.
fn install(args: &[&str]) -> Result<(), String> {
    let folder = shell::cache().join("tools");
    let mut install = shell::cargo(&["install", "--root", &folder.to_string_lossy()]);
    install
        .args(args)
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    shell::run(install)
}

/// Installs Debian packages where that needs no password.
fn apt(packages: &[&str]) -> Result<(), String> {
    let list = packages.join(" ");
    if answer(shell::command("apt-get", &["--version"])).is_none() {
        return Err(format!(
            "install it with your system's package manager (on Debian the packages are {list})."
        ));
    }
    let Some(prefix) = root_prefix() else {
        return Err(format!(
            "run `sudo apt-get install {list}`, then try again."
        ));
    };
    let apt_get = |args: &[&str]| {
        shell::run(shell::command(
            "env",
            &[prefix, &["DEBIAN_FRONTEND=noninteractive", "apt-get"], args].concat(),
        ))
    };
    apt_get(&["update", "-qq"])?;
    apt_get(
        &[
            &["install", "-qq", "--yes", "--no-install-recommends"],
            packages,
        ]
        .concat(),
    )
}

/// What makes a command run as root without asking: nothing for root itself, else sudo, if it does
/// not ask.
fn root_prefix() -> Option<&'static [&'static str]> {
    if shell::output(shell::command("id", &["-u"])).is_ok_and(|id| id.trim() == "0") {
        return Some(&[]);
    }
    let needs_none = answer(shell::command("sudo", &["-n", "true"])).is_some();
    needs_none.then_some(&["sudo", "-n", "env"])
}

/// What a program says, when it can be started and ends well.
fn answer(command: std::process::Command) -> Option<String> {
    let said = shell::output(command).ok()?;
    Some(said.trim().to_owned())
}
