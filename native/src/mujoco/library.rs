//! MuJoCo's library, loaded when it is first needed: the program starts, and everything that needs
//! no MuJoCo works, where the library is not there.
//!
//! mujoco-rs calls MuJoCo's functions by name. The linker finds each name here, as a function that
//! jumps to the address in its row of a table, and [`load`] fills the table from the library. So no
//! program needs the library to be linked or to start. Every way to MuJoCo begins with [`load`]
//! (`Plant` makes all models); what would call a function before is a bug, and ends the program with
//! a sentence. A function that mujoco-rs calls and that has no row is an undefined symbol when a
//! program is linked: give it one.

#![allow(
    unsafe_code,
    reason = "functions of a library that is loaded at run time are called by address"
)]

use super::quiet;
use crate::downloads::MUJOCO;
use libloading::Library;
use mujoco_rs::mujoco_c::mjVERSION_HEADER;
use protege_core::{Error, Result};
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!(
    "MuJoCo is used on Linux on x86_64 and aarch64 only: build with --no-default-features"
);

/// The variable that names the library, or the folder that it is in, where it is not in the cache.
const VARIABLE: &str = "PROTEGE_MUJOCO";

/// A row of the table.
#[repr(C)]
struct Function {
    /// Its name; null in the row after the last.
    name: *const c_char,
    /// Where its calls go: to [`unloaded`], then into the library.
    address: *const c_void,
}

unsafe extern "C" {
    /// The first row.
    static mut protege_mujoco_functions: Function;
}

// The macro makes a function, its name and its row.
core::arch::global_asm!(
    ".macro protege_mujoco name",
    ".pushsection .text.protege_mujoco, \"ax\", %progbits",
    ".p2align 4",
    ".globl \\name",
    ".hidden \\name",
    ".type \\name, %function",
    "\\name:",
    #[cfg(target_arch = "x86_64")]
    "jmp qword ptr [rip + .Lprotege_address_\\name]",
    #[cfg(target_arch = "aarch64")]
    "adrp x16, .Lprotege_address_\\name",
    #[cfg(target_arch = "aarch64")]
    "ldr x16, [x16, :lo12:.Lprotege_address_\\name]",
    #[cfg(target_arch = "aarch64")]
    "br x16",
    ".size \\name, . - \\name",
    ".popsection",
    ".pushsection .rodata.protege_mujoco, \"a\", %progbits",
    ".Lprotege_name_\\name:",
    ".asciz \"\\name\"",
    ".popsection",
    ".quad .Lprotege_name_\\name",
    ".Lprotege_address_\\name:",
    ".quad {unloaded}",
    ".endm",
    ".pushsection .data.rel.protege_mujoco, \"aw\", %progbits",
    ".p2align 3",
    ".globl protege_mujoco_functions",
    ".hidden protege_mujoco_functions",
    "protege_mujoco_functions:",
    "protege_mujoco mj_addBufferVFS",
    "protege_mujoco mj_contactForce",
    "protege_mujoco mj_copyModel",
    "protege_mujoco mj_defaultVFS",
    "protege_mujoco mj_deleteData",
    "protege_mujoco mj_deleteModel",
    "protege_mujoco mj_deleteVFS",
    "protege_mujoco mj_forward",
    "protege_mujoco mj_getState",
    "protege_mujoco mj_id2name",
    "protege_mujoco mj_loadXML",
    "protege_mujoco mj_makeData",
    "protege_mujoco mj_name2id",
    "protege_mujoco mj_objectVelocity",
    "protege_mujoco mj_resetData",
    "protege_mujoco mj_setState",
    "protege_mujoco mj_stateSize",
    "protege_mujoco mj_step",
    "protege_mujoco mj_step1",
    "protege_mujoco mj_step2",
    "protege_mujoco mj_version",
    "protege_mujoco mjr_changeFont",
    "protege_mujoco mjr_defaultContext",
    "protege_mujoco mjr_freeContext",
    "protege_mujoco mjr_makeContext",
    "protege_mujoco mjr_readPixels",
    "protege_mujoco mjr_render",
    "protege_mujoco mjr_setBuffer",
    "protege_mujoco mju_free",
    "protege_mujoco mju_getLogConfig",
    "protege_mujoco mju_malloc",
    "protege_mujoco mju_mat2Quat",
    "protege_mujoco mju_setLogConfig",
    "protege_mujoco mju_setLogHandler",
    "protege_mujoco mjv_defaultCamera",
    "protege_mujoco mjv_defaultFreeCamera",
    "protege_mujoco mjv_defaultOption",
    "protege_mujoco mjv_defaultPerturb",
    "protege_mujoco mjv_defaultScene",
    "protege_mujoco mjv_freeScene",
    "protege_mujoco mjv_makeScene",
    "protege_mujoco mjv_updateScene",
    ".quad 0, 0",
    ".popsection",
    ".purgem protege_mujoco",
    unloaded = sym unloaded,
);

/// What a function of MuJoCo's does before the library is loaded.
extern "C" fn unloaded() -> ! {
    eprintln!(
        "error: this is a bug in protege, please report it with the command line: MuJoCo was used \
         before its library was loaded"
    );
    std::process::abort()
}

/// Loads the library, unless that is done; it stays loaded.
///
/// # Errors
/// The user's, when it is not where it is looked for, cannot be loaded, or is another version.
pub fn load() -> Result<()> {
    static IS_LOADED: Mutex<bool> = Mutex::new(false);
    let mut is_loaded = IS_LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_loaded {
        let unknown = |why| Error::input(format!("MuJoCo's library is not there: {why}"));
        let place = Place::find().map_err(unknown)?;
        let refused = |why| Error::input(format!("{why}: {}", place.remedy));
        open(&place.path).map_err(refused)?;
        quiet();
        *is_loaded = true;
    }
    Ok(())
}

/// Whether the library is looked for in the cache, rather than elsewhere.
pub fn is_cached() -> bool {
    Place::find().is_ok_and(|place| place.is_cached)
}

/// The file that is loaded, and what to do where it is not there or not right.
struct Place {
    path: PathBuf,
    remedy: String,
    is_cached: bool,
}

impl Place {
    /// Where [`VARIABLE`] says, else beside the program if it is there, else in the cache.
    ///
    /// # Errors
    /// When there is no folder for a cache.
    fn find() -> std::result::Result<Self, String> {
        let version = MUJOCO.version;
        if let Some(named) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            return Ok(Self {
                path: in_folder(PathBuf::from(named)),
                remedy: format!(
                    "let {VARIABLE} name the library of MuJoCo {version}, or unset it and run \
                     `protege doctor --fix`"
                ),
                is_cached: false,
            });
        }
        let program = std::env::current_exe().ok();
        let folder = program.as_deref().and_then(Path::parent);
        let beside = folder.map(|folder| folder.join(file_name()));
        if let Some(path) = beside.filter(|path| path.is_file()) {
            return Ok(Self {
                path,
                remedy: format!("put that of MuJoCo {version} there, or remove it"),
                is_cached: false,
            });
        }
        Ok(Self {
            path: MUJOCO.folder()?.join(MUJOCO.proof),
            remedy: "`protege doctor --fix` fetches it".to_owned(),
            is_cached: true,
        })
    }
}

/// What the library is called.
fn file_name() -> &'static OsStr {
    let path = Path::new(MUJOCO.proof);
    path.file_name().unwrap_or(path.as_os_str())
}

/// The library in a folder; anything else that is named is the library itself.
fn in_folder(path: PathBuf) -> PathBuf {
    if path.is_dir() {
        path.join(file_name())
    } else {
        path
    }
}

/// Loads a file and fills the table.
///
/// # Errors
/// Why that cannot be, without a remedy.
fn open(path: &Path) -> std::result::Result<(), String> {
    let shown = path.display();
    // A pipe would be waited for.
    if !path.is_file() {
        return Err(format!("MuJoCo's library is not at {shown}"));
    }
    if !is_complete(path).map_err(|why| format!("{shown} cannot be read ({why})"))? {
        return Err(format!("{shown} is not MuJoCo's library, or not all of it"));
    }
    // SAFETY: what runs while MuJoCo's library is loaded sets up tables of its own; that the file
    // is this library is the user's word, or checked against the publisher's sum.
    let library = unsafe { Library::new(path) };
    let library = library.map_err(|why| format!("MuJoCo's library cannot be loaded ({why})"))?;
    check_version(&library, path)?;
    fill(&library, path)?;
    // Never closed: the table leads into it.
    std::mem::forget(library);
    Ok(())
}

/// Whether a file is a library of 64 bits up to its last byte: the table of its sections, which it
/// ends with, is there. The system's loader would end the program at the first page that is not.
fn is_complete(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut head = [0; 64];
    if length < head.len() as u64 {
        return Ok(false);
    }
    file.read_exact(&mut head)?;
    let size = u64::from(u16::from_le_bytes([head[58], head[59]]));
    let count = u64::from(u16::from_le_bytes([head[60], head[61]]));
    let mut start = [0; 8];
    start.copy_from_slice(&head[40..48]);
    let start = u64::from_le_bytes(start);
    let end = start.checked_add(size * count);
    Ok(head.starts_with(b"\x7fELF\x02") && end.is_some_and(|end| end <= length))
}

/// Another version has other structs, which mujoco-rs would misread.
fn check_version(library: &Library, path: &Path) -> std::result::Result<(), String> {
    let shown = path.display();
    // SAFETY: this is how MuJoCo declares the function.
    let version = unsafe { library.get::<unsafe extern "C" fn() -> c_int>(b"mj_version\0") };
    let version = version.map_err(|_| format!("{shown} is not MuJoCo's library"))?;
    // SAFETY: it only returns a number.
    let found = unsafe { version() };
    if found == mjVERSION_HEADER as c_int {
        return Ok(());
    }
    Err(format!(
        "{shown} is MuJoCo {}.{}.{}, not {}",
        found / 1_000_000,
        found / 1000 % 1000,
        found % 1000,
        MUJOCO.version
    ))
}

/// Lets every row's calls go into the library.
fn fill(library: &Library, path: &Path) -> std::result::Result<(), String> {
    // SAFETY: the rows follow each other up to the one without a name, and nothing else writes to
    // them: `load` lets one thread through. Nothing reads them meanwhile, since whoever calls
    // MuJoCo has waited for `load`.
    unsafe {
        let mut row = &raw mut protege_mujoco_functions;
        while !(*row).name.is_null() {
            let name = CStr::from_ptr((*row).name);
            let address = library.get::<*const c_void>(name.to_bytes_with_nul());
            (*row).address = *address.map_err(|_| {
                format!(
                    "{} has no function {}",
                    path.display(),
                    name.to_string_lossy()
                )
            })?;
            row = row.add(1);
        }
    }
    Ok(())
}
