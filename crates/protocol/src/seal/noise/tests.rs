//! The official test vectors of this pattern and suite: those of cacophony, and those of snow's own.

use snow::HandshakeState;

use super::super::record::{Opener, Sealer};
use super::{begin, public};

/// Texts in hexadecimal, as they are published: prologue; static and ephemeral key of initiator and
/// responder; the hash where it is given; payload and message, each in turn.
struct Vector {
    prologue: &'static str,
    initiator: [&'static str; 2],
    responder: [&'static str; 2],
    hash: Option<&'static str>,
    messages: &'static [[&'static str; 2]],
}

const CACOPHONY: Vector = Vector {
    prologue: "4a6f686e2047616c74",
    initiator: [
        "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
    ],
    responder: [
        "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
    ],
    hash: Some("1b7aefb1125762aa21a252890d00af54519638b76437444538f9a52f21e2e0dc"),
    messages: &[
        [
            "4c756477696720766f6e204d69736573",
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573",
        ],
        [
            "4d757272617920526f746862617264",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843757117acceb05bd7a45733bc22015c97a9d0cbaf41b80446d5988ff5127235d76b79eade70f473d6a4ef521fdcbeda5340d01e028ba793fc059f2724a83af05f12dda0448a7621a926b379a92477fd",
        ],
        [
            "462e20412e20486179656b",
            "c90f1cf77eba4e50edb038991565e36c9758943a989229b6051244dc4fbecb6946744b401af2ee1a5881b65fbb87fd07cb6a328ececc9ce6ce84c399dc332d4fd521fa4bb7f467ce909395",
        ],
        [
            "4361726c204d656e676572",
            "bc3fa77f6aca3e8466d7dc6bea10013e88a6a29add5132b461806c",
        ],
        [
            "4a65616e2d426170746973746520536179",
            "250b01074cdfe0df2ecf8ccbf1737b15a2ddb5b52fd9a396604e9c793cee3b3bb9",
        ],
        [
            "457567656e2042f6686d20766f6e2042617765726b",
            "449d4d433b3cdc3d02bf6fc881774b9df54366ebcffb9689bb13f14709822cd7ef42bcdb4d",
        ],
    ],
};

const SNOW: Vector = Vector {
    prologue: "5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c792066756e20616e6420626f72696e672e",
    initiator: [
        "67a147237ca2e511a5328abf44fc049e725d23ac193f1d5e8da60d543670cd39",
        "b4dbfea92d1afb2ce4a508bd5e014d21ee95ced8d12346d226985d40b2da95e7",
    ],
    responder: [
        "0e64a9143ba4c2bb79a25cd1c12575a9da949b52338b32fe1208e4b598c9acc0",
        "c3142e465cafd8356330d7f910146c5428a524e723df165d76a2d5a697aa7e6d",
    ],
    hash: None,
    messages: &[
        [
            "09f6721fa79e976f05d523c07e4818bfad6903108a05734e3163cec30442fcf5",
            "c8a324f41408be37f760130b5a8f2c4e9c92bab229e9b78007aa43b7c7656b3409f6721fa79e976f05d523c07e4818bfad6903108a05734e3163cec30442fcf5",
        ],
        [
            "af62581a26fc31c4b722c1f04d73d845eb6daf35bcd64fc805a46a74bd747d90",
            "4e935a4c1dccaf91b78062590be1e790f984eeff2ab9a219e491387a99dbfe53b9ea4a0a1b78a30056a0615ef4cfcc5d5bcfa087abd07df701c08b2410ab385c490a43cd853a15a1d1e8162c25b78d362ff84afd1f02e0d0e8d25ada33fe5f8e8856cc49e9a896c1c10616508f52387ca29d35a037c7d1c968a45d07daf01667",
        ],
        [
            "bae081c11b0a050d08a48d4a2dd387bd927e18d12c1f2758ae712ec4e3948dc8",
            "72eb5f83ef7773b38886a657b2216368f76f51e90855aaec0c9cd65c7750c531b3ef8a9261065b9b73009e698c3e0e1e7153c64e842d877db5f0953c2a43f12bdee99b360ebc11ee64a2989bf8f486a45267753caf35ad5900224e9b04c4b5b2",
        ],
        [
            "062b027afab93baa74c7cdc1ac71b3486636bed142caec9f70f4dd672dbe120d",
            "9953df9aa4294b12364dd6896de6e705564a5583c67ed86f0b985054d63f4381bdb99faa8633893643d6ee3ba987344f",
        ],
        [
            "3000ff396f68e4d00ac10c97a4c14e5901e3245dc29f9a801427babd59bfc2a3",
            "d9ea28203c96f5ac9024541d8f05e5e9bbfedccf701d2a2130ddeada49446a546d03c3ed440558782120b95e537a229e",
        ],
    ],
};

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn key(hex: &str) -> [u8; 32] {
    bytes(hex).try_into().unwrap()
}

/// Sends the vector's message from `from` to `to`.
fn pass(from: &mut HandshakeState, to: &mut HandshakeState, [payload, message]: [&str; 2]) {
    let (payload, expected) = (bytes(payload), bytes(message));
    let mut message = vec![0; 1_000];
    let length = from.write_message(&payload, &mut message).unwrap();
    assert_eq!(message[..length], expected);
    let mut read = vec![0; 1_000];
    let length = to.read_message(&expected, &mut read).unwrap();
    assert_eq!(read[..length], payload);
}

fn check(vector: &Vector) {
    let prologue = bytes(vector.prologue);
    let side = |initiator, [fixed, ephemeral]: [&str; 2]| {
        let fixed = key(fixed);
        begin(
            initiator,
            &prologue,
            (&fixed, &public(&fixed)),
            &key(ephemeral),
        )
        .unwrap()
    };
    let mut ours = side(true, vector.initiator);
    let mut theirs = side(false, vector.responder);
    pass(&mut ours, &mut theirs, vector.messages[0]);
    pass(&mut theirs, &mut ours, vector.messages[1]);
    pass(&mut ours, &mut theirs, vector.messages[2]);
    if let Some(hash) = vector.hash {
        assert_eq!(ours.get_handshake_hash(), bytes(hash));
    }
    assert_eq!(ours.get_handshake_hash(), theirs.get_handshake_hash());
    // After the handshake: our own records, which must hold what the vectors say.
    let (first, second) = ours.dangerously_get_raw_split();
    let mut ours = (Sealer::new(&first, 100), Opener::new(&first, 100));
    let mut theirs = (Sealer::new(&second, 100), Opener::new(&second, 100));
    for (index, [payload, message]) in vector.messages[3..].iter().enumerate() {
        // The responder speaks in turn: after three messages it is its.
        let (sealer, opener) = match index % 2 {
            0 => (&mut theirs.0, &mut theirs.1),
            _ => (&mut ours.0, &mut ours.1),
        };
        let mut wire = Vec::new();
        sealer.seal(vec![bytes(payload).into()], &mut wire).unwrap();
        let mut record = wire.remove(0);
        let body = record.split_off(20);
        assert_eq!(body[..], bytes(message));
        assert_eq!(record[12..], (index as u64 / 2).to_be_bytes());
        let sealed = [&record[12..], &body[..]].concat();
        assert_eq!(opener.open(sealed.into()).unwrap()[..], bytes(payload));
    }
}

#[test]
fn the_vectors_of_cacophony() {
    check(&CACOPHONY);
}

#[test]
fn the_vectors_of_snow() {
    check(&SNOW);
}

#[test]
fn a_key_that_gives_no_secret_is_refused() {
    let mut responder = begin(false, b"", (&[1; 32], &public(&[1; 32])), &[2; 32]).unwrap();
    responder.read_message(&[0; 32], &mut [0; 64]).unwrap();
    assert!(responder.write_message(b"", &mut [0; 200]).is_err());
}

#[test]
fn randomness_is_given_out_once() {
    use snow::types::Random;
    let mut once = super::Once(Some([7; 32].into()));
    let mut bytes = [0; 32];
    once.try_fill_bytes(&mut bytes).unwrap();
    assert_eq!(bytes, [7; 32]);
    assert!(once.try_fill_bytes(&mut bytes).is_err());
}
