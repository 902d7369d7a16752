//! The examples end by themselves and say what they are to say.

#[path = "../examples/impaired.rs"]
mod impaired;
#[path = "../examples/memory.rs"]
mod memory;
#[path = "../examples/udp.rs"]
mod udp;

#[test]
fn two_links_in_memory() {
    let mut lines = Vec::new();
    memory::run(&mut |line| lines.push(line)).unwrap();
    let expected = [
        r#"ana is open and was told "welcome""#,
        r#"bob is open and was told "hello""#,
        r#"bob hears "one""#,
        r#"bob hears "two""#,
        r#"bob hears "three""#,
        "ana has ended: Orderly",
        "bob has ended: Orderly",
    ];
    lines.sort_by_key(|line| expected.iter().position(|known| known == line));
    assert_eq!(lines, expected);
}

#[test]
fn two_threads_over_udp() {
    let mut lines = Vec::new();
    udp::run(&mut |line| lines.push(line)).unwrap();
    let mut heard = lines.iter().filter(|line| line.starts_with("bob hears"));
    for number in 1..=5 {
        let expected = format!(r#"bob hears "ana says {number}""#);
        assert_eq!(heard.next(), Some(&expected));
    }
    assert_eq!(heard.next(), None);
    let answers = lines.iter().filter(|line| line.starts_with("ana hears"));
    assert_eq!(answers.count(), 5, "{lines:#?}");
    for name in ["ana", "bob"] {
        assert!(
            lines.contains(&format!("{name} has ended: Orderly")),
            "{lines:#?}"
        );
    }
}

#[test]
fn a_bad_line_in_virtual_time() {
    for settings in [
        "off",
        "delay=40ms",
        "loss=20%,dup=5%,corrupt=2%,delay=40ms,jitter=20ms,seed=7",
        "loss=40%,reorder=30%,delay=200ms,seed=3",
    ] {
        let mut lines = Vec::new();
        impaired::run(settings, &mut |line| lines.push(line)).unwrap();
        assert!(lines[0].starts_with("200 messages, each once"), "{lines:?}");
        let orderly = lines.iter().filter(|line| line.contains("Orderly"));
        assert_eq!(orderly.count(), 2, "{lines:?}");
    }
}
