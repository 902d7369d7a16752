use super::*;

#[track_caller]
fn check(lines: &str, size: u64, limit: u64, step: Step) {
    assert_eq!(plan(lines.as_bytes(), size, limit), step);
}

const fn write(bytes: usize, lines: u64) -> Step {
    Step::Write { bytes, lines }
}

#[test]
fn lines_go_where_they_fit() {
    check("", 0, 10, Step::Nothing);
    check("", 99, 10, Step::Nothing);
    check("abcd\n", 0, 10, write(5, 1));
    check("abcd\nabcd\n", 0, 10, write(10, 2));
    check("abcd\nabcd\nabcd\n", 0, 10, write(10, 2));
    check("abcd\n", 5, 10, write(5, 1));
    check("abcd\n", 6, 10, Step::Rotate);
    check("abcd\n", 99, 10, Step::Rotate);
    // Longer than a whole file: a file of its own.
    check("abcdefghijk\n", 0, 10, write(12, 1));
    check("abcdefghijk\n", 1, 10, Step::Rotate);
    check("!reopen\nabcd\n", 5, 10, Step::Reopen);
    check("abcd\n!reopen\n", 0, 10, write(5, 1));
    // Only a whole line is an order.
    check("a !reopen\n", 0, 10, write(10, 1));
    check("abcd\n", u64::MAX - 5, u64::MAX, write(5, 1));
}

#[test]
fn a_rotation_shifts_every_number() {
    let named = |pairs: &[(&str, &str)]| -> Vec<(PathBuf, PathBuf)> {
        let pairs = pairs.iter();
        pairs.map(|(from, to)| (from.into(), to.into())).collect()
    };
    let file = Path::new("logs/server.log");
    assert_eq!(moves(file, 0), named(&[]));
    assert_eq!(
        moves(file, 1),
        named(&[("logs/server.log", "logs/server.log.1")])
    );
    assert_eq!(
        moves(file, 3),
        named(&[
            ("logs/server.log.2", "logs/server.log.3"),
            ("logs/server.log.1", "logs/server.log.2"),
            ("logs/server.log", "logs/server.log.1"),
        ])
    );
}

#[track_caller]
fn check_repair(name: &str, before: &str, alone: bool, after: &str) {
    let path = std::env::temp_dir().join(format!("lamparina-{}-{name}", std::process::id()));
    fs::write(&path, before).unwrap();
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).open(&path).unwrap();
    repair(&mut file, alone).unwrap();
    let got = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(got, after);
}

#[test]
fn an_unfinished_line_is_taken_away_or_ended() {
    const LINE: &str = "2026-11-20T18:42:01.123456Z event=stopped reason=x";
    check_repair("empty", "", true, "");
    check_repair("whole", &format!("{LINE}\n"), true, &format!("{LINE}\n"));
    for end in 1..LINE.len() {
        let torn = format!("{LINE}\n{}", &LINE[..end]);
        check_repair("torn", &torn, true, &format!("{LINE}\n"));
        check_repair("shared", &torn, false, &format!("{torn}\n"));
    }
    check_repair("first", &LINE[..9], true, "");
    check_repair("foreign", "notes of mine", true, "notes of mine\n");
    let long = "x".repeat(LINE_BYTES_MAX + 7);
    check_repair("long", &long, true, &format!("{long}\n"));
}
