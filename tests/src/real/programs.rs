//! The programs under test, built once by the cargo and into the target folder that built the
//! test. `cargo test` has let go of the folder's lock when tests run; between several test
//! programs at a time, cargo's own lock lets one of them build and the others find it done.
//!
//! `cargo test --workspace` has built them already, with the features that the whole workspace
//! asks for; asking cargo for a few packages alone would build half of the dependencies again with
//! fewer. So programs that are newer than all that they are made of are taken as they are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static BUILT: OnceLock<PathBuf> = OnceLock::new();

/// The built `lamparina-server`.
pub fn server() -> PathBuf {
    built().join("lamparina-server")
}

/// The built `lamparina-client`.
pub fn client() -> PathBuf {
    built().join("lamparina-client")
}

/// The built `lamparina-peer`.
pub fn peer() -> PathBuf {
    built().join("lamparina-peer")
}

/// The built `lamparina-rendezvous`.
pub fn rendezvous() -> PathBuf {
    built().join("lamparina-rendezvous")
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the member lies in its workspace")
}

/// The folder that holds the built programs.
pub fn built() -> &'static Path {
    BUILT.get_or_init(build)
}

/// Takes the programs in `folder` as they are, where none were asked for before.
pub fn take_from(folder: PathBuf) {
    // The first one to ask decides.
    let _ = BUILT.set(folder);
}

fn build() -> PathBuf {
    // target/PROFILE/deps/this-test, or target/PROFILE/this-program
    let own = std::env::current_exe().expect("a running program has a file");
    let folder = own.parent().expect("a file lies in a folder");
    let folder = match folder.parent() {
        Some(above) if folder.ends_with("deps") => above,
        _ => folder,
    };
    const PROGRAMS: [&str; 4] = [
        "lamparina-server",
        "lamparina-client",
        "lamparina-peer",
        "lamparina-rendezvous",
    ];
    if PROGRAMS.iter().all(|program| is_fresh(folder, program)) {
        return folder.to_owned();
    }
    let target = folder.parent().expect("a profile lies in its target");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        // The folder of `cargo test`: the same profile, so that what it built serves again.
        Some("debug") | None => "test",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .current_dir(workspace())
        .args(["build", "--bins", "--profile", profile, "--target-dir"])
        .arg(target)
        .args(["-p", "lamparina-server", "-p", "lamparina-client"])
        .args(["-p", "lamparina-peer", "-p", "lamparina-rendezvous"])
        .output()
        .expect("cargo can be started: it started this test");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the programs do not build:\n{said}"
    );
    folder.to_owned()
}

/// Whether a built program is newer than everything that cargo noted it was made of.
fn is_fresh(folder: &Path, program: &str) -> bool {
    let changed = |file: &Path| file.metadata().and_then(|data| data.modified()).ok();
    let noted = std::fs::read_to_string(folder.join(format!("{program}.d")));
    let Some((_, sources)) = noted
        .as_deref()
        .ok()
        .and_then(|noted| noted.split_once(": "))
    else {
        return false;
    };
    // A blank in a path is escaped; such a path is not found below and the program is built.
    let sources = sources.split_whitespace().map(PathBuf::from);
    let manifests = [
        "Cargo.lock",
        "Cargo.toml",
        "crates/server/Cargo.toml",
        "crates/client/Cargo.toml",
        "crates/console/Cargo.toml",
        "crates/peer/Cargo.toml",
        "crates/rendezvous/Cargo.toml",
    ];
    let manifests = manifests.iter().map(|file| workspace().join(file));
    let built = changed(&folder.join(program));
    built.is_some()
        && sources
            .chain(manifests)
            .all(|file| changed(&file).is_some_and(|at| Some(at) < built))
}
