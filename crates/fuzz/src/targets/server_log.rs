//! Lines of a server's log: a line written by its documentation is read as what it says; no value
//! in it passes for another.

use lamparina_log::server_log::line::{Produced, Said, read};

use crate::choices::Choices;

/// Reads any line, and one made of any values.
pub fn server_log(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for line in text.lines() {
        if let Some(Said::Produced(produced)) = read(line) {
            assert!(line.contains("event=") && line.contains(&produced.stamp.to_string()));
            let written = write(&produced);
            assert_eq!(read(&written), Some(Said::Produced(produced)));
        }
    }
    let mut choices = Choices::new(input);
    let produced = Box::new(Produced {
        stamp: choices.u64(),
        bytes: choices.u64(),
        seen: choices.u64(),
        to_more: choices.u16().into(),
        kind: choices.text(20),
        from: choices.text(40),
        to: choices.text(60),
        text: choices.flag().then(|| choices.text(200)),
    });
    let written = write(&produced);
    assert!(!written.contains('\n'));
    assert_eq!(read(&written), Some(Said::Produced(produced)));
    let mut longer = written;
    longer.push_str(" event=produced");
    if let Some(Said::Produced(_)) = read(&longer) {
        // A key that stands twice may say the same twice.
        return;
    }
    unreachable!("{longer:?} is a line");
}

/// The line of a message, every text quoted.
fn write(produced: &Produced) -> String {
    let quote = |text: &str| serde_json::to_string(text).expect("a text is JSON");
    let mut line = format!(
        "2026-11-20T18:42:01.123456Z event=produced stamp={} kind={} from={} to={} to_more={} \
         bytes={} seen={}",
        produced.stamp,
        quote(&produced.kind),
        quote(&produced.from),
        quote(&produced.to),
        produced.to_more,
        produced.bytes,
        produced.seen,
    );
    if let Some(text) = &produced.text {
        line.push_str(&format!(" text={}", quote(text)));
    }
    line
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        r#"2026-11-20T18:42:01.123456Z event=produced stamp=42 kind=multicast from=ana to=bob,carla bytes=5 seen=40 text="a \"b\" \\ \u001b \n c=d""#,
        "2026-11-20T18:42:01.125310Z event=consumed by=bob upto=42 count=3",
        "t event=dropped count=3 cause=stalled",
        "t event=started addr=127.0.0.1:5000 version=0.1.0 pid=7 log=ab",
        r#"t event=stopped reason="""#,
        r#"t event="pro\u0064uced" stamp=1 kind=x from=y to=z bytes=1 seen=0"#,
        "t event=left nick=x",
        "t a=b c",
    ];
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}
