use super::*;
use lamparina_keys::Identity;
use lamparina_order::converging::{Heard, Incoming};
use lamparina_protocol::UnixMicros;
use lamparina_protocol::nick::{Nick, RoomName};
use lamparina_protocol::peer::{
    Body, Chain, Content, Incarnation, LinkMessage, MessageName, PeerName, Signed,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Long enough for any machine; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

struct End {
    common: Arc<Common>,
    inputs: mpsc::Receiver<FromLink>,
    foreign: mpsc::Receiver<FromForeign>,
}

impl End {
    fn new(name: &str) -> Self {
        let (node, inputs) = mpsc::channel(INPUTS_MAX);
        let (other, foreign) = mpsc::channel(4);
        let identity = Identity::generate().unwrap();
        let common = Common {
            identity: identity.key(),
            hello: PeerHello {
                version: VERSION,
                name: PeerName {
                    name: Nick::try_from(name).unwrap(),
                    namespace: RoomName::try_from("lab").unwrap(),
                },
                incarnation: Incarnation(1),
                port: 0,
            },
            config: LinkConfig::new(0),
            clock: Clock::start(),
            udp: false,
            numbers: Numbers::default(),
            proven: Proven::default(),
            node,
            foreign: other,
        };
        Self {
            common: Arc::new(common),
            inputs,
            foreign,
        }
    }

    async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let room = Arc::new(Semaphore::new(INBOUND_MAX_IN_TESTS));
        tokio::spawn(listen(listener, self.common.clone(), room));
        addr
    }

    fn dial(&self, addr: SocketAddr, attempt: u64) {
        tokio::spawn(dial(self.common.clone(), Dialled { attempt, addr }));
    }

    async fn next(&mut self) -> FromLink {
        let next = timeout(PATIENCE, self.inputs.recv()).await;
        next.expect("something happens").expect("the sender lives")
    }

    async fn opened(&mut self) -> Box<Opened> {
        match self.next().await {
            FromLink::Opened(opened) => opened,
            other => panic!("{other:?}"),
        }
    }

    fn key(&self) -> AuthorKey {
        AuthorKey(self.common.identity.public().0)
    }
}

/// A life's first message, by somebody.
pub(super) fn signed(incarnation: u64) -> Signed {
    let identity = Identity::generate().unwrap();
    let chain = Chain {
        author: identity.author(),
        incarnation: Incarnation(incarnation),
    };
    let content = Content {
        name: MessageName { chain, n: 1 },
        prev: None,
        heads: Vec::new(),
        sent_at: UnixMicros(1),
        from: PeerName {
            name: Nick::try_from("eva").unwrap(),
            namespace: RoomName::try_from("lab").unwrap(),
        },
        addr: None,
        body: Body::All("hi".to_owned()),
        foreign: None,
    };
    Signed::sign(&identity.key(), content).unwrap()
}

const INBOUND_MAX_IN_TESTS: usize = 4;

async fn pair() -> (End, Box<Opened>, End, Box<Opened>) {
    let (mut ana, mut rui) = (End::new("ana"), End::new("rui"));
    rui.dial(ana.listen().await, 7);
    let (at_rui, at_ana) = (rui.opened().await, ana.opened().await);
    (ana, at_ana, rui, at_rui)
}

#[tokio::test]
async fn both_sides_know_who_is_there() {
    let (ana, at_ana, rui, at_rui) = pair().await;
    assert_eq!((at_ana.key, at_rui.key), (rui.key(), ana.key()));
    assert_eq!(at_ana.hello, rui.common.hello);
    assert_eq!(at_rui.hello, ana.common.hello);
    assert_eq!((at_ana.attempt, at_rui.attempt), (None, Some(7)));
    assert_eq!(at_ana.direction, Direction::Inbound);
    assert_eq!(at_rui.direction, Direction::Outbound);
    assert_eq!(at_ana.spoken, Spoken::Tcp);
}

#[tokio::test]
async fn what_is_said_comes_in_order_and_an_end_is_told() {
    let (mut ana, at_ana, mut rui, at_rui) = pair().await;
    let message = signed(1);
    let items = vec![message.bytes().clone(), message.bytes().clone()];
    assert!(at_ana.handle.say(LinkMessage::Messages(items).encode()));
    assert!(at_ana.handle.say(LinkMessage::Bye.encode()));
    at_ana.handle.close(CloseCode::Goodbye, "enough".to_owned());
    let number = at_rui.handle.number;
    match rui.next().await {
        FromLink::Said {
            number: at,
            said: Said::Order(Heard::Messages(came)),
        } => {
            let new = |came: &Incoming| matches!(came, Incoming::New(one) if **one == message);
            assert!(
                at == number && came.len() == 2 && came.iter().all(new),
                "{came:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        rui.next().await,
        FromLink::Said {
            said: Said::Order(Heard::Bye),
            ..
        }
    ));
    match rui.next().await {
        FromLink::Ended { number: at, .. } => assert_eq!(at, number),
        other => panic!("{other:?}"),
    }
    let ended = |input: &FromLink| match input {
        FromLink::Ended { reason, .. } => reason == "closed here: enough",
        _ => false,
    };
    while !ended(&ana.next().await) {}
}

#[tokio::test]
async fn what_nobody_signed_is_its_senders_fault() {
    let (_ana, at_ana, mut rui, at_rui) = pair().await;
    let message = signed(1);
    let mut forged = message.bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    for item in [message.bytes().clone(), forged.into()] {
        let said = LinkMessage::Messages(vec![item]).encode();
        assert!(at_ana.handle.say(said));
    }
    assert!(at_ana.handle.say(Bytes::from_static(b"?")));
    assert!(matches!(rui.next().await, FromLink::Said { .. }));
    for _ in 0..2 {
        match rui.next().await {
            FromLink::Fault { number, .. } => assert_eq!(number, at_rui.handle.number),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_neighbour_that_does_not_read_fills_the_queue_and_no_more() {
    let (_ana, at_ana, rui, _at_rui) = pair().await;
    // Nobody takes what rui's link has for its node.
    let control = LinkMessage::Control(Bytes::from(vec![0; 256 * 1_024])).encode();
    let mut said = 0;
    let full = async {
        loop {
            match at_ana.handle.say(control.clone()) {
                true => said += 1,
                false => tokio::task::yield_now().await,
            }
            // Both ends' queues, windows and sockets are full once nothing has moved for a while.
            let waits = at_ana.handle.room() == 0 && rui.inputs.len() == INPUTS_MAX;
            if waits && said > INPUTS_MAX {
                return;
            }
        }
    };
    timeout(PATIENCE, full).await.expect("queues are bounded");
    assert!(said < 4 * INPUTS_MAX, "{said}");
}

#[tokio::test]
async fn the_first_byte_says_what_is_spoken_and_is_not_lost() {
    let mut ana = End::new("ana");
    let mut stream = TcpStream::connect(ana.listen().await).await.unwrap();
    stream.write_all(b"{\"type\":\"HELLO\"}\n").await.unwrap();
    let came = timeout(PATIENCE, ana.foreign.recv()).await;
    let FromForeign::Accepted(mut came, addr, _permit) = came.unwrap().unwrap() else {
        panic!("nothing else comes");
    };
    assert_eq!(addr, stream.local_addr().unwrap());
    let mut read = [0; 8];
    came.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"{\"type\":");
}

#[tokio::test]
async fn strangers_are_refused_and_the_room_is_bounded() {
    let mut ana = End::new("ana");
    let addr = ana.listen().await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("it is closed").unwrap();
    // Those that say nothing take the room; one more is closed at once.
    let mut silent = Vec::new();
    loop {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let mut byte = [0];
        let quick = Duration::from_millis(300);
        match timeout(quick, stream.read(&mut byte)).await {
            Ok(read) => {
                assert!(matches!(read, Ok(0) | Err(_)));
                break;
            }
            Err(_) => silent.push(stream),
        }
        assert!(silent.len() <= INBOUND_MAX_IN_TESTS);
    }
    assert_eq!(silent.len(), INBOUND_MAX_IN_TESTS);
    drop(silent);
    // And then there is room again.
    let mut rui = End::new("rui");
    rui.dial(addr, 1);
    loop {
        match rui.next().await {
            FromLink::Opened(_) => break,
            FromLink::NotDialled { attempt, .. } => rui.dial(addr, attempt + 1),
            other => panic!("{other:?}"),
        }
    }
    ana.opened().await;
}

#[tokio::test]
async fn an_attempt_that_comes_to_nothing_is_told() {
    let mut rui = End::new("rui");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    rui.dial(addr, 3);
    match rui.next().await {
        FromLink::NotDialled { attempt, reason } => {
            assert_eq!(attempt, 3);
            assert!(reason.contains("refused"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}
