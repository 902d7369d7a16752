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

    /// The outbox of a profile for one server, its address as given; `None` where nothing is kept.
    pub fn outbox(&self, name: &ProfileName, server: &str) -> Option<PathBuf> {
        if self.state == PathBuf::new() {
            return None;
        }
        let (host, port) = server.rsplit_once(':').unwrap_or((server, ""));
        let mut file = "outbox-".to_owned();
        escape(host, &mut file);
        file.push('_');
        escape(port, &mut file);
        file.push_str(".db");
        let profiles = self.state.join("profiles");
        Some(profiles.join(name.as_str()).join(file))
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
        let outbox = |server| paths.outbox(&ana, server).map(text).unwrap();
        let folder = "/state/lamparina/profiles/ana/";
        for (server, file) in [
            ("127.0.0.1:5000", "outbox-127.0.0.1_5000.db"),
            ("Localhost:5000", "outbox-localhost_5000.db"),
            ("[::1]:7", "outbox-%5b%3a%3a1%5d_7.db"),
            ("../x/_y:1", "outbox-..%2fx%2f%5fy_1.db"),
            ("none", "outbox-none_.db"),
        ] {
            assert_eq!(outbox(server), format!("{folder}{file}"));
        }
        assert_eq!(Paths::nowhere().outbox(&ana, "a:1"), None);
        assert!(Paths::from_lookup(|_| None).is_err());
        assert_eq!(Paths::nowhere().socket(&ana), None);
    }
}
