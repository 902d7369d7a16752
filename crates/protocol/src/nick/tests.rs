//! Which names there are, which are the same, and which look the same.

use super::*;

#[track_caller]
fn check(text: &str, expected: Result<&str, NickError>) {
    let got = Nick::try_from(text);
    assert_eq!(
        got.as_ref().map(Nick::as_str),
        expected.as_ref().map(|name| *name)
    );
}

#[test]
fn names_are_checked_at_the_edge() {
    check("ana", Ok("ana"));
    check("Zoë", Ok("Zoë"));
    check("Zoe\u{308}", Ok("Zoë"));
    check("علی", Ok("علی"));
    check("", Err(NickError::Empty));
    check("all", Err(NickError::Reserved));
    check("ALL", Err(NickError::Reserved));
    check("a b", Err(NickError::Forbidden(' ')));
    check("a:b", Err(NickError::Forbidden(':')));
    check("#lab", Err(NickError::Forbidden('#')));
    check("a\u{1b}[31m", Err(NickError::Forbidden('\u{1b}')));
    check("a\u{200b}b", Err(NickError::Forbidden('\u{200b}')));
    check("a\u{ff1a}b", Err(NickError::Forbidden(':')));
    check(&"x".repeat(24), Ok(&"x".repeat(24)));
    check(&"x".repeat(25), Err(NickError::TooLong));
    check(&"\u{1f469}".repeat(17), Err(NickError::TooLong));
}

#[test]
fn spellings_of_a_name_share_a_key() {
    let key = |text: &str| Nick::try_from(text).unwrap().key();
    assert_eq!(key("Ana"), key("aNA"));
    assert_eq!(key("\u{ff21}na"), key("ana"));
    assert_ne!(key("ana"), key("anna"));
    // What the key makes of a name is for ever: a look may change, this may not.
    assert_ne!(key("straße"), key("strasse"));
    assert_ne!(key("сосо"), key("coco"));
}

fn share_a_look(one: &str, other: &str) -> bool {
    let looks = |text: &str| Nick::try_from(text).unwrap().looks();
    let (one, other) = (looks(one), looks(other));
    assert_eq!(
        one.iter().any(|look| other.contains(look)),
        other.iter().any(|look| one.contains(look))
    );
    one.iter().any(|look| other.contains(look))
}

#[test]
fn look_alikes_share_a_look() {
    for (one, other) in [
        ("ana", "Ana"),
        ("ana", "\u{ff21}NA"),
        // Wholly Cyrillic, Greek, Cherokee, Armenian.
        ("coco", "сосо"),
        ("scope", "ѕсоре"),
        ("aepo", "аеро"),
        ("HOPE", "НОРЕ"),
        ("oo", "οο"),
        ("oo", "օօ"),
        ("DARE", "ᎠᎪᎡᎬ"),
        // One letter of another script.
        ("ana", "аna"),
        ("paypal", "раypal"),
        // Within Latin.
        ("Alice", "AIice"),
        ("alice", "a1ice"),
        ("bob", "b0b"),
        ("BOB", "B0B"),
        ("bernard", "bemard"),
        ("straße", "strasse"),
        ("STRASSE", "straße"),
        ("zoe\u{301}", "zoé"),
        ("ff", "ﬀ"),
        // Within other scripts.
        ("علی", "على"),
        ("ΝΙΚΟΣ", "νικος"),
        ("νικοσ", "νικος"),
    ] {
        assert!(share_a_look(one, other), "{one} and {other}");
    }
    for (one, other) in [
        ("ana", "anna"),
        ("ana", "eva"),
        ("zoe", "zoé"),
        ("анна", "anna"),
        ("ivan", "lvan"),
        ("李", "王"),
        ("user1", "user2"),
    ] {
        assert!(!share_a_look(one, other), "{one} and {other}");
    }
}

#[test]
fn names_are_claimed_in_one_script() {
    #[track_caller]
    fn check(text: &str, expected: Result<(), NickError>) {
        assert_eq!(
            Nick::try_from(text).unwrap().claimable(),
            expected,
            "{text}"
        );
    }
    for good in [
        "ana",
        "Zoë",
        "ana-1_b.c",
        "o'neil",
        "анна",
        "Ελένη",
        "علی",
        "דוד",
        "देवी",
        "தமிழ்",
        "ไทย",
        "김민수",
        "李小龍",
        "山田タロウ",
        "さくら",
        "山田taro",
        "김minsu",
        "ㄅㄆㄇ",
        "李ㄅabc",
        "ana👩",
        "👩🏽",
        "१२",
        "አበበ",
        "ქეთი",
        "Thảo",
        "ơ̂̃",
        "42",
    ] {
        check(good, Ok(()));
    }
    for mixed in [
        "аna",
        "anα",
        "аηa",
        "ไทยana",
        "김タ",
        "ㄅタ",
        "анაа",
        "देவ",
        "𝒶а",
        "ana१",
    ] {
        check(mixed, Err(NickError::MixedScripts));
    }
    check("a\u{e000}", Err(NickError::Forbidden('\u{e000}')));
    check("a\u{30000}\u{2fe0}", Err(NickError::Forbidden('\u{2fe0}')));
    check("o\u{302}\u{303}\u{301}\u{308}", Ok(()));
    for unseen in ["\u{fe0a}", "\u{301}\u{fe0f}", "\u{2800}", "\u{93e}"] {
        check(unseen, Err(NickError::Unseen));
    }
    check("1\u{fe0f}\u{20e3}", Ok(()));
    check("☃\u{fe0e}", Ok(()));
    check(
        "o\u{302}\u{303}\u{301}\u{308}\u{30a}",
        Err(NickError::Marks),
    );
    for all in ["A1L", "aIl", "a11", "АLL", "𝐀𝐋𝐋x"] {
        let claimable = Nick::try_from(all).unwrap().claimable();
        let expected = match all {
            "𝐀𝐋𝐋x" => Ok(()),
            _ => Err(NickError::Reserved),
        };
        assert_eq!(claimable, expected, "{all}");
    }
}

#[test]
fn the_tables_are_those_that_the_protocol_names() {
    let doc = include_str!("../../../../docs/protocol.md");
    let version = |(major, minor, _): (u64, u64, u64)| format!("{major}.{minor}");
    assert!(doc.contains(&format!("Unicode {}", version(LOOK_VERSION))));
    assert!(doc.contains(&format!("Unicode {}", version(FOLDING_VERSION))));
}

/// Every text of one or two ASCII characters, and some longer ones, are judged alike with and
/// without the short way.
#[test]
fn a_plain_name_is_one_by_the_rules() {
    let mut texts: Vec<String> = vec!["All".into(), "x".repeat(24), "x".repeat(25)];
    for first in 0..128_u8 {
        texts.push(char::from(first).into());
        texts.extend(
            (0..128_u8).map(|second| [char::from(first), char::from(second)].iter().collect()),
        );
    }
    for text in texts {
        let ruled = by_rules(&text);
        assert_eq!(checked(&text), ruled, "{text:?}");
        assert_eq!(is_plain(&text), ruled.is_ok(), "{text:?}");
    }
}

#[test]
fn a_name_is_looked_for_by_the_text_of_its_key() {
    let names = ["ana", "Ana", "ANA-7", "Ström", "straße", "ＡＮＡ", "ñ"];
    for name in names {
        let (nick, room) = (
            Nick::try_from(name).unwrap(),
            RoomName::try_from(name).unwrap(),
        );
        let keys = std::collections::BTreeMap::from([(nick.key(), name)]);
        assert_eq!(keys.get(&*nick.folded()), Some(&name));
        assert_eq!(nick.folded(), room.folded());
        assert_eq!(nick.key(), room.key());
    }
}

#[test]
fn a_name_is_written_as_a_text_and_judged_when_it_is_read() {
    let nick = Nick::try_from("Ström").unwrap();
    let bytes = crate::codec::encode(&nick).unwrap();
    assert_eq!(bytes, crate::codec::encode(&"Ström").unwrap());
    assert_eq!(crate::codec::decode::<Nick>(&bytes).unwrap(), nick);
    // What is not in normal form is brought there, as when it is typed.
    let decomposed = crate::codec::encode(&"Stro\u{308}m").unwrap();
    assert_eq!(crate::codec::decode::<Nick>(&decomposed).unwrap(), nick);
    let blank = crate::codec::encode(&"a b").unwrap();
    assert!(crate::codec::decode::<RoomName>(&blank).is_err());
}
