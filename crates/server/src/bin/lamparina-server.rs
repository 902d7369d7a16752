//! The server program: reads its options, starts the logger and the listeners, and ends cleanly.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use lamparina_server::logger::{LogHandle, Logger, LoggerConfig, run_if_logger};
use lamparina_server::{Server, ServerConfig, Summary, limits, logger, tail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::filter::LevelFilter;

const EXAMPLES: &str = "\
Examples:
  lamparina-server                            listen on 127.0.0.1:5000, log to logs/server.log
  lamparina-server --listen 127.0.0.1:0       take a free port and print it
  lamparina-server --listen 0.0.0.0:5000 --cleartext
                                              serve the network; links are not sealed yet
  lamparina-server --lab                      let clients try /channel loss=20%,delay=80ms

It prints one line `listening on ADDR` for each address once it accepts. SIGTERM or Ctrl-C ends it
with a goodbye to every client, a second one at once; SIGHUP opens the log file again.

Exit codes:
  0  done: asked to end, and ended
  1  failed, or asked to end at once; stderr says why
  2  not started: an option or an argument is wrong";

/// Chat in which every message has one place in an order that everybody can check.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Options {
    /// Address to listen on; may be given again. Port 0 takes a free one
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:5000",
        env = "LAMPARINA_LISTEN",
        value_delimiter = ',',
        value_parser = host_and_port
    )]
    listen: Vec<String>,
    /// Folder for what the server keeps, made where it is missing. Nothing is kept there yet: the
    /// order lives in memory
    #[arg(long, value_name = "DIR", env = "LAMPARINA_DATA")]
    data: Option<PathBuf>,
    /// File to log to; missing folders are made
    #[arg(
        long,
        value_name = "FILE",
        default_value = "logs/server.log",
        env = "LAMPARINA_LOG_FILE"
    )]
    log_file: PathBuf,
    /// Log the texts of messages too
    #[arg(long)]
    log_text: bool,
    /// Bytes after which the log file is rotated; 0 for never
    #[arg(long, value_name = "BYTES", default_value_t = logger::ROTATE_BYTES)]
    log_rotate: u64,
    /// Rotated log files that are kept
    #[arg(long, value_name = "N", default_value_t = logger::ROTATED_KEPT)]
    log_keep: u32,
    /// Let clients make their own channel bad, with /channel
    #[arg(long)]
    lab: bool,
    /// Serve addresses that other machines can reach, although links are not sealed yet
    #[arg(long)]
    cleartext: bool,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = limits::CONNECTIONS_MAX)]
    connections: usize,
    /// Connections at a time from one address; this machine's own are not counted
    #[arg(long, value_name = "N", default_value_t = limits::CONNECTIONS_PER_ADDRESS_MAX)]
    per_address: usize,
    /// Memory of the newest messages, from which slow and returning clients are served, in MiB
    #[arg(long, value_name = "MIB", default_value_t = tail::TAIL_BYTES >> 20)]
    tail: usize,
    /// Threads that serve clients; by default one for each processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// Whether a text is a host and a port; whether the host exists is found out later.
fn host_and_port(text: &str) -> Result<String, String> {
    let well_formed = text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains(':'),
        };
        is_host && port.parse::<u16>().is_ok()
    });
    if well_formed {
        Ok(text.to_owned())
    } else {
        Err(
            "give HOST:PORT, as in 127.0.0.1:5000 or [::1]:5000; port 0 takes a free one"
                .to_owned(),
        )
    }
}

fn main() -> ExitCode {
    if let Some(code) = run_if_logger() {
        return code;
    }
    let options = Options::parse();
    let talk = talk_level();
    match start(options, talk) {
        Ok(code) => code,
        Err(why) => {
            // Where stderr is gone, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "lamparina-server: {why}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: Options, talk: Result<LevelFilter, String>) -> Result<ExitCode, String> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .with_max_level(talk?)
        // Who closed stderr (a terminal that is gone) does not want to know; to say so there would
        // be a panic, and end the server without its goodbye.
        .log_internal_errors(false)
        .init();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.threads {
        runtime.worker_threads(usize::from(threads));
    }
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> Result<ExitCode, String> {
    let addrs = resolve(&options).await?;
    if let Some(data) = &options.data {
        make_data_folder(data)?;
    }
    // Signals are ours before anybody can know that we listen.
    let signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let mut config = config(&options);
    let server = Server::bind(&addrs, config.clone()).map_err(|error| error.to_string())?;
    let bound = server
        .local_addrs()
        .map_err(|error| format!("cannot tell the addresses bound: {error}"))?;
    let (log, logger) = start_logger(&options).await?;
    config.log = log;
    say_listening(&bound).map_err(|error| format!("cannot write to stdout: {error}"))?;
    let server = server.with_config(config);
    let summary = run(server, logger, signals).await?;
    info!(
        "served {} connections, ordered {} messages, cut {} connections at the end",
        summary.connections, summary.messages, summary.cut
    );
    Ok(ExitCode::SUCCESS)
}

fn make_data_folder(data: &Path) -> Result<(), String> {
    std::fs::create_dir_all(data).map_err(|error| {
        let data = data.display();
        format!("cannot make the folder {data}: {error}; name another one with --data DIR")
    })?;
    warn!(
        "nothing is kept in {} yet: the order lives in memory and ends with this server",
        data.display()
    );
    Ok(())
}

/// Serves until a signal ends it; a second one ends the process at once.
async fn run(server: Server, logger: Logger, signals: Signals) -> Result<Summary, String> {
    let Signals {
        mut terminate,
        mut interrupt,
        mut hangup,
    } = signals;
    let (ask, asked) = tokio::sync::oneshot::channel::<()>();
    let serving = server.run(async {
        // Never dropped unanswered while it serves.
        let _ = asked.await;
    });
    tokio::pin!(serving);
    let mut ask = Some(ask);
    let summary = loop {
        tokio::select! {
            summary = &mut serving => break summary,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {
                logger.reopen();
                continue;
            }
        }
        let Some(ask) = ask.take() else {
            warn!("asked again: ending at once");
            std::process::exit(1);
        };
        info!("closing: saying goodbye to clients");
        let _ = ask.send(());
    };
    logger.finish().await;
    summary.map_err(|error| format!("cannot serve: {error}"))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

fn config(options: &Options) -> ServerConfig {
    let files = limits::raise_file_limit();
    if files < options.connections {
        warn!("this system allows {files} connections at a time: raise its limit of open files");
    }
    ServerConfig {
        connections_max: options.connections.min(files),
        connections_per_address_max: options.per_address,
        tail_bytes: options.tail.saturating_mul(1 << 20),
        lab: options.lab,
        ..ServerConfig::default()
    }
}

async fn start_logger(options: &Options) -> Result<(LogHandle, Logger), String> {
    let config = LoggerConfig {
        rotate_bytes: options.log_rotate,
        keep: options.log_keep,
        with_text: options.log_text,
        ..LoggerConfig::new(&options.log_file)
    };
    Logger::start(config).await.map_err(|error| {
        let file = options.log_file.display();
        format!("cannot log to {file}: {error}; choose another file with --log-file FILE")
    })
}

/// The addresses that the names stand for, each one that this server may listen on.
async fn resolve(options: &Options) -> Result<Vec<SocketAddr>, String> {
    let mut addrs = Vec::new();
    for name in &options.listen {
        let mut found = tokio::net::lookup_host(name.as_str())
            .await
            .map_err(|error| {
                format!("{name} is no address ({error}): give HOST:PORT, as in 127.0.0.1:5000")
            })?;
        let addr = found.next().ok_or_else(|| {
            format!("{name} stands for no address: give one, as in 127.0.0.1:5000")
        })?;
        if !addr.ip().is_loopback() && !options.cleartext {
            return Err(format!(
                "{addr} can be reached from other machines, and links are not sealed yet: anybody \
                 on the way could read and change what is said. Listen on 127.0.0.1 (and reach it \
                 through ssh -L or a VPN), or accept this with --cleartext"
            ));
        }
        addrs.push(addr);
    }
    Ok(addrs)
}

fn say_listening(bound: &[SocketAddr]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for addr in bound {
        writeln!(stdout, "listening on {addr}")?;
    }
    stdout.flush()
}

/// How much is said on stderr.
fn talk_level() -> Result<LevelFilter, String> {
    match std::env::var("LAMPARINA_LOG") {
        Ok(level) => level.parse().map_err(|_error| {
            format!("LAMPARINA_LOG={level} is no level: use off, error, warn, info, debug or trace")
        }),
        Err(_) => Ok(LevelFilter::INFO),
    }
}
