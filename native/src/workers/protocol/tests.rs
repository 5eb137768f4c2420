//! Greetings, messages, and what is none.

use super::*;
use proptest::prelude::*;
use std::net::TcpListener;

static GO_ON: AtomicBool = AtomicBool::new(false);

fn machine() -> Machine {
    Machine {
        cpu: "a processor".into(),
        fingerprint: "0123".into(),
        lanes: 3,
    }
}

fn secret(token: &str) -> Secret {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, token).unwrap();
    Secret::find(Some(&file)).unwrap()
}

const TOKEN: &str = "a token of many characters";

/// A connection's two ends.
fn ends() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (home, listener.accept().unwrap().0)
}

/// What both sides get when they greet with these tokens.
fn greeted(home: Secret, worker: Secret) -> (Result<(Link, Machine)>, Result<Link>) {
    let (near, far) = ends();
    let other = std::thread::spawn(move || Link::worker(far, &worker, &machine(), &GO_ON));
    let own = Link::home(near, &home, &GO_ON);
    (own, other.join().unwrap())
}

fn linked() -> (Link, Link) {
    let (home, worker) = greeted(secret(TOKEN), secret(TOKEN));
    let (home, found) = home.unwrap();
    assert_eq!(found, machine());
    (home, worker.unwrap())
}

fn soon() -> Patience<'static> {
    Patience::of(Duration::from_millis(300), &GO_ON)
}

fn some() -> Vec<Message> {
    vec![
        Message::Play([7; 32], vec![1, u64::MAX]),
        Message::Play([7; 32], Vec::new()),
        Message::Job(vec![1, 2, 3]),
        Message::Lacking,
        Message::Working,
        Message::Episode(vec![0; 200_000]),
        Message::Done,
        Message::Unable("because".into()),
    ]
}

/// Messages arrive as they were sent, in both directions.
#[test]
fn messages_arrive() {
    let (mut home, mut worker) = linked();
    for message in some() {
        let sent = message.clone();
        std::thread::scope(|scope| {
            scope.spawn(|| home.send(&sent).unwrap());
            assert_eq!(worker.receive(soon()).unwrap(), message);
        });
    }
    worker.send(&Message::Done).unwrap();
    assert_eq!(home.receive(soon()).unwrap(), Message::Done);
}

/// Another token, one too few, or one too many: neither side goes on, and home is told why.
#[test]
fn who_does_not_know_the_token_is_refused() {
    let other = || secret("another token, as long");
    let none = Secret::default;
    for (home, worker) in [
        (secret(TOKEN), other()),
        (none(), secret(TOKEN)),
        (secret(TOKEN), none()),
    ] {
        let (home, worker) = greeted(home, worker);
        assert_eq!(worker.unwrap_err().kind(), ErrorKind::PermissionDenied);
        let why = home.unwrap_err();
        assert_eq!(why.kind(), ErrorKind::PermissionDenied);
        assert!(why.to_string().contains("token"), "{why}");
    }
    assert!(greeted(none(), none()).1.is_ok());
}

/// A worker that does not know the token cannot pretend to.
#[test]
fn a_false_worker_is_refused() {
    let (near, mut far) = ends();
    let false_worker = std::thread::spawn(move || {
        hello(&mut far).unwrap();
        receive_plain(&mut far, soon()).unwrap();
        receive_plain(&mut far, soon()).unwrap();
        let answer = Answer::Welcome([1; 32], machine());
        send_plain(&mut far, &encoded(&answer).unwrap()).unwrap();
    });
    let why = Link::home(near, &secret(TOKEN), &GO_ON).unwrap_err();
    false_worker.join().unwrap();
    assert_eq!(why.kind(), ErrorKind::PermissionDenied);
}

/// The token is not in what is sent.
#[test]
fn the_token_does_not_cross_the_wire() {
    let (near, mut far) = ends();
    let home = std::thread::spawn(move || Link::home(near, &secret(TOKEN), &GO_ON).map(drop));
    hello(&mut far).unwrap();
    let said = [
        receive_plain(&mut far, soon()).unwrap(),
        receive_plain(&mut far, soon()).unwrap(),
    ]
    .concat();
    drop(far);
    assert!(home.join().unwrap().is_err());
    let holds = |part: &[u8]| said.windows(part.len()).any(|window| window == part);
    assert!(!holds(&TOKEN.as_bytes()[..8]));
}

/// Another version is refused by a sentence that names both, by either side.
#[test]
fn another_version_is_refused() {
    let greeting = |stream: &mut TcpStream| {
        let hello = Hello {
            magic: MAGIC.into(),
            protocol: PROTOCOL,
            version: "9.9.9".into(),
            nonce: [0; 32],
        };
        send_plain(stream, &encoded(&hello).unwrap()).unwrap();
    };
    let says_both = |why: &str| assert!(why.contains("9.9.9") && why.contains(VERSION), "{why}");
    let (near, mut far) = ends();
    greeting(&mut far);
    let why = Link::home(near, &secret(TOKEN), &GO_ON).unwrap_err();
    says_both(&why.to_string());
    let (mut near, far) = ends();
    greeting(&mut near);
    let why = Link::worker(far, &secret(TOKEN), &machine(), &GO_ON).unwrap_err();
    says_both(&why.to_string());
    receive_plain(&mut near, soon()).unwrap();
    let answer: Answer = decoded(&receive_plain(&mut near, soon()).unwrap()).unwrap();
    let Answer::Refused(why) = answer else {
        panic!("{answer:?}");
    };
    says_both(&why);
}

/// What is no greeting is refused at once, however long it says that it is; and who says nothing is
/// not waited for for ever.
#[test]
fn garbage_is_no_greeting() {
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        &[3, 0, 0, 0, 9, 9, 9],
    ] {
        let (near, mut far) = ends();
        far.write_all(garbage).unwrap();
        let why = Link::home(near, &secret(TOKEN), &GO_ON).unwrap_err();
        assert_eq!(why.kind(), ErrorKind::InvalidData);
        let (mut near, far) = ends();
        near.write_all(garbage).unwrap();
        assert!(Link::worker(far, &secret(TOKEN), &machine(), &GO_ON).is_err());
    }
    let stop = AtomicBool::new(true);
    let (near, _far) = ends();
    let why = Link::home(near, &secret(TOKEN), &stop).unwrap_err();
    assert_eq!(why.kind(), ErrorKind::Interrupted);
}

/// A message that was changed, left out or said twice is none, nor is one that is longer than any;
/// one that never comes takes no memory.
#[test]
fn what_is_no_message_is_refused() {
    let refused = |write: fn(&mut Link)| {
        let (mut home, mut worker) = linked();
        write(&mut home);
        worker.receive(soon()).unwrap_err().kind()
    };
    let changed = refused(|home| {
        let tag = home.sending.tag(6, &[]);
        home.stream.write_all(&[0, 0, 0, 0, 4]).unwrap();
        home.stream.write_all(&tag).unwrap();
    });
    let left_out = refused(|home| {
        home.sending.tag(6, &[]);
        home.send(&Message::Done).unwrap();
    });
    let endless = refused(|home| home.stream.write_all(&[0xff, 0xff, 0xff, 0xff, 5]).unwrap());
    let unknown = refused(|home| home.stream.write_all(&[0, 0, 0, 0, 99]).unwrap());
    let wordy = refused(|home| home.stream.write_all(&[0, 0, 2, 0, 1]).unwrap());
    for kind in [changed, left_out, endless, unknown, wordy] {
        assert_eq!(kind, ErrorKind::InvalidData);
    }
    let never = refused(|home| home.stream.write_all(&[0, 0, 0, 0x3f, 5, 1, 2]).unwrap());
    assert_eq!(never, ErrorKind::TimedOut);
    let (mut home, _worker) = linked();
    let words = Message::Unable("x".repeat(LONGEST_WORDS + 1));
    assert!(home.send(&words).is_err());
}

/// Messages are read back as they were written.
#[test]
fn messages_are_read_back() {
    for message in some() {
        let (kind, body) = message.encode();
        assert_eq!(Message::decode(kind, body), Some(message));
    }
}

proptest! {
    /// Any bytes are a message or none, and so are greetings; nothing panics.
    #[test]
    fn any_bytes_are_read(kind: u8, body: Vec<u8>) {
        if let Some(message) = Message::decode(kind, body.clone()) {
            prop_assert_eq!(message.encode(), (kind, body.clone()));
        }
        let _ = decoded::<Hello>(&body);
        let _ = decoded::<Answer>(&body);
        let mut stream = &body[..];
        let _ = take(&mut stream, usize::from(kind), soon());
    }
}
