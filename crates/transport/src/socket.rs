//! Options of a TCP socket under a link. All but `TCP_NODELAY` are help that a kernel may not give: a
//! link is as right without them.

use std::fmt;
use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Bytes that may lie unsent in the socket once there is a BULK lane, about: what a small message
/// can wait for there. Twice a turn, so that the socket does not run dry between two.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 32 * 1024;
/// Congestion control that random loss does not starve.
#[cfg(target_os = "linux")]
const CONGESTION: &[u8] = b"bbr";

/// What holds at a socket.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SocketOptions {
    /// Small writes leave at once.
    pub nodelay: bool,
    /// The kernel gives up what was not acknowledged for so long.
    pub user_timeout: Option<Duration>,
    /// Unsent bytes above which the socket takes no more, where that is bounded.
    pub unsent_bytes: Option<u32>,
    /// The congestion control's name.
    pub congestion: Option<String>,
}

impl SocketOptions {
    /// Asks the kernel; what it does not tell is left out.
    pub fn of(stream: &TcpStream) -> Self {
        let socket = SockRef::from(stream);
        #[cfg_attr(not(target_os = "linux"), expect(unused_mut))]
        let mut options = Self {
            nodelay: socket.tcp_nodelay().unwrap_or(false),
            ..Self::default()
        };
        #[cfg(target_os = "linux")]
        {
            options.user_timeout = socket.tcp_user_timeout().ok().flatten();
            // No bound of its own is 2^32 - 1, or 0.
            let bounded = |&bytes: &u32| bytes != u32::MAX && bytes != 0;
            options.unsent_bytes = socket.tcp_notsent_lowat().ok().filter(bounded);
            options.congestion = socket.tcp_congestion().ok().map(|name| {
                let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
                String::from_utf8_lossy(name).into_owned()
            });
        }
        options
    }
}

impl fmt::Display for SocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.congestion {
            Some(name) => write!(f, "congestion control {name}")?,
            None => f.write_str("congestion control of the system's choice")?,
        }
        if let Some(bytes) = self.unsent_bytes {
            write!(f, ", at most about {bytes} bytes unsent")?;
        }
        if let Some(timeout) = self.user_timeout {
            let seconds = timeout.as_secs();
            write!(f, ", given up after {seconds} s without acknowledgement")?;
        }
        Ok(())
    }
}

/// Prepares a socket for a link that is dead after `dead_after` of silence.
///
/// # Errors
///
/// When the socket refuses `TCP_NODELAY`: then it is none.
pub(crate) fn prepare(stream: &TcpStream, dead_after: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        let _ = SockRef::from(stream).set_tcp_user_timeout(Some(dead_after));
        // On this machine nothing is lost, and pacing only costs.
        let is_remote = |peer: std::net::SocketAddr| !peer.ip().to_canonical().is_loopback();
        if stream.peer_addr().is_ok_and(is_remote) {
            resist_loss(stream);
        }
    }
    tracing::debug!(options = %SocketOptions::of(stream), "a TCP socket");
    Ok(())
}

/// Chooses a congestion control that random loss does not starve, where the kernel has it.
#[cfg(target_os = "linux")]
fn resist_loss(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_tcp_congestion(CONGESTION);
}

/// Keeps what lies unsent in the socket small: what is written next need not wait behind much.
pub(crate) fn keep_little_unsent(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn stream() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(addr), listener.accept());
        (ours.unwrap(), theirs.unwrap().0)
    }

    #[tokio::test]
    async fn options_are_set_at_both_ends() {
        let (ours, theirs) = stream().await;
        for stream in [&ours, &theirs] {
            let before = SocketOptions::of(stream);
            assert_eq!(before.user_timeout, None);
            prepare(stream, Duration::from_secs(60)).unwrap();
            let after = SocketOptions::of(stream);
            assert!(after.nodelay);
            assert_eq!(after.user_timeout, Some(Duration::from_secs(60)));
            assert_eq!(after.unsent_bytes, before.unsent_bytes);
            // Over loopback it stays what the system chose.
            assert_eq!(after.congestion, before.congestion);
            keep_little_unsent(stream);
            assert_eq!(SocketOptions::of(stream).unsent_bytes, Some(32 * 1024));
        }
    }

    #[tokio::test]
    async fn loss_is_resisted_where_the_kernel_can() {
        let (ours, _theirs) = stream().await;
        let before = SocketOptions::of(&ours).congestion;
        resist_loss(&ours);
        let after = SocketOptions::of(&ours).congestion;
        let has = |list: &str| {
            let path = format!("/proc/sys/net/ipv4/tcp_{list}_congestion_control");
            let list = std::fs::read_to_string(path).unwrap_or_default();
            list.split_whitespace().any(|name| name == "bbr")
        };
        match has("available") && has("allowed") {
            true => assert_eq!(after.as_deref(), Some("bbr")),
            // A privileged process may still get it.
            false => assert!(after == before || after.as_deref() == Some("bbr")),
        }
    }

    #[test]
    fn options_in_words() {
        let mut options = SocketOptions {
            nodelay: true,
            user_timeout: Some(Duration::from_secs(60)),
            unsent_bytes: Some(32_768),
            congestion: Some("bbr".to_owned()),
        };
        let words = "congestion control bbr, at most about 32768 bytes unsent, given up after 60 s \
                     without acknowledgement";
        assert_eq!(options.to_string(), words);
        (options.congestion, options.user_timeout) = (None, None);
        options.unsent_bytes = None;
        let words = "congestion control of the system's choice";
        assert_eq!(options.to_string(), words);
    }
}
