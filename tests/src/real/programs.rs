//! The programs under test, built once by the cargo and into the target folder that built the
//! test. `cargo test` has let go of the folder's lock when tests run; between several test
//! programs at a time, cargo's own lock lets one of them build and the others find it done.

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

fn build() -> PathBuf {
    // target/PROFILE/deps/this-test
    let test = std::env::current_exe().expect("a running test has a file");
    let folder = test.ancestors().nth(2).expect("a test lies in deps");
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
        .output()
        .expect("cargo can be started: it started this test");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the programs do not build:\n{said}"
    );
    folder.to_owned()
}
