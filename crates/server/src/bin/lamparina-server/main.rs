//! The server program: reads its options, starts the logger and the listeners, and ends cleanly.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use lamparina_server::logger::{LogHandle, Logger, LoggerConfig, run_if_logger};
use lamparina_server::{Server, ServerConfig, Summary, limits};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::filter::LevelFilter;

mod access;
mod keep;
mod operate;
mod options;

use options::{Command, Options, Password};

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
    match &options.command {
        Some(Command::Backup { file, replace }) => {
            return keep::backup(&keep::folder(options.data.as_deref())?, file, *replace);
        }
        Some(Command::Restore { file }) => {
            return keep::restore(file, &keep::folder(options.data.as_deref())?);
        }
        Some(Command::Operate(operate)) => {
            return operate::run(operate, &keep::folder(options.data.as_deref())?);
        }
        Some(Command::Password(Password::Hash { nick })) => return access::password_hash(nick),
        None => {}
    }
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> Result<ExitCode, String> {
    let addrs = resolve(&options).await?;
    // Signals are ours before anybody can know that we listen.
    let signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let mut config = config(&options);
    config.access = options.access.access(&addrs, !options.in_memory)?;
    let server = Server::bind(&addrs, config.clone()).map_err(|error| error.to_string())?;
    let bound = server
        .local_addrs()
        .map_err(|error| format!("cannot tell the addresses bound: {error}"))?;
    let durable = match options.in_memory {
        true => None,
        false => {
            let folder = keep::folder(options.data.as_deref())?;
            let durable = keep::open(&folder)?;
            Some((durable, folder.join(lamparina_server::admin::SOCKET)))
        }
    };
    let (log, logger) = start_logger(&options).await?;
    config.log = log;
    let mut server = server.with_config(config);
    if let Some((durable, socket)) = durable {
        server = server.with_durable(durable);
        if let Err(error) = server.bind_admin(&socket) {
            let socket = socket.display();
            warn!("operators cannot reach this server at {socket} ({error}): no invites, no bans");
        }
    }
    say_listening(&bound).map_err(|error| format!("cannot write to stdout: {error}"))?;
    let summary = run(server, logger, signals).await?;
    info!(
        "served {} connections, ordered {} messages, cut {} connections at the end",
        summary.connections, summary.messages, summary.cut
    );
    Ok(ExitCode::SUCCESS)
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
