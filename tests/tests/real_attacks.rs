//! Every attack in its quick size: what is counted must hold. `lamparina-attack` runs them at full
//! size and judges what is timed, too.

use lamparina_tests::attack::{ATTACKS, Size};

#[track_caller]
fn withstood(name: &str) {
    let attack = ATTACKS.iter().find(|attack| attack.name == name);
    let report = (attack.expect("it is listed").run)(Size::Quick);
    assert!(report.held(false), "{report}");
}

macro_rules! attacks {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            withstood(stringify!($name));
        })*

        #[test]
        fn every_attack_is_in_the_suite() {
            let listed: Vec<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
            assert_eq!(listed, [$(stringify!($name)),*]);
        }
    };
}

attacks! { loris handshakes deaf window clock nicks middle downgrade log doors }
