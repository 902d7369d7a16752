use std::fs;

use super::*;

const NOW: UnixMicros = UnixMicros(1_795_917_600_000_000);
const ANA: [u8; 32] = [1; 32];
const EVE: [u8; 32] = [2; 32];

fn file(name: &str) -> KnownServers {
    let folder =
        std::env::temp_dir().join(format!("lamparina-{}-known-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    KnownServers::open(folder.join("lamparina/known_servers"))
}

fn text(known: &KnownServers) -> String {
    fs::read_to_string(known.path()).unwrap()
}

#[test]
fn the_first_key_is_pinned_and_another_one_is_never_taken() {
    let known = file("first");
    assert_eq!(known.check("Host:5000", &ANA).unwrap(), Verdict::New);
    assert!(!known.path().exists(), "asking writes nothing");
    assert_eq!(known.pin("Host:5000", &ANA, NOW).unwrap(), Verdict::New);
    assert_eq!(known.pin("host:5000", &ANA, NOW).unwrap(), Verdict::Known);
    let before = text(&known);
    let line = format!(
        "host:5000 ed25519 {} 2026-11-29T02:00:00Z\n",
        "01".repeat(32)
    );
    assert_eq!(before, line);
    let changed = Verdict::Changed {
        known: Fingerprint::of(&ANA),
    };
    assert_eq!(known.check("host:5000", &EVE).unwrap(), changed);
    assert_eq!(known.pin("host:5000", &EVE, NOW).unwrap(), changed);
    assert_eq!(text(&known), before, "a changed key changes nothing");
    assert_eq!(
        known.check("host:5001", &EVE).unwrap(),
        Verdict::New,
        "another port, another server"
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(known.path()), 0o600);
}

#[test]
fn a_new_key_is_accepted_by_its_fingerprint_and_then_known() {
    let known = file("accepted");
    known.pin("h:1", &ANA, NOW).unwrap();
    let eve = Fingerprint::of(&EVE);
    let before = known.accept("h:1", Pinned::Fingerprint(eve), NOW).unwrap();
    assert_eq!(before.unwrap().pinned, Pinned::Key(ANA));
    assert!(text(&known).contains(&eve.to_string()));
    let changed = Verdict::Changed { known: eve };
    assert_eq!(
        known.pin("h:1", &ANA, NOW).unwrap(),
        changed,
        "the old key is none any more"
    );
    assert_eq!(known.pin("h:1", &EVE, NOW).unwrap(), Verdict::Known);
    assert!(
        text(&known).contains(&"02".repeat(32)),
        "the key stands there now"
    );
    assert_eq!(known.accept("h:2", Pinned::Key(ANA), NOW).unwrap(), None);
    assert_eq!(known.list().unwrap().len(), 2);
    assert_eq!(known.forget("H:1").unwrap().unwrap().address, "h:1");
    assert_eq!(known.forget("h:1").unwrap(), None);
    assert_eq!(known.check("h:1", &ANA).unwrap(), Verdict::New);
}

#[test]
fn what_people_wrote_stays() {
    let known = file("people");
    files::write_whole(
        known.path(),
        format!(
            "# mine\n\n  H:1\ted25519 {}   2026-01-02T03:04:05Z  \n# end",
            "01".repeat(32)
        )
        .as_bytes(),
        false,
    )
    .unwrap();
    assert_eq!(known.check("h:1", &ANA).unwrap(), Verdict::Known);
    known.pin("[::1]:7", &EVE, NOW).unwrap();
    let lines: Vec<String> = text(&known).lines().map(str::to_owned).collect();
    assert_eq!(
        (lines[0].as_str(), lines[1].as_str(), lines[3].as_str()),
        ("# mine", "", "# end")
    );
    assert!(
        lines[2].starts_with("h:1 ed25519 01") || lines[2].contains("H:1"),
        "{}",
        lines[2]
    );
    assert!(lines[4].starts_with("[::1]:7 ed25519 0202"));
}

#[test]
fn a_file_that_is_not_understood_trusts_nobody() {
    let key = "01".repeat(32);
    let at = "2026-01-02T03:04:05Z";
    let good = format!("h:1 ed25519 {key} {at}");
    for (name, content, number) in [
        ("short", "h:1 ed25519".to_owned(), 1),
        ("more", format!("{good} more"), 1),
        ("kind", format!("{good}\nh:2 rsa {key} {at}"), 2),
        ("key", format!("h:1 ed25519 {}zz {at}", &key[2..]), 1),
        ("time", format!("h:1 ed25519 {key} yesterday"), 1),
        ("port", format!("h:0 ed25519 {key} {at}"), 1),
        ("none", format!("h ed25519 {key} {at}"), 1),
        (
            "twice",
            format!(
                "{good}\n{}",
                good.to_uppercase().replace("ED25519", "ed25519")
            ),
            2,
        ),
        ("control", format!("# a\u{1b}[2Jb\n{good}"), 1),
        ("long", format!("{good}\n#{}", "x".repeat(1_024)), 2),
    ] {
        let known = file(name);
        files::write_whole(known.path(), content.as_bytes(), false).unwrap();
        for error in [
            known.check("h:9", &ANA).unwrap_err(),
            known.pin("h:9", &ANA, NOW).unwrap_err(),
        ] {
            assert!(
                error.to_string().contains(&format!("line {number}:")),
                "{name}: {error}"
            );
        }
        assert_eq!(text(&known), content, "and stays as it is");
    }
    let known = file("bytes");
    files::write_whole(known.path(), &[b'h', 0xff], false).unwrap();
    assert!(known.list().unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn it_is_bounded_and_its_owners() {
    let known = file("bounds");
    let mut all = String::new();
    for number in 0..SERVERS_MAX {
        all.push_str(&format!(
            "h{number}:1 ed25519 {} 2026-01-02T03:04:05Z\n",
            "01".repeat(32)
        ));
    }
    files::write_whole(known.path(), all.as_bytes(), false).unwrap();
    assert_eq!(known.list().unwrap().len(), SERVERS_MAX);
    let error = known.pin("one-more:1", &ANA, NOW).unwrap_err();
    assert!(matches!(error, KnownServersError::Full { .. }), "{error}");
    assert_eq!(text(&known), all);
    assert_eq!(known.pin("h7:1", &ANA, NOW).unwrap(), Verdict::Known);
    files::write_whole(
        known.path(),
        &vec![b'#'; FILE_BYTES_MAX as usize + 1],
        false,
    )
    .unwrap();
    assert!(matches!(
        known.list().unwrap_err(),
        KnownServersError::Full { .. }
    ));
    files::write_whole(known.path(), b"", false).unwrap();
    fs::set_permissions(known.path(), fs::Permissions::from_mode(0o622)).unwrap();
    let error = known.check("h:1", &ANA).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn what_is_no_address_is_told() {
    let known = file("address");
    let long = format!("{}:1", "x".repeat(300));
    for bad in [
        "", "h", ":1", "h:", "h:0", "h:65536", "h:+1", "a b:1", "a\n:1", "#h:1", "a:b:1", "[x]:1",
        &long,
    ] {
        let error = known.pin(bad, &ANA, NOW).unwrap_err();
        assert!(
            matches!(error, KnownServersError::Address(_)),
            "{bad}: {error}"
        );
    }
    for fine in [
        "h:1",
        "127.0.0.1:65535",
        "[::1]:5000",
        "[fe80::1%2]:5",
        "chat.example:443",
    ] {
        assert_eq!(known.check(fine, &ANA).unwrap(), Verdict::New, "{fine}");
    }
}

#[test]
fn many_at_once_lose_nothing() {
    let known = file("many");
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let known = &known;
            scope.spawn(move || {
                for number in 0..8 {
                    known
                        .pin(&format!("t{thread}n{number}:1"), &[thread; 32], NOW)
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(known.list().unwrap().len(), 32);
}
