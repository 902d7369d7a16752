//! Where things are, by the XDG base directory specification.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{ProfileError, ProfileName};

const APP: &str = "lamparina";

/// The folders of this program.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Paths {
    config: PathBuf,
    state: PathBuf,
    runtime: Option<PathBuf>,
}

impl Paths {
    /// As the environment says.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoHome`] where it says too little.
    pub fn from_env() -> Result<Self, ProfileError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// As `lookup` says, which stands for the environment.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoHome`] where it says too little.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, ProfileError> {
        // The specification: a relative path is to be ignored.
        let absolute = |name: &str| {
            lookup(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let under_home = |rest: &str| absolute("HOME").map(|home| home.join(rest));
        let folder = |name: &'static str, rest: &str| {
            let base = absolute(name).or_else(|| under_home(rest));
            base.map(|base| base.join(APP))
                .ok_or(ProfileError::NoHome(name))
        };
        Ok(Self {
            config: folder("XDG_CONFIG_HOME", ".config")?,
            state: folder("XDG_STATE_HOME", ".local/state")?,
            runtime: absolute("XDG_RUNTIME_DIR").map(|base| base.join(APP)),
        })
    }

    /// For a profile that leaves no trace.
    pub(super) fn nowhere() -> Self {
        Self::default()
    }

    /// The key of a profile.
    pub fn identity(&self, name: &ProfileName) -> PathBuf {
        let profiles = self.config.join("profiles");
        profiles.join(name.as_str()).join("identity")
    }

    /// The servers whose keys are known, for all profiles.
    pub fn known_servers(&self) -> PathBuf {
        self.config.join("known_servers")
    }

    /// The outboxes of a profile, one for each server.
    ///
    /// # Errors
    ///
    /// Where the folder that holds them cannot be read.
    pub fn outboxes(&self, name: &ProfileName) -> std::io::Result<Vec<PathBuf>> {
        let folder = self.state.join("profiles").join(name.as_str());
        let mut found = Vec::new();
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Beside each may be what SQLite keeps: it belongs to it.
            if name.starts_with("outbox-") && name.contains(".db") && !name.contains(".of-") {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn numbers(&self, name: &ProfileName) -> PathBuf {
        let profiles = self.state.join("profiles");
        profiles.join(name.as_str()).join("numbers")
    }

    /// The outboxes of a profile; `None` where nothing is kept.
    pub fn outbox(&self, name: &ProfileName) -> Option<PathBuf> {
        if self.state == PathBuf::new() {
            return None;
        }
        let profiles = self.state.join("profiles");
        Some(profiles.join(name.as_str()).join("outbox.db"))
    }

    /// What a process locks that connects as a profile.
    pub fn lock(&self, name: &ProfileName) -> PathBuf {
        let profiles = self.state.join("profiles");
        profiles.join(name.as_str()).join("lock")
    }

    /// Where the running client of a profile listens.
    pub fn socket(&self, name: &ProfileName) -> Option<PathBuf> {
        let base = self.runtime.as_ref().unwrap_or(&self.state);
        (*base != PathBuf::new()).then(|| base.join(format!("{name}.sock")))
    }
}

/// A server's address as the outboxes' file has it: safe in a file's name, for each once was one.
pub(crate) fn address_key(server: &str) -> String {
    let (host, port) = server.rsplit_once(':').unwrap_or((server, ""));
    let mut key = String::new();
    escape(host, &mut key);
    key.push('_');
    escape(port, &mut key);
    key
}

/// Writes a part of an address so that it is safe in a file's name, and no two are the same.
fn escape(part: &str, out: &mut String) {
    for byte in part.to_ascii_lowercase().bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdg_first_then_home_then_words() {
        let paths = Paths::from_lookup(|name| match name {
            "HOME" => Some("/home/ana".into()),
            "XDG_STATE_HOME" => Some("/state".into()),
            "XDG_CONFIG_HOME" => Some("relative".into()),
            _ => None,
        })
        .unwrap();
        let ana: ProfileName = "ana".parse().unwrap();
        let text = |path: PathBuf| path.display().to_string();
        assert_eq!(
            text(paths.identity(&ana)),
            "/home/ana/.config/lamparina/profiles/ana/identity"
        );
        assert_eq!(
            text(paths.numbers(&ana)),
            "/state/lamparina/profiles/ana/numbers"
        );
        assert_eq!(
            paths.socket(&ana).map(text).unwrap(),
            "/state/lamparina/ana.sock"
        );
        assert_eq!(
            paths.outbox(&ana).map(text).unwrap(),
            "/state/lamparina/profiles/ana/outbox.db"
        );
        for (server, key) in [
            ("127.0.0.1:5000", "127.0.0.1_5000"),
            ("Localhost:5000", "localhost_5000"),
            ("[::1]:7", "%5b%3a%3a1%5d_7"),
            ("../x/_y:1", "..%2fx%2f%5fy_1"),
            ("none", "none_"),
        ] {
            assert_eq!(address_key(server), key);
        }
        assert_eq!(Paths::nowhere().outbox(&ana), None);
        assert!(Paths::from_lookup(|_| None).is_err());
        assert_eq!(Paths::nowhere().socket(&ana), None);
    }
}
