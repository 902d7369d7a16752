//! The rendezvous program: reads its options, listens, and ends cleanly.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use lamparina_pyp2p::limits::{RATE_LIMIT, RECORDS_MAX};
use lamparina_rendezvous::{Config, Rendezvous};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::filter::LevelFilter;

const EXAMPLES: &str = "\
Examples:
  lamparina-rendezvous                          listen on 0.0.0.0:8080
  lamparina-rendezvous --listen 127.0.0.1:0     take a free port and print it
  lamparina-rendezvous --listen '[::]:8080'     serve IPv6 and IPv4
  lamparina-rendezvous --limit 0                answer everybody, however often he asks
  lamparina-rendezvous --data /srv/peers        keep the records in this file

  printf '{\"type\":\"REGISTER\",\"namespace\":\"lab\",\"name\":\"ana\",\"port\":4100}\\n' | nc 127.0.0.1 8080
  printf '{\"type\":\"DISCOVER\",\"namespace\":\"lab\"}\\n' | nc 127.0.0.1 8080

It prints one line `listening on ADDR` once it accepts. SIGTERM or Ctrl-C ends it.

Each connection carries one request and one reply, a line of JSON each: REGISTER, DISCOVER,
UNREGISTER (docs/pyp2p.md has the rules). Records end after their ttl and last over a restart: in
the file that --data names, else in one for this address and port in `lamparina` in the user's data
folder (XDG_DATA_HOME, else ~/.local/share). With port 0 the file is begun anew.

Exit codes:
  0  done: asked to end, and ended
  1  failed; stderr says why
  2  an option is wrong";

/// Where PyP2P peers find each other: who is registered, and at which address.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "0.0.0.0:8080",
        env = "LAMPARINA_RENDEZVOUS_LISTEN",
        value_parser = host_and_port
    )]
    listen: String,
    /// Connections of one address within a minute that are answered; the next one blocks it for a
    /// minute. 0 for no limit
    #[arg(long, value_name = "N", default_value_t = RATE_LIMIT, env = "LAMPARINA_RENDEZVOUS_LIMIT")]
    limit: u32,
    /// Records, at most; who is new is refused then. One address may have a quarter of them
    #[arg(long, value_name = "N", default_value_t = RECORDS_MAX)]
    records: usize,
    /// File of the records
    #[arg(long, value_name = "FILE", env = "LAMPARINA_RENDEZVOUS_DATA")]
    data: Option<PathBuf>,
    /// Keep no records on disk
    #[arg(long, conflicts_with = "data")]
    in_memory: bool,
    /// How much is said on stderr: off, error, warn, info, debug or trace
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        env = "LAMPARINA_LOG"
    )]
    log_level: LevelFilter,
}

/// An address with a port; that its host exists is seen later.
fn host_and_port(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    match (host.is_empty(), port.parse::<u16>()) {
        (false, Ok(_)) => Ok(text.to_owned()),
        _ => Err("write it as HOST:PORT, as in 0.0.0.0:8080".to_owned()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    start_talk(options.log_level);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(serve(options)),
        Err(error) => Err(format!("cannot start threads: {error}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let why = lamparina_protocol::clean::words(&why);
            // Where stderr is gone, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "lamparina-rendezvous: {why}");
            ExitCode::FAILURE
        }
    }
}

fn start_talk(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        // Who closed stderr does not want to know.
        .log_internal_errors(false)
        .init();
}

async fn serve(options: Options) -> Result<(), String> {
    let cannot_wait = |error| format!("cannot wait for signals: {error}");
    // Signals are ours before anybody can know that we listen.
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot_wait)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot_wait)?;
    let (listener, chosen) = listen(&options.listen).await?;
    let addr = listener.local_addr();
    let addr = addr.map_err(|error| format!("cannot tell the address bound: {error}"))?;
    let own_file = options.data.is_some();
    let config = Config {
        limit: options.limit,
        records_max: options.records,
        data: data(&options, addr),
        // A port that nobody chose had other records before.
        resume: own_file || chosen,
        ..Config::default()
    };
    let rendezvous = Rendezvous::open(config).map_err(|error| error.to_string())?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {addr}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot write to stdout: {error}"))?;
    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("ending");
    };
    let summary = rendezvous.run(listener, shutdown).await;
    let summary = summary.map_err(|error| format!("cannot write the records: {error}"))?;
    let (connections, records) = (summary.connections, summary.records);
    info!("answered {connections} connections; {records} records are left");
    Ok(())
}

/// Listens; and whether the port was chosen and not given by the system.
async fn listen(asked: &str) -> Result<(TcpListener, bool), String> {
    let hint = "name it as HOST:PORT with --listen, as in --listen 0.0.0.0:8080";
    let addrs = tokio::net::lookup_host(asked).await;
    let mut addrs = addrs.map_err(|error| format!("{asked} is no address ({error}): {hint}"))?;
    let addr = addrs
        .next()
        .ok_or_else(|| format!("{asked} is no address: {hint}"))?;
    let listener = TcpListener::bind(addr).await;
    let listener = listener.map_err(|error| {
        let fix = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "stop the program that has the port, or choose another one"
            }
            std::io::ErrorKind::PermissionDenied => "choose a port above 1023",
            std::io::ErrorKind::AddrNotAvailable => "choose an address that this machine has",
            _ => "choose another one",
        };
        format!("cannot listen on {addr}: {error}; {fix} with --listen HOST:PORT")
    })?;
    Ok((listener, addr.port() != 0))
}

/// Where the records are kept.
fn data(options: &Options, addr: SocketAddr) -> Option<PathBuf> {
    if options.in_memory {
        return None;
    }
    if options.data.is_some() {
        return options.data.clone();
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let xdg = set("XDG_DATA_HOME").map(PathBuf::from);
    let xdg = xdg.filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(set("HOME")?).join(".local/share"));
    let Some(folder) = xdg.or_else(home) else {
        warn!("no place for the records, which end with this process: name one with --data FILE");
        return None;
    };
    let ip = addr.ip().to_string().replace(':', "_");
    let name = format!("rendezvous-{ip}-{}.records", addr.port());
    Some(folder.join("lamparina").join(name))
}
