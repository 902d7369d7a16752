//! Invites, bans and passwords, with real processes: what operators do shows to everybody and lasts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lamparina_tests::real::{Client, ClientStart, Folder, Server, programs};
use serde_json::Value;

/// A data folder and the servers that have it, one after the other.
struct Place {
    folder: Folder,
    data: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = Folder::new();
        let data = folder.path().join("data");
        Self { folder, data }
    }

    fn data(&self) -> &str {
        self.data.to_str().unwrap()
    }

    fn serve(&self, args: &[&str]) -> Server {
        Server::start_with(&[&["--data", self.data()], args].concat())
    }

    /// Asks as an operator.
    fn ask(&self, args: &[&str]) -> Output {
        let mut command = Command::new(programs::server());
        command.args(args).args(["--data", self.data()]);
        command.output().unwrap()
    }

    /// Asks, and must be answered; gives the answer's lines.
    #[track_caller]
    fn done(&self, args: &[&str]) -> Vec<Value> {
        let output = self.ask(&[args, &["--json"]].concat());
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {words}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Asks, and must be refused with these words.
    #[track_caller]
    fn refused(&self, args: &[&str], words: &str) {
        let output = self.ask(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    }

    #[track_caller]
    fn invite(&self, args: &[&str]) -> String {
        let said = self.done(&[&["invite", "new"], args].concat());
        said[0]["code"].as_str().unwrap().to_owned()
    }

    /// The client of a profile, whichever server has the folder.
    fn client(&self, server: &Server, nick: &str) -> ClientStart {
        ClientStart::new(
            &self.folder.within(&format!("profile-{nick}")),
            server.addr(),
        )
        .name(nick)
    }

    /// The order is as it was written, from its first entry on.
    #[track_caller]
    fn verify(&self) {
        let copy = self.folder.path().join("verified.db");
        let output = self.ask(&["backup", copy.to_str().unwrap(), "--replace"]);
        assert!(output.status.success(), "{output:?}");
    }
}

/// It ends with 4 and these words.
#[track_caller]
fn turned_away(mut client: Client, words: &str) {
    let code = client.process().wait_code();
    let said = client.words();
    assert!(code == 4 && said.contains(words), "{code}: {said}");
}

#[test]
fn a_new_key_needs_an_invite_and_a_member_does_not() {
    let place = Place::new();
    let mut server = place.serve(&["--access", "invite"]);
    turned_away(place.client(&server, "ana").start(), "by invitation");
    let code = place.invite(&[]);
    let mut ana = place
        .client(&server, "ana")
        .arg("--invite")
        .arg(&code)
        .enter();
    // Once used it is used up; a member comes back without it, or with anything.
    turned_away(
        place
            .client(&server, "bob")
            .arg("--invite")
            .arg(&code)
            .start(),
        "used up",
    );
    ana.leave();
    place.client(&server, "ana").enter().leave();
    place
        .client(&server, "ana")
        .arg("--invite")
        .arg("nonsense")
        .enter()
        .leave();
    assert_eq!(server.stop(), 0);
    // The order knows it: a server started again, too.
    let mut server = place.serve(&["--access", "invite"]);
    place.client(&server, "ana").enter().leave();
    turned_away(place.client(&server, "bob").start(), "by invitation");
    turned_away(
        place.client(&server, "bob").arg("--invite=K7Q2M").start(),
        "25 letters and digits",
    );
    assert_eq!(server.stop(), 0);
    place.verify();
    // The code is nowhere.
    for file in ["lamparina.db", "lamparina-index.db"] {
        let bytes = std::fs::read(place.data.join(file)).unwrap();
        let plain = code.replace('-', "");
        for code in [code.as_bytes(), plain.as_bytes()] {
            assert!(
                !bytes.windows(code.len()).any(|window| window == code),
                "{file}"
            );
        }
    }
}

#[test]
fn an_invite_names_the_key_of_the_server_that_it_is_for() {
    let place = Place::new();
    let mut server = place.serve(&["--access", "invite"]);
    let output = place.ask(&["invite", "new"]);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let join = printed
        .lines()
        .find(|line| line.contains("--invite"))
        .unwrap();
    let words: Vec<&str> = join.split_whitespace().collect();
    let after = |flag: &str| {
        let at = words.iter().position(|word| *word == flag).unwrap();
        words[at + 1]
    };
    let said = &place.done(&["invite", "new"])[0];
    assert_eq!(after("--pin"), said["fingerprint"].as_str().unwrap());
    let spoken = said["words"].as_str().unwrap();
    assert_eq!(spoken.split(' ').count(), 6);
    assert!(printed.contains(spoken), "{printed}");
    assert!(said["join"].as_str().unwrap().contains(after("--pin")));
    let ana = place
        .client(&server, "ana")
        .arg("--invite")
        .arg(after("--invite"));
    ana.arg("--pin").arg(after("--pin")).enter().leave();
    // Another server is not taken for it.
    let other = format!("SHA256:{}", "A".repeat(43));
    let mut bob = place
        .client(&server, "bob")
        .arg("--pin")
        .arg(&other)
        .start();
    assert_eq!(bob.process().wait_code(), 4, "{}", bob.words());
    assert_eq!(server.stop(), 0);
}

#[test]
fn another_user_is_not_answered() {
    let place = Place::new();
    let mut server = place.serve(&["--access", "invite"]);
    let socket = place.data.join("admin.sock");
    // As the files are, another user does not even get there; so they are opened to everybody.
    let open = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    };
    open(&socket, 0o666);
    for folder in place
        .data
        .ancestors()
        .take_while(|at| at.starts_with(place.folder.path()))
    {
        open(folder, 0o755);
    }
    let program = r#"
use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "cannot reach it: $!";
print $s qq({"v":1,"do":"server"}\n); print scalar <$s>;
"#;
    let ask = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "perl",
            "-e",
            program,
        ])
        .arg(&socket)
        .output();
    match ask {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.contains("its own user and root alone"), "{said}");
            assert!(!said.contains("listen"), "{said}");
        }
        // Only root can be somebody else.
        other => println!("not tried as another user: {other:?}"),
    }
    assert_eq!(
        place.done(&["members"]).len(),
        0,
        "its own user is answered"
    );
    assert_eq!(server.stop(), 0);
}

#[test]
fn invites_are_listed_revoked_and_expire() {
    let place = Place::new();
    let mut server = place.serve(&["--access", "invite"]);
    let revoked = place.invite(&["--uses", "3"]);
    place.done(&["invite", "revoke", "0"]);
    place.refused(&["invite", "revoke", "0"], "taken back before");
    place.refused(&["invite", "revoke", "7"], "there is no invite 7");
    turned_away(
        place
            .client(&server, "ana")
            .arg("--invite")
            .arg(&revoked)
            .start(),
        "taken back",
    );
    let brief = place.invite(&["--expires", "1s"]);
    let lists = |args: &[&str]| {
        let lines = place.done(&[&["invite", "list"], args].concat());
        lines
            .iter()
            .map(|line| line["invite"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    // Its second is over sooner or later, whatever the machine does.
    lamparina_tests::real::wait_for("its end", || lists(&[]).is_empty().then_some(()));
    turned_away(
        place
            .client(&server, "ana")
            .arg("--invite")
            .arg(&brief)
            .start(),
        "expired",
    );
    let good = place.invite(&["--uses", "2", "--expires", "never"]);
    assert_eq!(lists(&[]), [2]);
    assert_eq!(lists(&["--all"]), [2, 1, 0]);
    let spaced = good.to_lowercase().replace('-', " ");
    place
        .client(&server, "ana")
        .arg("--invite")
        .arg(&spaced)
        .enter()
        .leave();
    let line = place.done(&["invite", "list"]).remove(0);
    assert_eq!(
        (line["used"].as_u64(), line["uses"].as_u64()),
        (Some(1), Some(2))
    );
    let output = place.ask(&["invite", "new", "--address", "chat.example:5000"]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(
        words.contains("lamparina-client chat.example:5000 --name NICK --invite "),
        "{words}"
    );
    the_printed_command_joins_this_server_only(&place, &server, &words);
    place.refused(&["invite", "new", "--uses", "0"], "1 to 100000 uses");
    assert_eq!(
        place
            .ask(&["invite", "new", "--expires", "soon"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(server.stop(), 0);
    place.verify();
    place.refused(&["invite", "list"], "no server runs on");
}

/// What `invite new` prints names the server's key: who joins by it trusts nothing on first contact.
#[track_caller]
fn the_printed_command_joins_this_server_only(place: &Place, server: &Server, words: &str) {
    let (_, options) = words.split_once("--name NICK ").unwrap();
    let options: Vec<&str> = options.lines().next().unwrap().split(' ').collect();
    assert_eq!((options[0], options[2]), ("--invite", "--pin"), "{words}");
    let join = |nick: &str, server: &Server| {
        let start = place.client(server, nick);
        options
            .iter()
            .fold(start, |start, option| start.arg(option))
    };
    let other = Server::start();
    turned_away(join("dora", &other).start(), "the key that --pin asks for");
    join("dora", server).enter().leave();
}

#[test]
fn one_use_admits_one_of_many_who_come_at_once() {
    let place = Place::new();
    let mut server = place.serve(&["--access", "invite"]);
    let code = place.invite(&["--uses", "2"]);
    let nicks = ["a", "b", "c", "d", "e", "f"];
    let start = |nick: &&str| {
        place
            .client(&server, nick)
            .arg("--invite")
            .arg(&code)
            .start()
    };
    let mut all: Vec<Client> = nicks.iter().map(start).collect();
    let mut codes = Vec::new();
    for client in &mut all {
        client.process().end_input();
        codes.push(client.process().wait_code());
    }
    codes.sort_unstable();
    assert_eq!(codes, [0, 0, 4, 4, 4, 4]);
    assert_eq!(place.done(&["members"]).len(), 2);
    assert_eq!(server.stop(), 0);
    place.verify();
}

#[test]
fn a_ban_ends_the_session_and_lasts() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    let ana = place.client(&server, "ana").enter();
    let mut bob = place.client(&server, "bob").enter();
    ana.wait_event("joined");
    place.refused(&["ban", "nobody"], "nobody was ever called nobody");
    place.done(&["ban", "bob", "--reason", "spam"]);
    assert_eq!(bob.process().wait_code(), 4);
    assert!(
        bob.words()
            .contains("banned by who runs this server (spam)"),
        "{}",
        bob.words()
    );
    ana.wait_event("left");
    // Nothing is for it, and its name is nobody else's.
    ana.say("MSG:bob:hello");
    let error = ana.wait_event("error");
    assert_eq!(error["code"], "banned", "{error}");
    ana.say("while bob is banned");
    ana.wait_event("committed");
    let other = ClientStart::new(&place.folder.within("profile-eva"), server.addr());
    turned_away(other.name("bob").start(), "belongs to somebody else");
    turned_away(place.client(&server, "bob").start(), "you were banned");
    assert_eq!(server.stop(), 0);
    // A server started again knows it, and so does one that a backup was put back under.
    let backup = place.folder.path().join("backup.db");
    let backup = backup.to_str().unwrap();
    let mut server = place.serve(&[]);
    turned_away(place.client(&server, "bob").start(), "you were banned");
    assert!(place.ask(&["backup", backup]).status.success());
    place.done(&["unban", "bob"]);
    place.client(&server, "bob").enter().leave();
    assert_eq!(server.stop(), 0);
    assert!(place.ask(&["restore", backup]).status.success());
    let mut server = place.serve(&[]);
    turned_away(place.client(&server, "bob").start(), "you were banned");
    place.done(&["unban", "bob"]);
    place.refused(&["unban", "bob"], "bob is not banned");
    // It comes back to what was for it: nothing of what was said meanwhile.
    let ana = place.client(&server, "ana").enter();
    let bob = place.client(&server, "bob").enter();
    ana.say("bob is back");
    bob.wait_text("bob is back");
    let texts: Vec<Value> = bob
        .events("message")
        .into_iter()
        .map(|event| event["text"].clone())
        .collect();
    assert_eq!(texts, ["bob is back"]);
    assert_eq!(server.stop(), 0);
    place.verify();
}

#[test]
fn who_is_kicked_is_told_and_may_come_back() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    let mut ana = place.client(&server, "ana").enter();
    place.done(&["kick", "ana"]);
    assert_eq!(ana.process().wait_code(), 4);
    assert!(ana.words().contains("sent away"), "{}", ana.words());
    place.refused(&["kick", "ana"], "ana is not connected");
    let mut ana = place.client(&server, "ana").enter();
    let who = place.done(&["who"]);
    assert_eq!(who.len(), 1);
    // By its key, too.
    let key = who[0]["key"].as_str().unwrap().to_owned();
    place.done(&["kick", &key]);
    assert_eq!(ana.process().wait_code(), 4);
    assert!(place.done(&["who"]).is_empty());
    let kicked = |lines: &[lamparina_tests::real::log::LogLine]| {
        let ends = lines.iter().filter(|line| line.event == "disconnected");
        (ends.filter(|line| line.field("reason") == "kicked").count() == 2).then_some(())
    };
    server.wait_log("two kicks", kicked);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_password_admits_and_a_wrong_one_does_not() {
    let place = Place::new();
    let hashed = |nick: &str, password: &str| {
        let mut command = Command::new(programs::server());
        command
            .args(["password", "hash", nick])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{password}").unwrap();
        drop(stdin);
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let file = place.folder.path().join("passwords");
    let lines = hashed("ana", "correct horse") + &hashed("bob", "battery");
    std::fs::write(&file, lines).unwrap();
    let given = |nick: &str, password: &str| {
        let path = place.folder.path().join(format!("password-{nick}"));
        std::fs::write(&path, format!("{password}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut server = place.serve(&["--password-file", file.to_str().unwrap()]);
    let come = |nick: &str, password: &str| {
        let file = given(nick, password);
        place
            .client(&server, nick)
            .arg("--password-file")
            .arg(&file)
    };
    turned_away(come("ana", "battery").start(), "not the password of ana");
    turned_away(
        come("eva", "correct horse").start(),
        "not the password of eva",
    );
    turned_away(place.client(&server, "ana").start(), "--password-file FILE");
    come("ana", "correct horse").enter().leave();
    place.client(&server, "ana").enter().leave();
    // A member with an old password is a member.
    come("ana", "forgotten").enter().leave();
    let code = place.invite(&[]);
    place
        .client(&server, "eva")
        .arg("--invite")
        .arg(&code)
        .enter()
        .leave();
    assert_eq!(server.stop(), 0);
    let log = std::fs::read_to_string(server.log_file()).unwrap();
    assert!(!log.contains("horse") && !log.contains("battery"));
    let mut open = Command::new(programs::server());
    let file = file.to_str().unwrap();
    open.args([
        "--access",
        "open",
        "--password-file",
        file,
        "--data",
        place.data(),
    ]);
    let output = open.args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert!(!output.status.success());
    place.verify();
}

/// One connection of an operator that sends this and reads to the end.
fn talk(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    // The server may have said its last word before all of it was sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    said
}

#[test]
fn garbage_half_lines_and_floods_of_operators_hurt_nobody() {
    let place = Place::new();
    let mut server = place.serve(&["--access", "invite"]);
    let socket = place.data.join("admin.sock");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(&place.data)), (0o600, 0o700));
    for (bytes, words) in [
        (&b"\n"[..], "no line of JSON"),
        (b"GET / HTTP/1.1\r\n", "no line of JSON"),
        (b"\xff\xfe\x00\n", "no line of JSON"),
        (b"{\"v\":1,\"do\":\"kick\"", "the line has no end"),
        (&[b'x'; 100_000], "at most 4096 bytes"),
        (b"{\"v\":1,\"do\":\"burn\"}\n", "nothing known"),
    ] {
        let said = talk(&socket, bytes);
        assert!(
            said.contains("\"ok\":false") && said.contains(words),
            "{said}"
        );
    }
    // Two questions over one connection.
    let two = b"{\"v\":1,\"do\":\"server\"}\n{\"v\":1,\"do\":\"members\"}\n";
    let said = talk(&socket, two);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(
        said.contains("\"access\":\"invite\"") && said.contains("\"members\":[]"),
        "{said}"
    );
    // Silent ones keep others waiting for ten seconds at most, and never the chat.
    let silent: Vec<UnixStream> = (0..20)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    drop(silent);
    let code = place.invite(&[]);
    place
        .client(&server, "ana")
        .arg("--invite")
        .arg(&code)
        .enter()
        .leave();
    let silent: Vec<UnixStream> = (0..6)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    assert_eq!(place.done(&["members"]).len(), 1);
    assert_eq!(server.stop(), 0, "silent operators do not hold up the end");
    drop(silent);
    assert!(!socket.exists());
    // What is left from a server that was killed is no obstacle.
    std::fs::write(&socket, "").unwrap();
    let mut server = place.serve(&["--access", "invite"]);
    assert_eq!(place.done(&["members"]).len(), 1);
    assert_eq!(server.stop(), 0);
}

#[test]
fn wrong_codes_are_limited_and_members_come_back_all_the_same() {
    let place = Place::new();
    let mut server = place.serve(&["--access", "invite"]);
    let code = place.invite(&[]);
    place
        .client(&server, "ana")
        .arg("--invite")
        .arg(&code)
        .enter()
        .leave();
    let wrong = "00000-00000-00000-00000-00000";
    // Twenty at once, then one in three seconds: forty in a row are more than that, unless each took
    // as long as that.
    let mut limited = false;
    for _ in 0..200 {
        let mut client = place
            .client(&server, "bob")
            .arg("--invite")
            .arg(wrong)
            .start();
        assert_eq!(client.process().wait_code(), 4);
        limited = client.words().contains("wait a minute");
        if limited {
            break;
        }
        assert!(
            client.words().contains("no invite has this code"),
            "{}",
            client.words()
        );
    }
    assert!(limited);
    place
        .client(&server, "ana")
        .arg("--invite")
        .arg(wrong)
        .enter()
        .leave();
    assert_eq!(server.stop(), 0);
}
