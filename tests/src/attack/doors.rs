//! Who tries to get in by trying: codes of invites, passwords; and who holds the operators' door.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use lamparina_protocol::link::CloseReason;
use lamparina_protocol::message::ToServer;

use super::healthy::{Healthy, connect_from};
use super::{Report, Size, crowd};
use crate::real::light::{As, Light};
use crate::real::process::resident_bytes;
use crate::real::{Folder, PATIENCE, Server, programs, try_wait_for};

/// What an address may try at once, and how often it gets one more.
const TRIES: usize = 20;
const REFILL_SECONDS: u64 = 3;
/// Memory of two passwords being checked, and what comes with 64 that wait.
const PASSWORD_BYTES_MAX: u64 = 64 << 20;

/// All of it against one server, by invite and password.
pub fn doors(size: Size) -> Report {
    let guesses = size.of(60, 1_000);
    let did = format!("{guesses} codes from one address, {guesses} passwords from many");
    let mut report = Report::new("doors", did);
    let folder = Folder::new();
    let data = folder.within("data");
    let passwords = password_file(&folder);
    let server = Server::start_with(&[
        "--data",
        data.to_str().expect("a path of ours"),
        "--password-file",
        passwords.to_str().expect("a path of ours"),
        "--count-loopback",
        "--rate",
        "0",
    ]);
    let pair = invite(&data, 2);
    let healthy = Healthy::talk_with(server.addr(), true, vec![code(&pair)]);
    let without = healthy.measure(size.of(50, 500));
    codes(&mut report, &server, &data, guesses);
    let resident = resident_bytes(server.pid());
    let flood = PasswordFlood::begin(server.addr(), guesses);
    let with = healthy.measure(size.of(100, 1_000));
    let (entered, refused) = flood.end();
    let grown = resident_bytes(server.pid()).saturating_sub(resident);
    report.counted(
        "wrong passwords let nobody in, in at most 64 MiB",
        format!("{entered} in, {refused} refused, {} MiB", grown >> 20),
        entered == 0 && refused == guesses && grown <= PASSWORD_BYTES_MAX,
    );
    let right = try_wait_for(|| {
        let who = As {
            first: vec![password("correct horse")],
            ..As::sealed("paula")
        };
        enter(server.addr(), 9, &who).is_none().then_some(())
    });
    report.counted(
        "the right one is let in behind them",
        right.is_some(),
        right.is_some(),
    );
    operators(&mut report, &data, size);
    crowd::compare(&mut report, &without, &with, 5);
    healthy.stop();
    report
}

fn code(code: &str) -> ToServer {
    ToServer::Invite {
        code: code.to_owned(),
    }
}

fn password(password: &str) -> ToServer {
    ToServer::Password {
        password: password.to_owned(),
    }
}

/// Comes from 127.0.4.`host`; `Some` words when it is refused.
fn enter(addr: SocketAddr, host: u8, who: &As) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(enter_from(addr, host, who))
}

async fn enter_from(addr: SocketAddr, host: u8, who: &As) -> Option<String> {
    let Ok(stream) = connect_from(addr, 4, host).await else {
        return Some("not accepted".to_owned());
    };
    let light = tokio::time::timeout(PATIENCE, Light::enter_as(stream, who)).await;
    let light = light.expect("the server lets in or refuses");
    match (light.entered, light.ended) {
        (true, _) => None,
        (_, Some(CloseReason::ByPeer { text, .. })) => Some(text),
        (_, other) => Some(format!("{other:?}")),
    }
}

/// Codes of the right form, one after the other, all wrong.
fn codes(report: &mut Report, server: &Server, data: &Path, guesses: usize) {
    let began = Instant::now();
    let (mut entered, mut tried) = (0, 0);
    for number in 0..guesses {
        let who = As {
            first: vec![code(&format!("{number:025}"))],
            ..As::sealed(&format!("guesser-{number}"))
        };
        match enter(server.addr(), 1, &who) {
            None => entered += 1,
            Some(words) => tried += usize::from(!words.contains("too many")),
        }
    }
    let most = TRIES + (began.elapsed().as_secs() / REFILL_SECONDS) as usize + 1;
    report.counted(
        format!("of {guesses} guessed codes at most {most} are looked at"),
        format!("{tried}, and {entered} let in"),
        entered == 0 && tried <= most,
    );
    let good = As {
        first: vec![code(&invite(data, 1))],
        ..As::sealed("invited")
    };
    let words = enter(server.addr(), 2, &good);
    report.counted(
        "a good code from another address is let in meanwhile",
        format!("{words:?}"),
        words.is_none(),
    );
}

struct PasswordFlood {
    runtime: tokio::runtime::Runtime,
    all: tokio::task::JoinSet<Option<String>>,
}

impl PasswordFlood {
    fn begin(addr: SocketAddr, guesses: usize) -> Self {
        let runtime = crowd::attacker();
        let mut all = tokio::task::JoinSet::new();
        for number in 0..guesses {
            let host = u8::try_from(10 + number % 200).expect("at most 209");
            let who = As {
                first: vec![password(&format!("guess {number}"))],
                ..As::sealed("paula")
            };
            all.spawn_on(
                async move { enter_from(addr, host, &who).await },
                runtime.handle(),
            );
        }
        Self { runtime, all }
    }

    /// How many got in, and how many were refused.
    fn end(self) -> (usize, usize) {
        let all = self.runtime.block_on(self.all.join_all());
        let refused = all.iter().flatten().count();
        (all.len() - refused, refused)
    }
}

/// Silent connections, lines without end and nonsense; an operator beside them is answered.
fn operators(report: &mut Report, data: &Path, size: Size) {
    let socket = data.join("admin.sock");
    let connect = || UnixStream::connect(&socket).expect("the socket is there");
    let silent: Vec<_> = (0..size.of(4, 8)).map(|_| connect()).collect();
    let mut refused = 0;
    let nonsense: [&[u8]; 4] = [
        &[b'x'; 100_000],
        b"{\"v\":1,\"do\":\"kick\"}\n",
        b"\xff\xfe\n",
        b"[[[[[[[[[[[[[[[[\n",
    ];
    for bytes in nonsense.iter().cycle().take(size.of(8, 400)) {
        let mut stream = connect();
        // It may hang up before it has all.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        // An end with bytes unread is a reset, which may take the answer with it.
        refused += usize::from(said.is_empty() || said.contains("\"ok\":false"));
    }
    report.counted(
        "nonsense at the operators' socket is refused",
        format!("{refused} of {}", size.of(8, 400)),
        refused == size.of(8, 400),
    );
    let asked = ask(data, &["who"]);
    report.counted(
        "an operator beside silent ones is answered",
        asked.status,
        asked.status.success(),
    );
    drop(silent);
}

fn ask(data: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(programs::server());
    command.args(args).arg("--data").arg(data);
    command.output().expect("it can be started")
}

fn invite(data: &Path, uses: u32) -> String {
    let uses = uses.to_string();
    let output = ask(data, &["invite", "new", "--json", "--uses", &uses]);
    let said: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("an invite is given as JSON");
    said["code"].as_str().expect("it has a code").to_owned()
}

fn password_file(folder: &Folder) -> std::path::PathBuf {
    let mut hash = Command::new(programs::server());
    hash.args(["password", "hash", "paula"]);
    hash.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut hash = hash.spawn().expect("it can be started");
    let mut input = hash.stdin.take().expect("it is piped");
    input.write_all(b"correct horse\n").expect("it reads");
    drop(input);
    let line = hash.wait_with_output().expect("it ends").stdout;
    let file = folder.path().join("passwords");
    std::fs::write(&file, line).expect("a file can be written");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, private).expect("it is ours");
    file
}
