//! A server under a service manager: the test plays systemd. It passes a listener as descriptor 3,
//! hears what the server says of itself, and finds clients waiting while no server runs.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lamparina_tests::real::process::{Signal, children_of, send_signal};
use lamparina_tests::real::{ClientStart, Folder, PATIENCE, programs, wait_for};

/// Puts what it gets as its input in the place of descriptor 3, says that it is for itself, and
/// becomes the server.
const PASS: &str = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
/// Passes it to somebody else.
const PASS_TO_OTHERS: &str = "exec 3<&0 </dev/null; LISTEN_PID=1 LISTEN_FDS=1 exec \"$0\" \"$@\"";

/// A service manager with one service.
struct Manager {
    folder: Folder,
    notify: UnixDatagram,
    socket: PathBuf,
}

impl Manager {
    fn new() -> Self {
        let folder = Folder::new();
        let socket = folder.within("manager").join("notify");
        let notify = UnixDatagram::bind(&socket).expect("the folder takes a socket");
        let patience = Some(PATIENCE);
        notify
            .set_read_timeout(patience)
            .expect("the time is no zero");
        Self {
            folder,
            notify,
            socket,
        }
    }

    fn start(&self, script: &str, passed: impl Into<OwnedFd>, args: &[&str]) -> Service {
        let home = self.folder.within("server");
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .arg(programs::server())
            .args(args);
        command.current_dir(&home).env("HOME", &home);
        command.env("XDG_DATA_HOME", home.join("data"));
        command.env("NOTIFY_SOCKET", &self.socket);
        command.env("WATCHDOG_USEC", "100000");
        command.stdin(Stdio::from(passed.into()));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Service(command.spawn().expect("a shell starts"))
    }

    /// What the server says next.
    fn hear(&self) -> String {
        let mut bytes = [0; 1_024];
        let length = self
            .notify
            .recv(&mut bytes)
            .expect("the server says something in time");
        String::from_utf8(bytes[..length].to_vec()).expect("it says words")
    }

    /// What the server says next but that it lives.
    fn hear_more(&self) -> String {
        loop {
            match self.hear().as_str() {
                "WATCHDOG=1\n" => {}
                other => return other.to_owned(),
            }
        }
    }
}

/// A server process, ended with the test.
struct Service(Child);

impl Service {
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.0.wait().expect("it is a child").code();
        let mut said = String::new();
        let stderr = self.0.stderr.as_mut().expect("it is piped");
        stderr.read_to_string(&mut said).expect("it says words");
        (code, said)
    }

    fn first_line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it prints words");
        line
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let addr = listener.local_addr().expect("it is bound");
    (listener, addr)
}

#[test]
fn a_passed_socket_outlives_its_server_and_every_step_is_told() {
    let manager = Manager::new();
    let (listener, addr) = listener();
    let pass = || listener.try_clone().expect("a descriptor is free");
    let mut service = manager.start(PASS, pass(), &[]);
    let ready = manager.hear_more();
    assert_eq!(ready, format!("READY=1\nSTATUS=listening on {addr}\n"));
    assert_eq!(service.first_line(), format!("listening on {addr}\n"));
    let client = |nick: &str| ClientStart::new(&manager.folder.within(nick), addr).name(nick);
    let ana = client("ana").enter();
    assert_eq!(manager.hear(), "WATCHDOG=1\n");

    let pid = service.0.id();
    let logger = wait_for("a logger", || children_of(pid).first().copied());
    let environment = std::fs::read(format!("/proc/{logger}/environ")).expect("it runs");
    let environment = String::from_utf8_lossy(&environment).into_owned();
    assert!(!environment.contains("NOTIFY_SOCKET") && !environment.contains("LISTEN_"));
    let inherited = std::fs::read_link(format!("/proc/{logger}/fd/3"));
    let is_socket = inherited.is_ok_and(|path| path.to_string_lossy().starts_with("socket:"));
    assert!(!is_socket, "the logger has nothing of the network");

    send_signal(pid, Signal::HUP);
    let reloading = manager.hear_more();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(manager.hear_more(), "READY=1\n");
    drop(ana);
    send_signal(pid, Signal::TERM);
    assert!(manager.hear_more().starts_with("STOPPING=1\n"));
    let (code, said) = service.end();
    assert_eq!(code, Some(0), "{said}");

    // Nobody serves, and nobody is refused: the next server finds who waits.
    let waiting = std::net::TcpStream::connect(addr).expect("the socket is still there");
    let _again = manager.start(PASS, pass(), &[]);
    assert!(manager.hear_more().starts_with("READY=1\n"));
    drop(waiting);
    client("bob").enter();
}

#[test]
fn a_passed_udp_socket_serves() {
    let manager = Manager::new();
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let addr = datagrams.local_addr().expect("it is bound");
    let mut service = manager.start(PASS, datagrams, &[]);
    let ready = manager.hear();
    assert_eq!(
        ready,
        format!("READY=1\nSTATUS=listening on udp://{addr}\n")
    );
    assert_eq!(service.first_line(), format!("listening on udp://{addr}\n"));
    let home = manager.folder.within("ana");
    let ana = ClientStart::new(&home, addr).name("ana").over_udp().enter();
    let infos = ana.events("info");
    assert!(
        infos.is_empty(),
        "nothing but datagrams is there: {infos:?}"
    );
}

#[test]
fn what_is_passed_to_another_process_is_not_taken() {
    let manager = Manager::new();
    let (listener, addr) = listener();
    let mut service = manager.start(PASS_TO_OTHERS, listener, &["--listen", "127.0.0.1:0"]);
    let line = service.first_line();
    assert!(line.starts_with("listening on 127.0.0.1:"), "{line}");
    assert_ne!(line, format!("listening on {addr}\n"));
}

#[test]
fn what_is_no_listener_is_refused_in_words() {
    let manager = Manager::new();
    let local = UnixDatagram::unbound().expect("a socket can be made");
    let (code, said) = manager.start(PASS, local, &[]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ListenStream="), "{said}");
    let (listener, addr) = listener();
    let accepted = std::net::TcpStream::connect(addr).expect("it listens");
    let (code, said) = manager.start(PASS, accepted, &[]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("does not listen"), "{said}");
    drop(listener);
}

#[test]
fn a_passed_socket_that_others_can_reach_is_judged_like_any_other() {
    let manager = Manager::new();
    let everywhere = TcpListener::bind("0.0.0.0:0").expect("a port is free");
    let (code, said) = manager.start(PASS, everywhere, &["--cleartext"]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--cleartext-anywhere"), "{said}");
}
