//! Asks a running server what operators may ask, over the socket in its data folder.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use lamparina_protocol::clean;
use lamparina_server::admin::{SOCKET, VERSION};
use serde_json::{Map, Value, json};

/// Bytes of an answer: a thousand members, and room.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Time for an answer: a full disk may need some.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

const INVITE_EXAMPLES: &str = "\
Examples:
  lamparina-server invite new
  lamparina-server invite new --uses 30 --expires 12h --address chat.example:5000
  lamparina-server invite list --all
  lamparina-server invite revoke 3";

const BAN_EXAMPLES: &str = "\
Examples:
  lamparina-server ban ana --reason 'advertising'
  lamparina-server unban ana";

/// What operators ask of a running server.
#[derive(Debug, Subcommand)]
pub(crate) enum Operate {
    /// Invites: make one, list them, take one back
    #[command(subcommand, after_help = INVITE_EXAMPLES)]
    Invite(Invite),
    /// List the members
    Members {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// List the members who are connected
    Who {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// End a member's session; it may come back
    Kick {
        /// Its nick, present or former, or its key
        #[arg(value_name = "NICK|KEY")]
        who: String,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// End a member's session and do not let it come back
    ///
    /// It is out of all rooms, nothing is delivered to it, and its nicks stay its own: nobody else
    /// gets them. This is part of the order: it lasts, and a backup has it.
    #[command(after_help = BAN_EXAMPLES)]
    Ban {
        /// Its nick, present or former, or its key
        #[arg(value_name = "NICK|KEY")]
        who: String,
        /// Why: the member reads it, and it stands in the order
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a banned member come back
    Unban {
        /// Its nick, present or former, or its key
        #[arg(value_name = "NICK|KEY")]
        who: String,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Invites.
#[derive(Debug, Subcommand)]
pub(crate) enum Invite {
    /// Make one, and print its code and the command to join
    ///
    /// The code is shown once: the server keeps only its hash.
    New {
        /// How many may become members by it
        #[arg(long, value_name = "N", default_value_t = 1)]
        uses: u32,
        /// How long: 30m, 12h, 7d, 4w, or never
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = expires)]
        expires: Expires,
        /// The server's address as they reach it
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// List those that still admit somebody, newest first
    List {
        /// Those too that do not any more
        #[arg(long)]
        all: bool,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Take one back: who came by it stays
    Revoke {
        /// Its number, as `invite list` shows it
        #[arg(value_name = "ID")]
        invite: u64,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// How long an invite is good; `None` for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expires(Option<u64>);

fn expires(text: &str) -> Result<Expires, String> {
    if text == "never" {
        return Ok(Expires(None));
    }
    let wrong = || "give a number and s, m, h, d or w, as in 12h or 7d, or never".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_other| wrong())?;
    match number.checked_mul(unit).filter(|seconds| *seconds > 0) {
        Some(seconds) => Ok(Expires(Some(seconds))),
        None => Err(wrong()),
    }
}

/// Asks the server that has `folder`, and prints what it says.
pub(crate) fn run(operate: &Operate, folder: &Path) -> Result<ExitCode, String> {
    let mut server = Running::connect(folder)?;
    match operate {
        Operate::Invite(invite) => return invited(invite, &mut server),
        Operate::Members { json } => members(&mut server, false, *json)?,
        Operate::Who { json } => members(&mut server, true, *json)?,
        Operate::Kick { who, json } => {
            let said = server.ask(json!({"do": "kick", "who": who}))?;
            print(&said, *json, |said| {
                format!("{} was sent away, and may come back", text(said, "nick"))
            });
        }
        Operate::Ban { who, reason, json } => {
            let said = server.ask(json!({"do": "ban", "who": who, "reason": reason}))?;
            print(&said, *json, |said| {
                let nick = text(said, "nick");
                format!("{nick} is banned; lamparina-server unban {nick} ends it")
            });
        }
        Operate::Unban { who, json } => {
            let said = server.ask(json!({"do": "unban", "who": who}))?;
            print(&said, *json, |said| {
                format!("{} may come back", text(said, "nick"))
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn invited(invite: &Invite, server: &mut Running) -> Result<ExitCode, String> {
    match invite {
        Invite::New {
            uses,
            expires: Expires(expires_s),
            address,
            json,
        } => {
            let asked = json!({"do": "invite-new", "uses": uses, "expires_s": expires_s});
            let mut said = server.ask(asked)?;
            let join = join_command(&said, address.as_deref());
            said.insert("join".to_owned(), json!(join));
            print(&said, *json, |said| {
                let uses = match uses {
                    1 => "one new member".to_owned(),
                    uses => format!("{uses} new members"),
                };
                let open = match text(said, "access").as_str() {
                    "open" => "\n(this server is open: nobody needs an invite now)",
                    _ => "",
                };
                let key = match (text(said, "fingerprint"), text(said, "words")) {
                    (key, _) if key.is_empty() => {
                        "Links are in clear: nothing proves to them which server they reach."
                            .to_owned()
                    }
                    (key, words) => format!(
                        "--pin names this server's key, so that they reach no other one:\n  {key}\n  \
                         in words, to compare by voice: {words}"
                    ),
                };
                format!(
                    "invite {}, for {uses}: {}\n\nThey join with\n  {join}\n\n{key}\n\n\
                     The code is not kept: this is the only time that it is shown.{open}",
                    said.get("invite").unwrap_or(&Value::Null),
                    text(said, "code"),
                )
            });
        }
        Invite::List { all, json } => {
            let mut before = Value::Null;
            loop {
                let said =
                    server.ask(json!({"do": "invite-list", "all": all, "before": before}))?;
                for invite in list(&said, "invites") {
                    print(invite, *json, invite_line);
                    before = invite.get("invite").cloned().unwrap_or(Value::Null);
                }
                if said.get("more") != Some(&Value::Bool(true)) {
                    break;
                }
            }
        }
        Invite::Revoke { invite, json } => {
            let said = server.ask(json!({"do": "invite-revoke", "invite": invite}))?;
            print(&said, *json, |_| {
                format!("invite {invite} admits nobody any more")
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn join_command(said: &Map<String, Value>, address: Option<&str>) -> String {
    let listen = said.get("listen").and_then(|listen| listen.get(0));
    let listen = listen.and_then(Value::as_str).unwrap_or("HOST:PORT");
    let everywhere = ["0.0.0.0:", "[::]:"];
    let port = everywhere.iter().find_map(|any| listen.strip_prefix(any));
    let address = match (address, port) {
        (Some(address), _) => address.to_owned(),
        // It listens on all of its addresses: which one they reach is not known here.
        (None, Some(port)) => format!("HOST:{port}"),
        (None, None) => listen.to_owned(),
    };
    let code = text(said, "code");
    // Whoever has the command knows the server's key, so that there is no first contact on trust.
    let key = match said.get("fingerprint").and_then(Value::as_str) {
        Some(fingerprint) => format!("--pin {fingerprint}"),
        None if is_loopback(&address) => "--cleartext".to_owned(),
        None => "--cleartext --cleartext-anywhere".to_owned(),
    };
    format!("lamparina-client {address} --name NICK --invite {code} {key}")
}

/// Whether an address stays on this machine, as far as it says so itself.
fn is_loopback(address: &str) -> bool {
    match address.parse::<std::net::SocketAddr>() {
        Ok(addr) => addr.ip().is_loopback(),
        Err(_) => address.starts_with("localhost:"),
    }
}

fn invite_line(invite: &Map<String, Value>) -> String {
    let number = |name| invite.get(name).and_then(Value::as_u64).unwrap_or(0);
    let is = |name| invite.get(name) == Some(&Value::Bool(true));
    let until = match invite.get("expires_at").and_then(Value::as_str) {
        Some(until) => format!("until {until}"),
        None => "without an end".to_owned(),
    };
    let state = match () {
        () if is("open") => "",
        () if is("revoked") => ", taken back",
        () if number("used") >= number("uses") => ", used up",
        () => ", expired",
    };
    let (id, used, uses) = (number("invite"), number("used"), number("uses"));
    format!("{id:>6}  used {used} of {uses}, {until}{state}")
}

fn members(server: &mut Running, present: bool, json: bool) -> Result<(), String> {
    let mut after = Value::Null;
    loop {
        let said = server.ask(json!({"do": "members", "present": present, "after": after}))?;
        for member in list(&said, "members") {
            print(member, json, |member| {
                let is = |name| member.get(name) == Some(&Value::Bool(true));
                let state = match (is("banned"), is("connected")) {
                    (true, _) => "  banned",
                    (false, true) => "  connected",
                    (false, false) => "",
                };
                format!("{}  {}{state}", text(member, "key"), text(member, "nick"))
            });
            after = member.get("member").cloned().unwrap_or(Value::Null);
        }
        if said.get("more") != Some(&Value::Bool(true)) {
            return Ok(());
        }
    }
}

fn list<'a>(said: &'a Map<String, Value>, name: &str) -> Vec<&'a Map<String, Value>> {
    let found = said.get(name).and_then(Value::as_array);
    found
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect()
}

fn text(said: &Map<String, Value>, name: &str) -> String {
    said.get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn print(said: &Map<String, Value>, json: bool, words: impl Fn(&Map<String, Value>) -> String) {
    let line = match json {
        true => lamparina_log::export::visible(Value::Object(said.clone()).to_string()),
        // A nick is clean; what was written by others is made so.
        false => words(said)
            .lines()
            .map(clean::line)
            .collect::<Vec<_>>()
            .join("\n"),
    };
    // Who closed the pipe has seen enough.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// A server that runs.
struct Running {
    stream: BufReader<UnixStream>,
}

impl Running {
    fn connect(folder: &Path) -> Result<Self, String> {
        let path = folder.join(SOCKET);
        let stream = UnixStream::connect(&path).map_err(|error| {
            let folder = folder.display();
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => format!(
                    "no server runs on {folder}: start it (lamparina-server --data {folder}), or \
                     name the data folder of the one that runs with --data DIR"
                ),
                io::ErrorKind::PermissionDenied => format!(
                    "{} is another user's: ask as the user that the server runs as, or as root",
                    path.display()
                ),
                _ => format!("cannot ask the server at {}: {error}", path.display()),
            }
        })?;
        stream
            .set_read_timeout(Some(ANSWER_WITHIN))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Asks, and gives the answer where it is not a refusal.
    fn ask(&mut self, mut question: Value) -> Result<Map<String, Value>, String> {
        question["v"] = json!(VERSION);
        let broken = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                "the server did not answer in 30 s: look at its log".to_owned()
            }
            _ => format!("the server broke off ({error}): look at its log"),
        };
        let asked = format!("{question}\n");
        self.stream
            .get_mut()
            .write_all(asked.as_bytes())
            .map_err(broken)?;
        let mut line = String::new();
        let mut bounded = (&mut self.stream).take(ANSWER_BYTES_MAX);
        bounded.read_line(&mut line).map_err(broken)?;
        let Ok(Value::Object(said)) = serde_json::from_str(&line) else {
            return Err("the server broke off: look at its log".to_owned());
        };
        match said.get("ok") {
            Some(Value::Bool(true)) => Ok(said),
            _ => Err(text(&said, "error")),
        }
    }
}
