//! The operators' socket: its owner alone can reach it, its owner and root alone are answered, and no
//! line, no silence and no number of connections costs more than is said here.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lamparina_protocol::{Fingerprint, clean};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::warn;

use super::line::{self, About, LINE_BYTES_MAX, Wanted};
use crate::access::{CODE_CHARS, InviteCode};
use crate::hub::OperatorAnswer;
use crate::ordering::wall_clock;
use crate::shared::Shared;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 8;
/// Time for a whole line, and for an answer to be taken.
const LINE_WITHIN: Duration = Duration::from_secs(10);

/// A socket that is bound. Its file goes with it.
#[derive(Debug)]
pub(crate) struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl AdminSocket {
    /// Binds `path`. Whoever has the data folder locked has the socket: one that is there is left
    /// from before.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            owner: rustix::process::geteuid().as_raw(),
        })
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers operators until `closing` says so.
pub(crate) async fn serve(
    socket: AdminSocket,
    listen: Vec<std::net::SocketAddr>,
    shared: Arc<Shared>,
    mut closing: watch::Receiver<bool>,
) {
    let about = Arc::new(About {
        listen,
        by_invite: shared.config.access.is_by_invite(),
        key: shared
            .config
            .links
            .identity()
            .map(|key| Fingerprint::of(&key.public().0)),
    });
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut asking = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&socket.listener, &room) => accepted,
            Some(_) = asking.join_next() => continue,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        match accepted {
            Ok((stream, turn)) => {
                let (shared, about, owner) = (shared.clone(), about.clone(), socket.owner);
                asking.spawn(async move {
                    // Who breaks off is not told.
                    let _ = talk(stream, owner, &about, &shared).await;
                    drop(turn);
                });
            }
            Err(error) => {
                warn!("an operator cannot be answered now: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn accept(
    listener: &UnixListener,
    room: &Arc<Semaphore>,
) -> io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let turn = room
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, turn))
}

/// One operator's questions, one after the other.
async fn talk(stream: UnixStream, owner: u32, about: &About, shared: &Shared) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    if !may_ask(uid, owner) {
        let words = "this server answers its own user and root alone";
        return say(&mut writer, &line::refused("not-allowed", words)).await;
    }
    let by = format!("uid {uid}");
    let mut reader = BufReader::new(reader);
    let mut question = Vec::new();
    loop {
        question.clear();
        let mut bounded = (&mut reader).take(LINE_BYTES_MAX as u64);
        let read = bounded.read_until(b'\n', &mut question);
        match tokio::time::timeout(LINE_WITHIN, read).await {
            Ok(read) => {
                if read? == 0 {
                    return Ok(());
                }
            }
            Err(_late) => {
                let words = "no whole line came in 10 s: ask again";
                return say(&mut writer, &line::refused("timeout", words)).await;
            }
        }
        if question.last() != Some(&b'\n') {
            let words = match question.len() {
                LINE_BYTES_MAX => format!("a question has at most {LINE_BYTES_MAX} bytes"),
                _ => "the line has no end: nothing was done".to_owned(),
            };
            return say(&mut writer, &line::refused("malformed", &words)).await;
        }
        say(&mut writer, &answered(&question, &by, about, shared).await).await?;
    }
}

/// The server's own user and root.
const fn may_ask(uid: u32, owner: u32) -> bool {
    uid == owner || uid == 0
}

async fn answered(question: &[u8], by: &str, about: &About, shared: &Shared) -> serde_json::Value {
    let wanted = line::read(question).and_then(|question| {
        let code = new_code()?;
        line::wanted(question, by, wall_clock(), code)
    });
    let (ask, code) = match wanted {
        Ok(Wanted::Server) => return line::about(about),
        Ok(Wanted::Order(ask, code)) => (ask, code),
        Err(words) => return line::refused("malformed", &words),
    };
    let (asked, answer) = shared.operators.ask(ask);
    shared.sequencer.clone().submit(vec![asked]).await;
    let closed = async {
        while !shared.is_closing() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let answer = tokio::select! {
        biased;
        answer = answer => answer,
        () = closed => return line::closing(),
    };
    match answer {
        Ok(answer) => {
            if let OperatorAnswer::Kicked(nick) = &answer {
                // Nothing of it lasts, so the journal does not say it.
                let what = format!("{nick} kicked");
                let event = crate::logger::LogEvent::Operated { what: &what, by };
                shared.config.log.event(event);
            }
            line::answer(&answer, code.as_ref(), about, wall_clock())
        }
        Err(_) => line::closing(),
    }
}

fn new_code() -> Result<InviteCode, String> {
    let mut random = [0; CODE_CHARS];
    getrandom::fill(&mut random)
        .map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(InviteCode::from_random(random))
}

async fn say(
    writer: &mut tokio::net::unix::OwnedWriteHalf,
    answer: &serde_json::Value,
) -> io::Result<()> {
    // Escaped as JSON demands, and what a terminal would obey too.
    let mut text = lamparina_log::export::visible(answer.to_string());
    debug_assert!(!text.contains(clean::is_harmful));
    text.push('\n');
    let written = tokio::time::timeout(LINE_WITHIN, writer.write_all(text.as_bytes())).await;
    written.map_err(|_late| io::Error::from(io::ErrorKind::TimedOut))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_owner_and_root_alone_may_ask() {
        for (uid, owner, expected) in [
            (1_000, 1_000, true),
            (0, 1_000, true),
            (1_001, 1_000, false),
            (1_000, 0, false),
            (0, 0, true),
        ] {
            assert_eq!(may_ask(uid, owner), expected, "{uid} {owner}");
        }
    }

    #[tokio::test]
    async fn the_file_is_its_owners_and_goes_with_the_socket() {
        let folder = std::env::temp_dir().join(format!("lamparina-admin-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(super::super::SOCKET);
        std::fs::write(&path, "left from before").unwrap();
        let socket = AdminSocket::bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(socket);
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
