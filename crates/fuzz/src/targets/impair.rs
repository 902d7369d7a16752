//! Settings of a bad channel: what is read is written so that reading it again gives the same.

use lamparina_impair::Settings;

/// Reads the bytes, where they are UTF-8, as settings.
pub fn impair(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    match text.parse::<Settings>() {
        Ok(settings) => {
            let written = settings.to_string();
            assert!(written.len() <= 512, "{written}");
            let again = written.parse::<Settings>();
            assert_eq!(again.as_ref(), Ok(&settings), "{written}");
            assert_eq!(again.map(|again| again.to_string()), Ok(written));
        }
        Err(error) => {
            let words = error.to_string();
            assert!(!words.is_empty() && words.len() < 1_000);
            assert!(!words.chars().any(char::is_control), "{words:?}");
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let all = [
        "off",
        "loss=20%,delay=80ms",
        "loss=0.2,burst=8,corrupt=1%,dup=0.5%,jitter=5ms,reorder=3%,seed=7",
        "rate=64kbit/s,queue=64KiB",
        "rate=1.5Mbit/s, queue = 1MiB , way=up",
        "partition=2s..5s,way=down",
        "partition=2s..",
        "down",
        "loss=100.0001%",
        "delay=60s,delay=1s",
    ];
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}
