//! Inputs kept in the repository: what each target begins with (`seed-NN`, made by
//! `lamparina-fuzz --write-corpus`), and what was once found (any other name, kept by hand).

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::targets::Target;

/// Bytes of a kept input, at most.
const INPUT_BYTES_MAX: u64 = 1 << 16;

/// Where the corpora are: beside the tests that `bolero` finds.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/__fuzz__")
}

/// The inputs of a target that are kept in `folder`, by name.
///
/// # Errors
///
/// Where they cannot be read.
pub fn read(folder: &Path, target: &Target) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder.join(target.name).join("corpus"))? {
        let entry = entry?;
        if entry.metadata()?.len() <= INPUT_BYTES_MAX {
            let name = entry.file_name().to_string_lossy().into_owned();
            inputs.push((name, fs::read(entry.path())?));
        }
    }
    // The order in which a file system tells of files is no seed.
    inputs.sort();
    Ok(inputs)
}

/// The files that a target's corpus begins with, by name.
pub fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let numbered = (target.seeds)().into_iter().enumerate();
    numbered
        .map(|(number, input)| (format!("seed-{number:02}"), input))
        .collect()
}

/// Writes these files to `folder`, and takes away seeds that are none any more.
///
/// # Errors
///
/// Where they cannot be written.
pub fn write(folder: &Path, target: &Target) -> io::Result<()> {
    let folder = folder.join(target.name).join("corpus");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("seed-") {
            fs::remove_file(entry.path())?;
        }
    }
    for (name, input) in seeds(target) {
        fs::write(folder.join(name), input)?;
    }
    Ok(())
}
