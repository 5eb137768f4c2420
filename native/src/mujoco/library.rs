//! MuJoCo's library, loaded when it is first needed: the program starts, and everything that needs
//! no MuJoCo works, where the library is not there.
//!
//! mujoco-rs calls MuJoCo's functions by name. The linker finds each name here, as a function that
//! jumps to the address in its row of a table, and [`load`] fills the table from the library. So no
//! program needs the library to be linked or to start (`native/link/` has what the linker is given
//! in its place). Every way to MuJoCo begins with [`load`], since `Plant` makes all models. What
//! would call a function before is a bug, and ends the program with a sentence. A function that
//! mujoco-rs calls and that has no row is an undefined symbol when a program is linked: give it
//! one.

#![allow(
    unsafe_code,
    reason = "functions of a library that is loaded at run time are called by address"
)]

use super::quiet;
use crate::downloads::MUJOCO;
use crate::intact;
use crate::terminal::last_words;
use libloading::Library;
use mujoco_rs::mujoco_c::mjVERSION_HEADER;
use protege_core::{Error, Result};
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::fs::File;
use std::os::unix::fs::FileExt;
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
    "protege_mujoco mj_camlight",
    "protege_mujoco mj_comPos",
    "protege_mujoco mj_compile",
    "protege_mujoco mj_contactForce",
    "protege_mujoco mj_copyModel",
    "protege_mujoco mj_defaultVFS",
    "protege_mujoco mj_deleteData",
    "protege_mujoco mj_deleteModel",
    "protege_mujoco mj_deleteSpec",
    "protege_mujoco mj_deleteVFS",
    "protege_mujoco mj_forward",
    "protege_mujoco mj_getState",
    "protege_mujoco mj_id2name",
    "protege_mujoco mj_kinematics",
    "protege_mujoco mj_loadXML",
    "protege_mujoco mj_makeData",
    "protege_mujoco mj_name2id",
    "protege_mujoco mj_objectVelocity",
    "protege_mujoco mj_parseXML",
    "protege_mujoco mj_resetData",
    "protege_mujoco mj_setConst",
    "protege_mujoco mj_setState",
    "protege_mujoco mj_stateSize",
    "protege_mujoco mj_step",
    "protege_mujoco mj_step1",
    "protege_mujoco mj_step2",
    "protege_mujoco mj_tendon",
    "protege_mujoco mj_version",
    "protege_mujoco mjr_changeFont",
    "protege_mujoco mjr_defaultContext",
    "protege_mujoco mjr_freeContext",
    "protege_mujoco mjr_makeContext",
    "protege_mujoco mjr_readPixels",
    "protege_mujoco mjr_render",
    "protege_mujoco mjr_setBuffer",
    "protege_mujoco mjs_addBody",
    "protege_mujoco mjs_addFrame",
    "protege_mujoco mjs_addGeom",
    "protege_mujoco mjs_addJoint",
    "protege_mujoco mjs_addMaterial",
    "protege_mujoco mjs_addSite",
    "protege_mujoco mjs_addTexture",
    "protege_mujoco mjs_asBody",
    "protege_mujoco mjs_asCamera",
    "protege_mujoco mjs_asGeom",
    "protege_mujoco mjs_asJoint",
    "protege_mujoco mjs_asSite",
    "protege_mujoco mjs_attach",
    "protege_mujoco mjs_discardVisual",
    "protege_mujoco mjs_findElement",
    "protege_mujoco mjs_firstChild",
    "protege_mujoco mjs_firstElement",
    "protege_mujoco mjs_getError",
    "protege_mujoco mjs_getName",
    "protege_mujoco mjs_getSpec",
    "protege_mujoco mjs_getString",
    "protege_mujoco mjs_nextChild",
    "protege_mujoco mjs_nextElement",
    "protege_mujoco mjs_setDeepCopy",
    "protege_mujoco mjs_setInStringVec",
    "protege_mujoco mjs_setName",
    "protege_mujoco mjs_setString",
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
    last_words(
        "error: this is a bug in protege, please report it with the command line: MuJoCo was used \
         before its library was loaded",
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
        place
            .check()
            .and_then(|()| open(&place.path))
            .map_err(refused)?;
        quiet();
        *is_loaded = true;
    }
    Ok(())
}

/// Whether the library is looked for in the cache, rather than elsewhere.
pub fn is_cached() -> bool {
    Place::find().map_or(true, |place| place.is_cached)
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
            // A bare name would be looked for where the system keeps its libraries.
            let path = std::path::absolute(&named).unwrap_or_else(|_| PathBuf::from(&named));
            return Ok(Self {
                path: in_folder(path),
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

    /// A library in the cache has to be as it was published, as far as that is known: what is
    /// damaged might do anything.
    ///
    /// # Errors
    /// What is damaged.
    fn check(&self) -> std::result::Result<(), String> {
        if self.is_cached && self.path.is_file() && intact::is_listed(&MUJOCO) {
            intact::check_proof(&MUJOCO)?;
        }
        Ok(())
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
    // Never closed: the table leads into it.
    let library: &'static Library = Box::leak(Box::new(library));
    check_version(library, path)?;
    fill(library, path)
}

/// Whether a file is a library of 64 bits up to its end, where the table of its sections is: the
/// system's loader would end the program at the first page that is missing, or empty because a
/// disk never got it.
fn is_complete(path: &Path) -> std::io::Result<bool> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut head = [0; 64];
    if length < head.len() as u64 {
        return Ok(false);
    }
    file.read_exact_at(&mut head, 0)?;
    let number = |at: usize| u64::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let mut start = [0; 8];
    start.copy_from_slice(&head[40..48]);
    let start = u64::from_le_bytes(start);
    let size = number(58);
    let end = start.checked_add(size * number(60));
    if !head.starts_with(b"\x7fELF\x02") || end.is_none_or(|end| end > length) {
        return Ok(false);
    }
    // The section that has the names of all sections is a table of strings.
    let mut kind = [0; 4];
    file.read_exact_at(&mut kind, start + size * number(62) + 4)?;
    Ok(u32::from_le_bytes(kind) == 3)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A library of which the end is missing or empty is not given to the system's loader, which
    /// would crash.
    #[test]
    fn a_library_that_was_cut_or_emptied_is_not_complete() {
        let whole = std::fs::read(MUJOCO.fetched().unwrap().join(MUJOCO.proof)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library");
        let is_complete = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            is_complete(&path).unwrap()
        };
        assert!(is_complete(&whole));
        for cut in [0, 1, 63, 64, whole.len() / 2, whole.len() - 1] {
            assert!(!is_complete(&whole[..cut]), "{cut} bytes");
            let mut emptied = whole[..cut].to_vec();
            emptied.resize(whole.len(), 0);
            assert!(
                cut + 1 == whole.len() || !is_complete(&emptied),
                "{cut} bytes, then zeros"
            );
        }
        assert!(!is_complete(&[b'x'; 4096]));
    }
}
