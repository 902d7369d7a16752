//! The README's commands work as they stand there.

use std::process::Command;

use lamparina_tests::real::process::Process;
use lamparina_tests::real::{Server, programs, readme};

/// The two commands that set up everything on a fresh machine.
const SET_UP: [&str; 2] = [
    "cargo run --release --bin lamparina-server",
    "cargo test --workspace",
];
/// Ends that show accepted arguments: done, time ran out, not committed (the name is an example).
const ACCEPTED: [i32; 3] = [0, 5, 6];

#[test]
fn two_commands_do_all_the_set_up() {
    let commands = readme::commands(&readme::text());
    assert_eq!(commands[..2], SET_UP);
}

#[test]
fn every_program_named_is_one_of_ours() {
    for command in readme::commands(&readme::text()) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let named = words.windows(2).filter(|pair| pair[0] == "--bin");
        for pair in named {
            assert!(readme::is_ours(pair[1]), "{} in: {command}", pair[1]);
        }
    }
}

#[test]
fn a_server_starts_as_the_readme_says() {
    for command in of("lamparina-server") {
        let free = match command.contains("--listen") {
            true => String::new(),
            false => " --listen 127.0.0.1:0".to_owned(),
        };
        let folder = lamparina_tests::real::Folder::new();
        let mut sh = shell(&format!("exec {command}{free}"));
        sh.current_dir(folder.path());
        let mut server = Process::start("the README's server", sh);
        server.transcript().wait(&command, |heard| {
            let lines = heard.out.iter();
            let mut lines = lines.map(|line| line.bytes.starts_with(b"listening on "));
            lines.find(|listening| *listening)
        });
        server.signal(lamparina_tests::real::process::Signal::TERM);
        assert_eq!(server.wait_code(), 0, "{command}");
    }
}

#[test]
fn a_client_takes_the_arguments_that_the_readme_gives() {
    let commands = of("lamparina-client");
    assert!(!commands.is_empty());
    for (number, command) in commands.iter().enumerate() {
        let server = Server::start();
        let home = server.folder().within(&format!("readme-{number}"));
        // Nobody says anything to an example: how long it would wait does not matter.
        let adapted = command
            .replace("127.0.0.1:5000", &server.addr().to_string())
            .replace("--timeout 30", "--timeout 1");
        let mut sh = shell(&adapted);
        sh.current_dir(&home).env("HOME", &home);
        sh.env("LAMPARINA_SERVER", server.addr().to_string());
        let mut client = Process::start("the README's client", sh);
        client.end_input();
        let code = client.wait_code();
        let heard = client.transcript().heard();
        assert!(ACCEPTED.contains(&code), "{command}: {code}\n{heard}");
    }
}

#[test]
fn peers_without_a_server_meet_as_the_readme_says() {
    let commands = of("lamparina-peer");
    let [first, second] = &commands[..] else {
        panic!("a peer, and another that calls it: {commands:?}");
    };
    let folder = lamparina_tests::real::Folder::new();
    let start = |name: &str, command: &str| {
        let mut sh = shell(&format!("exec {command} --json"));
        sh.current_dir(folder.path());
        sh.env("HOME", folder.within(name));
        sh.env_remove("XDG_DATA_HOME");
        Process::start(name, sh)
    };
    let ana = start("ana", &first.replace(" 5001 ", " 0 "));
    let port = ana.transcript().wait("ana's address", |heard| {
        let event = heard.of_type("listening").next()?;
        let addr = event["addr"].as_str()?;
        addr.rsplit_once(':').map(|(_, port)| port.to_owned())
    });
    let command = second.replace(" 5002 ", " 0 ").replace("5001", &port);
    let mut bob = start("bob", &command);
    bob.write(b"hello\n");
    ana.transcript().wait("bob's line", |heard| {
        let mut messages = heard.of_type("message");
        messages.find(|message| message["text"] == "hello").cloned()
    });
    bob.end_input();
    assert_eq!(bob.wait_code(), 0);
}

/// The commands that start `program`, with its built file in place of cargo's run.
fn of(program: &str) -> Vec<String> {
    let run = format!("cargo run --release --bin {program}");
    let commands = readme::commands(&readme::text());
    let of_it = commands
        .into_iter()
        .filter(|command| command.contains(&run));
    of_it
        .map(|command| {
            let file = programs::built().join(program).display().to_string();
            command
                .replace(&format!("{run} -- "), &format!("{file} "))
                .replace(&run, &file)
        })
        .collect()
}

fn shell(command: &str) -> Command {
    let mut sh = Command::new("sh");
    sh.args(["-c", command]);
    sh
}
