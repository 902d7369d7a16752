//! The server program: reads its options, starts the logger and the listeners, and ends cleanly.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use lamparina_protocol::Fingerprint;
use lamparina_protocol::link::{LinkConfig, WINDOW_BYTES_MAX};
use lamparina_protocol::seal::IdentityKey;
use lamparina_server::limits::{InForce, raise_file_limit};
use lamparina_server::logger::{LogHandle, Logger, LoggerConfig, run_if_logger};
use lamparina_server::{Links, Server, ServerConfig, Summary, identity};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

mod access;
mod keep;
mod limit_options;
mod manager;
mod operate;
mod options;
mod settings;

use options::{Command, Options, Password};
use settings::{Reloader, Settings, Wrong};

/// Of a program told wrongly.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    if let Some(code) = run_if_logger() {
        return code;
    }
    let args: Vec<_> = std::env::args_os().collect();
    let settings = match asked_to_look(&args).unwrap_or_else(|| Settings::read(&args).map(Ok)) {
        Ok(Ok(settings)) => settings,
        Ok(Err(code)) => return code,
        Err(Wrong::Option(error)) => error.exit(),
        Err(Wrong::File(why)) => {
            say(&why);
            return ExitCode::from(USAGE);
        }
    };
    match start(args, settings) {
        Ok(code) => code,
        Err(why) => {
            say(&why);
            ExitCode::FAILURE
        }
    }
}

fn say(why: &str) {
    let why = lamparina_protocol::clean::words(why);
    // Where stderr is gone, the exit code still says it.
    let _ = writeln!(std::io::stderr(), "lamparina-server: {why}");
}

/// `config`: needs no settings that hold, for it says whether they do.
fn asked_to_look(args: &[OsString]) -> Option<Result<Result<Settings, ExitCode>, Wrong>> {
    // What is wrong here is said by whoever reads the settings.
    let Options {
        command, config, ..
    } = Options::try_parse_from(args).ok()?;
    match command? {
        Command::Config(asked) => Some(settings::run(&asked, config, args).map(Err)),
        _ => None,
    }
}

type Level = reload::Handle<LevelFilter, Registry>;

/// Says on stderr what happens, as much as `level` asks for.
fn start_talk(level: LevelFilter) -> Level {
    let (filter, handle) = reload::Layer::new(level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        // Who closed stderr (a terminal that is gone) does not want to know; to say so there would
        // be a panic, and end the server without its goodbye.
        .log_internal_errors(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    handle
}

fn start(args: Vec<OsString>, settings: Settings) -> Result<ExitCode, String> {
    let Settings { options, all } = settings;
    let level = start_talk(options.log_level);
    let limits = InForce::new(options.limits.0);
    let reloader = Reloader::new(args, all, limits.clone(), level);
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
        // Done before.
        Some(Command::Config(_)) | None => {}
    }
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    runtime.block_on(serve(options, limits, reloader))
}

async fn serve(options: Options, limits: InForce, reloader: Reloader) -> Result<ExitCode, String> {
    let passed = manager::listeners()?;
    let (addrs, udp_addrs) = match passed.is_empty() {
        true => (
            resolve(&options.listen, &options).await?,
            resolve(&options.udp, &options).await?,
        ),
        false => Default::default(),
    };
    // Signals are ours before anybody can know that we listen.
    let signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    // Until the data folder is ours, a key that nobody knows.
    let mut config = config(&options, limits, Links::Sealed(fresh_key()?));
    let mut server = match passed.is_empty() {
        true => Server::bind(&addrs, config.clone()).map_err(|error| error.to_string())?,
        false => Server::over(passed.listeners, config.clone())
            .map_err(|error| format!("the sockets passed cannot be used: {error}"))?,
    };
    server
        .bind_udp(&udp_addrs)
        .map_err(|error| error.to_string())?;
    server.over_udp(passed.datagrams);
    let not_told = |error| format!("cannot tell the addresses bound: {error}");
    let bound = server.local_addrs().map_err(not_told)?;
    let bound_udp = server.udp_addrs().map_err(not_told)?;
    let all = [bound.as_slice(), bound_udp.as_slice()].concat();
    for addr in &all {
        admit(*addr, &options)?;
    }
    config.access = options.access.access(&all, !options.in_memory)?;
    let durable = match options.in_memory {
        true => None,
        false => {
            let folder = keep::folder(options.data.as_deref())?;
            let durable = keep::open(&folder, options.accept_shorter_log)?;
            Some((durable, folder.join(lamparina_server::admin::SOCKET)))
        }
    };
    config.links = links(&options)?;
    let (log, logger) = start_logger(&options).await?;
    config.log = log;
    server = server.with_config(config);
    if let Some((durable, socket)) = durable {
        server = server.with_durable(durable);
        if let Err(error) = server.bind_admin(&socket) {
            let socket = socket.display();
            warn!("operators cannot reach this server at {socket} ({error}): no invites, no bans");
        }
    }
    let listening = words(&bound, &bound_udp);
    say_listening(&listening).map_err(|error| format!("cannot write to stdout: {error}"))?;
    manager::ready(&listening.join(", "));
    let summary = run(server, logger, reloader, signals).await?;
    info!(
        "served {} connections, ordered {} messages, cut {} connections at the end",
        summary.connections, summary.messages, summary.cut
    );
    Ok(ExitCode::SUCCESS)
}

/// Serves until a signal ends it; a second one ends the process at once.
async fn run(
    server: Server,
    logger: Logger,
    mut reloader: Reloader,
    signals: Signals,
) -> Result<Summary, String> {
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
    let mut watchdog = manager::watchdog().map(tokio::time::interval);
    let summary = loop {
        tokio::select! {
            summary = &mut serving => break summary,
            () = tick(&mut watchdog) => {
                manager::alive();
                continue;
            }
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {
                manager::reloading();
                logger.reopen();
                reloader.reload();
                manager::reloaded();
                continue;
            }
        }
        let Some(ask) = ask.take() else {
            warn!("asked again: ending at once");
            std::process::exit(1);
        };
        info!("closing: saying goodbye to clients");
        manager::stopping();
        let _ = ask.send(());
    };
    logger.finish().await;
    summary.map_err(|error| format!("cannot serve: {error}"))
}

/// The next time at which the service manager wants to hear of us; never where it does not.
async fn tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(every) => {
            every.tick().await;
        }
        None => std::future::pending().await,
    }
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

fn config(options: &Options, limits: InForce, links: Links) -> ServerConfig {
    let files = raise_file_limit() as u64;
    if files < limits.get().connections {
        warn!("this system allows {files} connections at a time: raise its limit of open files");
    }
    ServerConfig {
        limits,
        files_max: files,
        count_loopback: options.count_loopback,
        link: LinkConfig {
            // Each connection's window is what its limits grant.
            window_bytes: WINDOW_BYTES_MAX,
            ..LinkConfig::default()
        },
        tail_bytes: options.tail.saturating_mul(1 << 20),
        lab: options.lab,
        ..ServerConfig::new(links)
    }
}

fn fresh_key() -> Result<IdentityKey, String> {
    identity::generate().map_err(|error| error.to_string())
}

/// How links are, said where people look at the start.
fn links(options: &Options) -> Result<Links, String> {
    if options.cleartext {
        warn!("links are in clear: everybody on the way can read and change what is said");
        return Ok(Links::Clear);
    }
    let key = match options.in_memory {
        true => identity::generate(),
        false => identity::open(&keep::folder(options.data.as_deref())?),
    };
    let key = key.map_err(|error| error.to_string())?;
    let fingerprint = Fingerprint::of(&key.public().0);
    let words = fingerprint.spoken();
    info!("clients know this server by its key {fingerprint}, in words: {words}");
    Ok(Links::Sealed(key))
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
async fn resolve(names: &[String], options: &Options) -> Result<Vec<SocketAddr>, String> {
    let mut addrs = Vec::new();
    for name in names {
        let mut found = tokio::net::lookup_host(name.as_str())
            .await
            .map_err(|error| {
                format!("{name} is no address ({error}): give HOST:PORT, as in 127.0.0.1:5000")
            })?;
        let addr = found.next().ok_or_else(|| {
            format!("{name} stands for no address: give one, as in 127.0.0.1:5000")
        })?;
        admit(addr, options)?;
        addrs.push(addr);
    }
    Ok(addrs)
}

/// Refuses an address that this server may not listen on.
fn admit(addr: SocketAddr, options: &Options) -> Result<(), String> {
    if !addr.ip().is_loopback() && options.cleartext && !options.cleartext_anywhere {
        return Err(format!(
            "{addr} can be reached from other machines, and with --cleartext anybody on the way \
             could read and change what is said. Leave --cleartext away, or listen on 127.0.0.1; \
             who knows what that means adds --cleartext-anywhere"
        ));
    }
    Ok(())
}

/// The addresses, TCP first.
fn words(bound: &[SocketAddr], bound_udp: &[SocketAddr]) -> Vec<String> {
    let udp = bound_udp.iter().map(|addr| format!("udp://{addr}"));
    bound.iter().map(SocketAddr::to_string).chain(udp).collect()
}

fn say_listening(addresses: &[String]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for addr in addresses {
        writeln!(stdout, "listening on {addr}")?;
    }
    stdout.flush()
}
