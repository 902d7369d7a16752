//! The file of known servers: any bytes are refused, or read as what is written and read again as
//! itself; a fingerprint has one spelling.

use lamparina_client::profile::known_servers::is_kept;
use lamparina_protocol::Fingerprint;

/// Reads the bytes as the file, and each word as a fingerprint.
pub fn known_servers(input: &[u8]) {
    assert!(is_kept(input));
    let text = String::from_utf8_lossy(input);
    for word in text.split_whitespace() {
        if let Ok(fingerprint) = word.parse::<Fingerprint>() {
            assert_eq!(fingerprint.to_string(), word);
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let key = "0123456789abcdef".repeat(4);
    let fingerprint = Fingerprint::of(&[7; 32]);
    let at = "2026-11-29T02:00:00Z";
    let files = [
        format!("# mine\n\nchat.example:5000 ed25519 {key} {at}\n"),
        format!("[::1]:7 ed25519 {fingerprint} {at}\n  H:1\ted25519 {key}  {at}"),
        format!("h:1 ed25519 {key} {at}\nh:1 ed25519 {key} {at}\n"),
        format!("h:0 rsa {key} yesterday\r\n\n\n"),
    ];
    files.into_iter().map(String::into_bytes).collect()
}
