//! What the client promises, against servers of the same protocol that these tests start.
use super::address::{check_key, host};
use super::limits::{DEEPEST, MOST_VALUES};
use super::values::{pack, unpack};
use super::websocket::accept;
use super::*;
use crate::engines::CATALOG;
use burn::tensor::Device;
use pollster::block_on;
use proptest::prelude::{any, proptest};
use protege_core::data::Dataset;
use protege_core::obs::{ImageSpec, Images, ObsBatch, Observation};
use protege_core::policy::{ServedConfig, Sizes};
use protege_core::run::{Config, Demonstrations, FinetuneMethod, Inputs, Preset, Run};
use rmpv::Value as Packed;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// The server's end of a connection.
struct Peer(TcpStream);

impl Peer {
    /// Shakes hands; what the client asked with.
    fn shake_hands(mut stream: TcpStream) -> (Self, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let request = String::from_utf8(head).unwrap();
        let key = request
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
            .unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nsec-websocket-accept: {}\r\n\r\n",
            accept(key)
        );
        stream.write_all(answer.as_bytes()).unwrap();
        (Self(stream), request)
    }

    fn greeted(stream: TcpStream) -> Self {
        let (mut peer, _) = Self::shake_hands(stream);
        peer.say(&map(vec![("robot", "droid".into())]));
        peer
    }

    fn frame(&mut self, head: u8, bytes: &[u8]) {
        let mut frame = vec![head];
        match bytes.len() {
            short @ ..126 => frame.push(short as u8),
            middle @ ..0x1_0000 => {
                frame.extend([&[126], &(middle as u16).to_be_bytes()[..]].concat())
            }
            long => frame.extend([&[127], &(long as u64).to_be_bytes()[..]].concat()),
        }
        frame.extend(bytes);
        // A client that has seen enough goes away.
        self.0.write_all(&frame).ok();
    }

    fn say(&mut self, value: &Packed) {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, value).unwrap();
        self.frame(0x82, &bytes);
    }

    /// The client's next message of any kind, unmasked; none when it is gone.
    fn hear(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        assert!(
            head[0] & 0x80 != 0 && head[1] & 0x80 != 0,
            "a client's frames are masked"
        );
        let length = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.bytes())),
            127 => u64::from_be_bytes(self.bytes()),
            short => u64::from(short),
        };
        let mask: [u8; 4] = self.bytes();
        let mut bytes = vec![0; length as usize];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
            .iter_mut()
            .zip(mask.iter().cycle())
            .for_each(|(byte, mask)| *byte ^= mask);
        Some((head[0] & 0x0f, bytes))
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

fn map(parts: Vec<(&str, Packed)>) -> Packed {
    Packed::Map(
        parts
            .into_iter()
            .map(|(name, part)| (name.into(), part))
            .collect(),
    )
}

fn array(dtype: &str, shape: &[u64], data: Vec<u8>) -> Packed {
    let sides = shape.iter().map(|&side| side.into()).collect();
    array_of(dtype.into(), Packed::Array(sides), data)
}

fn array_of(dtype: Packed, shape: Packed, data: Vec<u8>) -> Packed {
    let name = |name: &str| Packed::Binary(name.into());
    Packed::Map(vec![
        (name("__ndarray__"), true.into()),
        (name("data"), Packed::Binary(data)),
        (name("dtype"), dtype),
        (name("shape"), shape),
    ])
}

fn reply(values: &[f32]) -> Packed {
    chunk(values, 2)
}

/// A reply of actions of `act` numbers.
fn chunk(values: &[f32], act: usize) -> Packed {
    let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let shape = [(values.len() / act) as u64, act as u64];
    map(vec![
        ("actions", array("<f4", &shape, data)),
        ("server_timing", map(vec![("infer_ms", 1.5.into())])),
    ])
}

/// A server whose connections are treated one after the other, each as its number says; its
/// address.
fn serve(
    connections: usize,
    treat: impl Fn(usize, TcpStream) + Send + 'static,
) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("openpi://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        (0..connections).for_each(|i| treat(i, listener.accept().unwrap().0))
    });
    (address, thread)
}

fn patient() -> Settings {
    Settings {
        connect: Duration::from_secs(20),
        answer: Duration::from_secs(20),
        pause: Duration::from_millis(1),
        ..Settings::default()
    }
}

fn observation() -> Value {
    let image: Vec<u8> = (0..=255).cycle().take(40 * 40 * 3).collect();
    Value::Map(vec![
        (
            "observation/state".into(),
            Value::Floats(vec![3], vec![0.5, -1.0, 2.0]),
        ),
        (
            "images".into(),
            Value::Map(vec![("base".into(), Value::Bytes(vec![40, 40, 3], image))]),
        ),
        ("prompt".into(), Value::Text("close the box".into())),
    ])
}

/// What a client is told where it cannot be made, or cannot act.
fn refused(address: &str, settings: Settings) -> String {
    Client::connect(address, settings)
        .and_then(|mut client| client.act(&observation()))
        .unwrap_err()
        .to_string()
}

/// Observations arrive as openpi reads them, arrays with their types and shapes, and actions come
/// back number for number, in frames of any length, cut or not, with pings between; the key is
/// sent.
#[test]
fn observations_go_and_actions_come() {
    let (address, server) = serve(1, |_, stream| {
        let (mut peer, request) = Peer::shake_hands(stream);
        assert!(
            request.starts_with("GET / HTTP/1.1\r\n")
                && request.contains("\r\nAuthorization: Api-Key secret\r\n"),
            "{request}"
        );
        peer.say(&map(vec![("robot", "droid".into())]));
        let (kind, bytes) = peer.hear().unwrap();
        assert_eq!(
            (kind, unpack(&bytes).unwrap()),
            (2, unpack(&pack(&observation()).unwrap()).unwrap())
        );
        let seen = unpack(&bytes).unwrap();
        let state = &seen["observation/state"];
        let parts: Vec<_> = state
            .as_map()
            .unwrap()
            .iter()
            .map(|(name, _)| name.as_slice().unwrap())
            .collect();
        assert_eq!(parts, [&b"__ndarray__"[..], b"data", b"dtype", b"shape"]);
        assert_eq!(
            seen["images"]["base"].as_map().unwrap()[2].1.as_str(),
            Some("|u1")
        );
        peer.frame(0x89, b"there?");
        peer.say(&reply(&[1.0, 2.0, 3.0, 4.0]));
        assert_eq!(peer.hear().unwrap(), (10, b"there?".to_vec()));
        peer.hear().unwrap();
        let long: Vec<f32> = (0..40_000_u16).map(f32::from).collect();
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &reply(&long)).unwrap();
        peer.frame(0x02, &bytes[..200]);
        peer.frame(0x8a, b"");
        peer.frame(0x00, &bytes[200..90_000]);
        peer.frame(0x80, &bytes[90_000..]);
        peer.hear().unwrap();
        let double = 0.25_f64.to_le_bytes().repeat(6);
        peer.say(&map(vec![("actions", array("<f8", &[2, 3], double))]));
    });
    let mut client = Client::connect(
        &address,
        Settings {
            api_key: Some("secret".into()),
            ..patient()
        },
    )
    .unwrap();
    assert!(client.greeting().contains("droid"));
    assert_eq!(
        client.act(&observation()).unwrap(),
        Actions {
            count: 2,
            act: 2,
            values: vec![1.0, 2.0, 3.0, 4.0]
        }
    );
    let long = client.act(&observation()).unwrap();
    assert!(
        long.count == 20_000
            && long
                .values
                .iter()
                .zip(0_u16..)
                .all(|(value, i)| *value == f32::from(i))
    );
    assert_eq!(
        client.act(&observation()).unwrap(),
        Actions {
            count: 2,
            act: 3,
            values: vec![0.25; 6]
        }
    );
    server.join().unwrap();
}

/// A connection that is lost between two requests, or before the answer, is made again, and the
/// request with it.
#[test]
fn a_lost_connection_is_made_again() {
    let (address, server) = serve(3, |i, stream| {
        let mut peer = Peer::greeted(stream);
        peer.hear().unwrap();
        if i != 1 {
            peer.say(&reply(&[i as f32, 0.0]));
        }
    });
    let mut client = Client::connect(&address, patient()).unwrap();
    assert_eq!(client.act(&observation()).unwrap().values, [0.0, 0.0]);
    assert_eq!(
        client.act(&observation()).unwrap().values,
        [2.0, 0.0],
        "the second connection was lost before its answer"
    );
    server.join().unwrap();
}

/// Who never answers is given up in time, and its late answer is not taken for the next one's.
#[test]
fn a_late_answer_is_not_the_next_ones() {
    let (address, server) = serve(2, |i, stream| {
        let mut peer = Peer::greeted(stream);
        peer.hear().unwrap();
        if i == 0 {
            // The client gives up, and says so.
            assert_eq!(peer.hear(), Some((8, 1000_u16.to_be_bytes().to_vec())));
        }
        peer.say(&reply(&[i as f32, 0.0]));
    });
    let mut client = Client::connect(
        &address,
        Settings {
            answer: Duration::from_millis(200),
            ..patient()
        },
    )
    .unwrap();
    let sentence = client.act(&observation()).unwrap_err().to_string();
    assert!(
        sentence.contains("in time") && sentence.contains(&address),
        "{sentence}"
    );
    client.settings.answer = Duration::from_secs(20);
    assert_eq!(client.act(&observation()).unwrap().values, [1.0, 0.0]);
    server.join().unwrap();
}

/// What a server reports reaches the user: the last line of its traceback.
#[test]
fn an_error_of_the_server_is_told() {
    let (address, server) = serve(1, |_, stream| {
        let mut peer = Peer::greeted(stream);
        peer.hear().unwrap();
        peer.frame(
            0x81,
            b"Traceback (most recent call last):\n  File \"policy.py\"\n\
            KeyError: 'observation/image'\n",
        );
        peer.frame(
            0x88,
            &[&1011_u16.to_be_bytes()[..], b"Internal server error"].concat(),
        );
    });
    let sentence = refused(&address, patient());
    assert!(
        sentence.ends_with("KeyError: 'observation/image'"),
        "{sentence}"
    );
    server.join().unwrap();
}

/// Whatever comes instead of an answer is refused in one line that says what is wrong with it.
#[test]
fn malformed_answers_are_refused() {
    type Answers = fn(&mut Peer);
    let answers: [(Answers, &str); 13] = [
        (|peer| peer.say(&map(vec![])), "no `actions`"),
        (|peer| peer.say(&Packed::from(7)), "no `actions`"),
        (
            |peer| peer.say(&map(vec![("actions", 7.into())])),
            "no array",
        ),
        (
            |peer| peer.say(&map(vec![("actions", array("<i4", &[1, 2], vec![0; 8]))])),
            "`<i4`",
        ),
        (
            |peer| peer.say(&map(vec![("actions", array("<f4", &[2], vec![0; 8]))])),
            "shape [2]",
        ),
        (
            |peer| {
                let dtype = "<f4\n\x1b[31m".repeat(100);
                let actions = array_of(dtype.into(), Packed::Array(vec![1.into(); 2]), vec![0; 4]);
                peer.say(&map(vec![("actions", actions)]))
            },
            "<f4\\n\\u{1b}[31m",
        ),
        (|peer| peer.say(&reply(&[1.0, f32::NAN])), "NaN"),
        (|peer| peer.frame(0x82, &[0x92]), "no whole MessagePack"),
        (|peer| peer.frame(0x82, &[0xc1]), "no MessagePack"),
        (|peer| peer.frame(0x82, &[0x80, 0x80]), "follow its end"),
        (|peer| peer.frame(0x82, &[0x91; 100_000]), "nested deeper"),
        (|peer| peer.frame(0xc2, b"compressed"), "may not send"),
        (
            |peer| peer.frame(0x80, b"a continuation of nothing"),
            "out of turn",
        ),
    ];
    for (answer, word) in answers {
        let (address, server) = serve(1, move |_, stream| {
            let mut peer = Peer::greeted(stream);
            peer.hear().unwrap();
            answer(&mut peer);
        });
        let sentence = refused(&address, patient());
        assert!(
            sentence.contains(word) && !sentence.contains('\n') && sentence.len() < 1000,
            "{sentence:?} does not say {word:?}"
        );
        server.join().unwrap();
    }
}

/// A shape is two whole numbers above 0 that have as many bytes as came; whatever else it is, it is
/// shown.
#[test]
fn a_shape_that_is_none_is_refused_by_name() {
    let none: [Packed; 9] = [
        Packed::Array(vec![(-1).into(), 8.into(), 4.into()]),
        Packed::Array(vec!["a".into(), 8.into(), 4.into()]),
        Packed::Array(vec![(-1).into(), 4.into()]),
        Packed::Array(vec![0.into(), 4.into()]),
        Packed::Array(vec![8.0.into(), 4.into()]),
        Packed::Array(vec![true.into(), 4.into()]),
        Packed::Array(vec![32.into()]),
        Packed::Array(vec![]),
        Packed::Nil,
    ];
    let wrong: [[u64; 2]; 5] = [
        [8, 3],
        [1 << 32, 4],
        [1 << 32, 1 << 32],
        [1 << 62, 4],
        [u64::MAX, u64::MAX],
    ];
    let refused = |shape: Packed| {
        let actions = array_of("<f4".into(), shape, vec![0; 128]);
        values::actions(&map(vec![("actions", actions)])).unwrap_err()
    };
    for shape in none {
        let shown = shape.to_string();
        let sentence = refused(shape);
        assert!(
            sentence.contains(&shown) && sentence.contains("two numbers"),
            "{sentence}"
        );
    }
    for [count, act] in wrong {
        let sentence = refused(Packed::Array(vec![count.into(), act.into()]));
        let wanted = format!("{count} actions of {act} numbers of 4 bytes");
        assert!(
            sentence.contains(&wanted) && sentence.contains("128 bytes"),
            "{sentence}"
        );
    }
}

/// No action is anything but a finite number of 32 bits.
#[test]
fn actions_that_are_no_numbers_are_refused() {
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e39] {
        let data = [0.5, wrong].map(f64::to_le_bytes).concat();
        let reply = map(vec![("actions", array("<f8", &[1, 2], data))]);
        let sentence = values::actions(&reply).unwrap_err();
        assert!(sentence.contains(&format!("number 1 of its `actions` is {wrong:?}")));
    }
}

/// Values of a message, and the bytes of its texts.
fn measure(value: &Packed) -> (usize, usize) {
    let parts: Vec<&Packed> = match value {
        Packed::Array(parts) => parts.iter().collect(),
        Packed::Map(parts) => parts.iter().flat_map(|part| [&part.0, &part.1]).collect(),
        Packed::String(text) => return (1, text.as_bytes().len()),
        Packed::Binary(bytes) | Packed::Ext(_, bytes) => return (1, bytes.len()),
        _ => return (1, 0),
    };
    let within = parts.into_iter().map(measure);
    within.fold((1, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
}

/// Bytes that stand for many more values than there is room for are refused before anything is made
/// of them, however they are nested.
#[test]
fn a_short_message_does_not_become_a_large_one() {
    let most = MOST_VALUES as u32;
    let list = |length: u32, within: &[u8]| [&[0xdd], &length.to_be_bytes()[..], within].concat();
    let many = |length: u32| list(length, &vec![0xc0; length as usize]);
    assert!(unpack(&many(most - 1)).is_ok());
    let row = many(1000);
    let rows = list(1000, &row.repeat(1000));
    let pairs = [&[0xdf], &most.to_be_bytes()[..], &[0xc0; 2 * MOST_VALUES]].concat();
    for bytes in [
        many(most),
        rows,
        pairs,
        list(60_000_000, &vec![0x90; 60_000_000]),
    ] {
        let sentence = unpack(&bytes).unwrap_err();
        assert!(sentence.contains("100000 values"), "{sentence}");
    }
    let nested = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
    assert!(unpack(&nested(DEEPEST)).is_ok());
    assert!(unpack(&nested(DEEPEST + 1)).unwrap_err().contains("nested"));
    for length in [1, u32::MAX] {
        assert!(
            unpack(&list(length, &[]))
                .unwrap_err()
                .contains("end is missing")
        );
    }
}

proptest! {
    /// Whatever bytes come are read, or refused in one line; what is made of them is no more than
    /// so many values and as many bytes as came.
    #[test]
    fn any_bytes_are_read_within_bounds(bytes in any::<Vec<u8>>()) {
        match unpack(&bytes) {
            Ok(value) => {
                let size = measure(&value);
                assert!(size.0 <= MOST_VALUES && size.1 <= bytes.len());
                if let Err(sentence) = values::actions(&value) {
                    assert!(!sentence.contains('\n') && sentence.len() < 2000, "{sentence}");
                }
            }
            Err(sentence) => assert!(!sentence.contains('\n'), "{sentence}"),
        }
    }

    /// Damage to a reply is survived, too.
    #[test]
    fn any_damaged_reply_is_read_within_bounds(at in 0..100usize, byte in any::<u8>()) {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &reply(&[0.5; 8])).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(actions) = unpack(&bytes).and_then(|value| values::actions(&value)) {
            assert_eq!(actions.count * actions.act, actions.values.len());
            assert!(actions.values.iter().all(|value| value.is_finite()));
        }
    }
}

/// What is read of MessagePack is what another library wrote, of every type.
#[test]
fn messages_of_every_type_are_read() {
    let values = [
        Packed::Nil,
        false.into(),
        0.into(),
        (-1).into(),
        200.into(),
        (-100).into(),
        60_000.into(),
        (-30_000).into(),
        u32::MAX.into(),
        i32::MIN.into(),
        u64::MAX.into(),
        i64::MIN.into(),
        0.5_f32.into(),
        0.5_f64.into(),
        Packed::Ext(7, vec![1; 4]),
        Packed::Ext(7, vec![1; 5]),
        Packed::Ext(7, vec![1; 300]),
        Packed::Ext(7, vec![1; 70_000]),
        "a".into(),
        "a".repeat(40).into(),
        "a".repeat(300).into(),
        "a".repeat(70_000).into(),
        Packed::Binary(vec![1]),
        Packed::Binary(vec![1; 300]),
        Packed::Binary(vec![1; 70_000]),
        Packed::Array(vec![1.into(); 3]),
        Packed::Array(vec![1.into(); 300]),
        Packed::Array(vec![1.into(); 70_000]),
        Packed::Map(vec![(1.into(), 2.into()); 3]),
        Packed::Map(vec![(1.into(), 2.into()); 300]),
    ];
    for value in values {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &value).unwrap();
        assert_eq!(unpack(&bytes).unwrap(), value);
        assert!(unpack(&bytes[..bytes.len() - 1]).is_err());
    }
}

/// What a server says of itself is shown in a reasonable length, and a terminal obeys none of it.
#[test]
fn a_greeting_is_shown_in_part_and_without_control_characters() {
    let (address, server) = serve(1, |_, stream| {
        let (mut peer, _) = Peer::shake_hands(stream);
        let long = Packed::Binary(vec![7; 1 << 19]);
        peer.say(&map(vec![
            ("robot", "\x1b[31mdroid\r\n\u{202e}".into()),
            ("x", long),
        ]));
    });
    let client = Client::connect(&address, patient()).unwrap();
    let greeting = client.greeting();
    let plain = |letter: char| !letter.is_control() && letter != '\u{202e}';
    assert!(greeting.chars().all(plain), "{greeting}");
    assert!(
        greeting.contains("droid") && greeting.len() < 20_000,
        "{greeting}"
    );
    server.join().unwrap();
}

/// A flag that only this test's client looks at.
fn flag() -> &'static AtomicBool {
    Box::leak(Box::new(AtomicBool::new(false)))
}

/// Whatever a client waits for, it stops as soon as somebody wishes it to: it says so, instead of
/// running out of time or out of tries.
#[test]
fn every_wait_ends_when_somebody_wishes_to_stop() {
    type Treat = fn(TcpStream, &AtomicBool);
    let treats: [Treat; 8] = [
        // Before the handshake, in it, and before the greeting.
        |_stream, stop| stop.store(true, Ordering::SeqCst),
        |mut stream, stop| {
            stream.write_all(b"HTTP/1.1 101 Switching").unwrap();
            stop.store(true, Ordering::SeqCst);
            // Held open until the client has gone.
            stream.read_to_end(&mut Vec::new()).ok();
        },
        |stream, stop| {
            let mut peer = Peer::shake_hands(stream).0;
            stop.store(true, Ordering::SeqCst);
            peer.hear();
        },
        // Before the answer, in the midst of it, and where it never ends.
        |stream, stop| {
            let mut peer = Peer::greeted(stream);
            peer.hear();
            stop.store(true, Ordering::SeqCst);
            peer.hear();
        },
        |stream, stop| {
            let mut peer = Peer::greeted(stream);
            peer.hear();
            peer.0.write_all(&[0x82, 127, 0, 0, 0, 0, 0]).unwrap();
            stop.store(true, Ordering::SeqCst);
            peer.hear();
        },
        |stream, stop| {
            let mut peer = Peer::greeted(stream);
            peer.hear();
            for i in 0.. {
                if peer.0.write_all(&[0x89, 0]).is_err() {
                    break;
                }
                stop.store(i > 100, Ordering::SeqCst);
            }
        },
        |stream, stop| {
            let mut peer = Peer::greeted(stream);
            peer.hear();
            for i in 0.. {
                if peer.0.write_all(&[0x02 * u8::from(i == 0), 0]).is_err() {
                    break;
                }
                stop.store(i > 100, Ordering::SeqCst);
            }
        },
        // Before another try.
        |stream, stop| {
            let mut peer = Peer::greeted(stream);
            peer.hear();
            drop(peer);
            stop.store(true, Ordering::SeqCst);
        },
    ];
    for (i, treat) in treats.into_iter().enumerate() {
        let stop = flag();
        let server = serve(1, move |_, stream| treat(stream, stop));
        let sentence = refused(
            &server.0,
            Settings {
                stop,
                pause: Duration::from_secs(60),
                absence: Duration::from_secs(60),
                ..patient()
            },
        );
        assert!(sentence.contains("nobody waits"), "{i}: {sentence}");
        server.1.join().unwrap();
    }
    let stop = flag();
    stop.store(true, Ordering::SeqCst);
    let sentence = refused("openpi://localhost:9", Settings { stop, ..patient() });
    assert!(sentence.contains("nobody waits"), "{sentence}");
}

/// What clients told in these tests.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A server that is started again is waited for, and asked again; whoever watches is told.
#[test]
fn a_server_that_is_started_again_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let address = format!("openpi://{place}");
    let failures: &AtomicUsize = Box::leak(Box::default());
    let server = std::thread::spawn(move || {
        let mut peer = Peer::greeted(listener.accept().unwrap().0);
        peer.hear().unwrap();
        drop(listener);
        drop(peer);
        // It stays away until that was noticed.
        while TOLD.lock().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        failures.store(1, Ordering::SeqCst);
        let mut peer = Peer::greeted(TcpListener::bind(place).unwrap().accept().unwrap().0);
        peer.hear().unwrap();
        peer.say(&reply(&[1.0, 2.0]));
    });
    let settings = Settings {
        absence: Duration::from_secs(60),
        tell: |what| TOLD.lock().unwrap().push(what.to_owned()),
        ..patient()
    };
    let mut client = Client::connect(&address, settings).unwrap();
    assert_eq!(client.act(&observation()).unwrap().values, [1.0, 2.0]);
    assert_eq!(failures.load(Ordering::SeqCst), 1);
    let told = TOLD.lock().unwrap();
    assert!(
        told[0].contains("is away") && told[0].contains(&address) && told[1].contains("again"),
        "{told:?}"
    );
    server.join().unwrap();
}

/// A server that goes away whenever it is asked is not asked for ever.
#[test]
fn a_server_that_every_request_fells_is_given_up() {
    let server = serve(3, |_, stream| {
        let mut peer = Peer::greeted(stream);
        peer.hear().unwrap();
    });
    let sentence = refused(
        &server.0,
        Settings {
            absence: Duration::from_secs(3600),
            ..patient()
        },
    );
    assert!(sentence.contains("the connection was lost"), "{sentence}");
    server.1.join().unwrap();
}

/// A key that would end its line, or that no header can carry, is refused before anybody is
/// connected to, and is not shown.
#[test]
fn a_key_that_is_none_is_refused() {
    let long = "k".repeat(5000);
    for key in [
        "",
        "secret\r\nX-Evil: 1",
        "secret\n",
        "secret\r",
        "secret\0",
        " secret",
        "secret key",
        "secr\u{e9}t",
        "secret\u{85}",
        "secret\u{fffd}",
        &long,
    ] {
        let settings = Settings {
            api_key: Some(key.to_owned()),
            ..patient()
        };
        // Nobody listens there, which would be another sentence.
        let error = Client::connect("openpi://127.0.0.1:9", settings)
            .err()
            .unwrap();
        let sentence = error.to_string();
        assert!(
            matches!(error, Error::Input(_)) && sentence.contains("OPENPI_API_KEY"),
            "{key:?}: {error}"
        );
        assert!(
            !sentence.contains("secr") && !sentence.contains("kkk"),
            "{sentence}"
        );
    }
    check_key("sk-ant_0123+/=~!").unwrap();
}

/// A message that is too long is refused before it is taken, whether in one frame or in many.
#[test]
fn messages_that_are_too_long_are_refused() {
    let floods: [fn(&mut Peer); 2] = [
        |peer| {
            peer.0.write_all(&[0x82, 127]).unwrap();
            peer.0.write_all(&u64::MAX.to_be_bytes()).unwrap();
        },
        |peer| {
            peer.frame(0x02, &[0; 600]);
            peer.frame(0x80, &[0; 600]);
        },
    ];
    for flood in floods {
        let (address, server) = serve(1, move |_, stream| {
            let mut peer = Peer::greeted(stream);
            peer.hear().unwrap();
            flood(&mut peer);
        });
        let sentence = refused(
            &address,
            Settings {
                longest: 1000,
                ..patient()
            },
        );
        assert!(sentence.contains("more than 1000 bytes"), "{sentence}");
        server.join().unwrap();
    }
    let (address, server) = serve(1, |_, stream| {
        let mut peer = Peer::shake_hands(stream).0;
        peer.frame(0x82, &[0x80; 2 << 20]);
    });
    let sentence = refused(&address, patient());
    assert!(sentence.contains("more than 1048576 bytes"), "{sentence}");
    server.join().unwrap();
}

/// An address that is none, a port where nobody listens and a server of something else are told
/// apart.
#[test]
fn who_is_no_policy_server_is_told() {
    for address in [
        "",
        "lab",
        "ws://lab:8000",
        "openpi://",
        "openpi://lab:port",
        "openpi://lab:0",
        "openpi://:8000",
        "openpi://a/b",
        "openpi://a\r\nb:1",
        "openpi://a b:1",
        "openpi://a\tb:1",
        "openpi://a\0:1",
        "openpi://a:1\n",
        "openpi://a:+1",
        "openpi://a:65536",
        "openpi://a:1:2",
        "openpi://a:",
        "openpi://l\u{e4}b:1",
        "openpi://user@lab:1",
        "openpi://lab?x:1",
        "openpi://lab#x:1",
        "openpi://[::1",
        "openpi://[::1]:0",
        "openpi://[lab]:1",
        "openpi://lab//",
        "OPENPI://lab",
        "https://lab",
        "wss://lab:8000",
        &format!("openpi://{}", "lab.".repeat(100)),
    ] {
        let error = Client::connect(address, patient()).err().unwrap();
        let sentence = error.to_string();
        assert!(
            matches!(error, Error::Input(_)) && sentence.contains("openpi://host:port"),
            "{address}: {error}"
        );
        assert!(
            !sentence.contains(char::is_control) && sentence.len() < 600,
            "{sentence:?}"
        );
        let wants_tls = address.starts_with("wss:") || address.starts_with("https:");
        assert_eq!(sentence.contains("no TLS"), wants_tls, "{sentence}");
    }
    assert_eq!(host("openpi://lab").unwrap(), "lab:8000");
    assert_eq!(host("openpi://[::1]").unwrap(), "[::1]:8000");
    assert_eq!(host("openpi://[::1]:9/").unwrap(), "[::1]:9");

    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let sentence = refused(&format!("openpi://{free}"), patient());
    assert!(sentence.contains("nobody listens there"), "{sentence}");

    type Stranger = fn(TcpStream);
    let strangers: [(Stranger, &str); 6] = [
        (
            |mut stream| {
                stream
                    .write_all(b"HTTP/1.1 401 No\x1b[31m\r\n\r\n")
                    .unwrap()
            },
            "401 No\\u{1b}[31m`, which is not how a WebSocket begins: it asks for a key",
        ),
        (
            |mut stream| {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
                stream.write_all(&[b'a'; 20_000]).ok();
            },
            "without end",
        ),
        (
            |mut stream| stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap(),
            "404 Not Found",
        ),
        (
            |mut stream| {
                stream
                    .write_all(b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: x\r\n\r\n")
                    .unwrap()
            },
            "handshake is wrong",
        ),
        (
            |stream| Peer::shake_hands(stream).0.say(&Packed::from(1)),
            "greeting is no map",
        ),
        (
            |stream| Peer::shake_hands(stream).0.frame(0x81, b"busy"),
            "busy",
        ),
    ];
    for (treat, word) in strangers {
        let (address, server) = serve(1, move |_, mut stream| {
            // What was asked is read before the end, or the answer may be lost.
            let mut asked = stream.try_clone().unwrap();
            treat(stream.try_clone().unwrap());
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            asked.read_to_end(&mut Vec::new()).ok();
            stream.flush().ok();
        });
        let sentence = refused(&address, patient());
        assert!(sentence.contains(word), "{sentence}");
        server.join().unwrap();
    }
}

/// An array that is not what its shape says is not sent.
#[test]
fn an_array_that_is_not_its_shape_is_not_sent() {
    assert!(
        pack(&Value::Floats(vec![2, 2], vec![0.0; 3]))
            .unwrap_err()
            .to_string()
            .contains("[2, 2]")
    );
}

/// Observations are, byte for byte, what Python's `openpi_client.msgpack_numpy.packb` makes of the
/// same; and what it makes of actions is read. (Both messages were made with msgpack 1.x and numpy
/// 2.x.)
#[test]
fn messages_are_those_of_python() {
    let observation = Value::Map(vec![
        ("state".into(), Value::Floats(vec![2, 1], vec![0.5, -1.0])),
        (
            "image".into(),
            Value::Bytes(vec![1, 2, 2], vec![0, 1, 2, 3]),
        ),
        ("prompt".into(), Value::Text("go".into())),
    ]);
    let theirs = "83a5737461746584c40b5f5f6e6461727261795f5fc3c40464617461c4080000003f000080bfc405\
        6474797065a33c6634c4057368617065920201a5696d61676584c40b5f5f6e6461727261795f5fc3c4046461\
        7461c40400010203c4056474797065a37c7531c405736861706593010202a670726f6d7074a2676f";
    assert_eq!(pack(&observation).unwrap(), bytes(theirs));
    let reply = "82a7616374696f6e7384c40b5f5f6e6461727261795f5fc3c40464617461c420000000000000e03f\
        000000000000f0bf00000000000000400000000000000840c4056474797065a33c6638c40573686170659202\
        02ad7365727665725f74696d696e6781a8696e6665725f6d7383c40d5f5f6e7067656e657269635f5fc3c404\
        64617461cb3ff8000000000000c4056474797065a33c6634";
    let actions = values::actions(&unpack(&bytes(reply)).unwrap()).unwrap();
    assert_eq!(
        actions,
        Actions {
            count: 2,
            act: 2,
            values: vec![0.5, -1.0, 2.0, 3.0]
        }
    );
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn served(address: &str) -> ServedConfig {
    ServedConfig {
        address: address.to_owned(),
        image: "observation/image, wrist".into(),
        prompt: "lift".into(),
        ..ServedConfig::preset(Preset::Paper)
    }
}

/// A run's observations reach the server as numbers, each camera's newest frame in rows of pixels
/// of three colors under its own name, and what to do; of its answers the first actions are played,
/// within ±1. An answer for another robot is refused.
#[test]
fn a_base_is_asked_row_by_row() {
    let (address, server) = serve(1, |_, stream| {
        let mut peer = Peer::greeted(stream);
        for row in 0..2u8 {
            let asked = unpack(&peer.hear().unwrap().1).unwrap();
            let data = |name: &str| {
                asked[name].as_map().unwrap()[1]
                    .1
                    .as_slice()
                    .unwrap()
                    .to_vec()
            };
            assert_eq!(
                data("observation/state"),
                [f32::from(row), 0.5].map(f32::to_le_bytes).concat()
            );
            let pixels = |first: u8| -> Vec<u8> {
                let colors = (0..4).flat_map(|i| [10 + i, 20 + i, 30 + i]);
                colors.map(|value| value + 100 * row + first).collect()
            };
            assert_eq!(data("observation/image"), pixels(0));
            assert_eq!(data("wrist"), pixels(5));
            assert_eq!(asked["prompt"].as_str(), Some("lift"));
            peer.say(&chunk(&[f32::from(row), -0.5, 7.0, -7.0, 0.1, 0.2], 2));
        }
        peer.hear().unwrap();
        peer.say(&chunk(&[0.0; 6], 3));
    });
    let sizes = Sizes {
        obs: 2,
        act: 2,
        chunk: 2,
    };
    let base = connect(&served(&address), sizes).unwrap().0;
    let row = |n: u8| {
        let images = |name: &str, brighter: u8| {
            let colors = [10, 20, 30].into_iter();
            let planes = colors.flat_map(|first| (0..4).map(move |i| first + i + 100 * n));
            let newest = planes.map(|value| value + brighter);
            let pixels: Vec<u8> = vec![0; 12].into_iter().chain(newest).collect();
            let camera = ImageSpec {
                name: name.to_owned(),
                size: 2,
                stack: 2,
            };
            Images::of(camera, &pixels)
        };
        Observation {
            state: vec![f32::from(n), 0.5],
            task: None,
            images: vec![images("front", 0), images("hand", 5)],
        }
    };
    assert_eq!(
        base.chunks(&ObsBatch::of(&[row(0), row(1)])).unwrap(),
        [0.0, -0.5, 1.0, -1.0, 1.0, -0.5, 1.0, -1.0]
    );
    let sentence = base
        .chunks(&ObsBatch::of(&[row(0)]))
        .unwrap_err()
        .to_string();
    assert!(
        sentence.contains("actions of 3 numbers") && sentence.contains("have 2:"),
        "{sentence}"
    );
    assert!(!sentence.contains("policy.chunk"), "{sentence}");
    server.join().unwrap();
}

/// Too few actions are answered by the setting that says how many are played; what does not fit
/// from the beginning is the user's to mend, and what stops fitting later is not.
#[test]
fn answers_that_do_not_fit_have_one_remedy() {
    let few = |n: usize| chunk(&vec![0.5; 2 * n], 2);
    let server = serve(1, move |_, stream| {
        let mut peer = Peer::greeted(stream);
        for n in [1, 2, 1] {
            peer.hear().unwrap();
            peer.say(&few(n));
        }
    });
    let sizes = Sizes {
        obs: 2,
        act: 2,
        chunk: 2,
    };
    let base = connect(&served(&server.0), sizes).unwrap().0;
    let asked = ObsBatch::of_states(vec![0.0; 2], 2);
    let first = base.chunks(&asked).unwrap_err();
    assert!(matches!(first, Error::Input(_)), "{first}");
    let remedy = "set policy.chunk to 1 or less";
    assert!(first.to_string().ends_with(remedy), "{first}");
    base.chunks(&asked).unwrap();
    let later = base.chunks(&asked).unwrap_err();
    assert!(matches!(later, Error::Unserved(_)), "{later}");
    server.1.join().unwrap();
}

/// A run of csil on a served policy, small enough for a test.
fn run_on(address: &str, demos: Option<Dataset>) -> Config {
    let overlay = serde_json::json!({
        "task": "lab/lift",
        "finetune": {"method": "csil"},
        "policy": {"kind": "served", "served": {"address": address}},
    });
    let config = Config::from_overlay(&overlay, Preset::Tiny, &CATALOG).unwrap();
    let settings = [
        (
            "demos.count",
            demos.map_or(1, |demos| demos.episodes.len()).to_string(),
        ),
        ("eval.episodes", "2".into()),
        ("eval.curve_episodes", "2".into()),
        ("env.parallel", "2".into()),
        ("finetune.csil.envs", "2".into()),
        ("finetune.csil.learning_starts", "80".into()),
        ("finetune.csil.total_steps", "100".into()),
        ("finetune.csil.actor.clone_updates", "20".into()),
        ("finetune.csil.critic_updates", "10".into()),
    ];
    config
        .set_all(
            &settings.map(|(key, value)| (key.to_owned(), value)),
            &CATALOG,
        )
        .unwrap()
}

/// A served policy is evaluated, finetuned beside, and evaluated again; a resumed run, and a
/// finished one that is loaded, ask it again. Methods that cannot build on it are refused, and a
/// server that is gone is named.
#[test]
fn a_run_builds_on_a_served_policy() {
    // As openpi's, it has several clients at a time.
    let (address, _server) = serve(3, |_, stream| {
        std::thread::spawn(move || {
            let mut peer = Peer::greeted(stream);
            while let Some((2, bytes)) = peer.hear() {
                assert_eq!(unpack(&bytes).unwrap()["prompt"].as_str(), Some("lift"));
                peer.say(&chunk(&[0.1, 0.2, -0.1, 0.5].repeat(4), 4));
            }
        });
    });
    let mut demonstrations =
        Demonstrations::new(&run_on(&address, None), &crate::engines::services()).unwrap();
    while demonstrations.dataset().episodes.len() < 2 {
        demonstrations.step().unwrap();
    }
    let demos = demonstrations.dataset().clone();
    let config = run_on(&address, Some(demos.clone()));
    let inputs = Inputs {
        demos: Some(demos),
        ..crate::engines::inputs()
    };
    let mut run = Run::new(config.clone(), inputs, Device::flex()).unwrap();
    let mut saved = None;
    while !block_on(run.step()).unwrap().finished {
        if saved.is_none() && run.summary().decisions > 0 {
            saved = Some(block_on(run.save()).unwrap());
        }
    }
    let summary = run.summary();
    assert!(
        summary.before.is_some() && summary.after.is_some() && summary.decisions == 100,
        "{summary:?}"
    );

    let mut resumed =
        Run::load_with(saved.unwrap(), Device::flex(), crate::engines::services()).unwrap();
    while !block_on(resumed.step()).unwrap().finished {}
    assert_eq!(
        resumed.summary().after.map(|o| o.successes),
        summary.after.map(|o| o.successes)
    );

    let policy = Some(block_on(run.policy_archive()).unwrap());
    let mut only = config.clone();
    only.finetune.method = FinetuneMethod::NONE;
    let mut evaluation = Run::new(
        only,
        Inputs {
            policy,
            ..crate::engines::inputs()
        },
        Device::flex(),
    )
    .unwrap();
    while !block_on(evaluation.step()).unwrap().finished {}
    assert_eq!(
        evaluation.summary().before.map(|o| o.successes),
        summary.after.map(|o| o.successes)
    );

    for method in ["best-of-n", "dsrl", "dppo", "td-mpc"] {
        let sentence = config
            .set("finetune.method", method, &CATALOG)
            .unwrap_err()
            .to_string();
        assert!(
            sentence.contains(method) && sentence.contains("csil"),
            "{sentence}"
        );
    }
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gone = Run::new(
        run_on(&format!("openpi://{free}"), None),
        crate::engines::inputs(),
        Device::flex(),
    );
    assert!(
        gone.err()
            .unwrap()
            .to_string()
            .contains("nobody listens there")
    );
}

/// A server of actions that follow from the state alone, and its requests so far, counted over all
/// connections; its answers to those in `failing` are errors instead.
fn reliable_but(failing: Vec<usize>) -> (String, &'static AtomicUsize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("openpi://{}", listener.local_addr().unwrap());
    let count: &AtomicUsize = Box::leak(Box::default());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut peer = Peer::greeted(stream.unwrap());
            let failing = failing.clone();
            std::thread::spawn(move || {
                while let Some((2, bytes)) = peer.hear() {
                    if failing.contains(&count.fetch_add(1, Ordering::SeqCst)) {
                        return peer.frame(0x81, b"out of memory");
                    }
                    let asked = unpack(&bytes).unwrap();
                    let state = asked["observation/state"].as_map().unwrap();
                    let state = state[1].1.as_slice().unwrap();
                    let first = f32::from_le_bytes(state[..4].try_into().unwrap());
                    peer.say(&chunk(&[first, -first, 0.1, 0.5].repeat(4), 4));
                }
            });
        }
    });
    (address, count)
}

/// Where a served policy has no answer, the run is as it was before it asked: saved and loaded, it
/// ends as one that was always answered.
#[test]
fn a_run_that_was_not_answered_goes_on_as_if_it_had_been() {
    let demos = {
        let config = run_on("openpi://nobody", None);
        let mut collected = Demonstrations::new(&config, &crate::engines::services()).unwrap();
        while collected.dataset().episodes.len() < 2 {
            collected.step().unwrap();
        }
        collected.dataset().clone()
    };
    for method in ["csil", "sac"] {
        let finish = |failing: Vec<usize>| {
            let failures = failing.len();
            let server = reliable_but(failing);
            let config = run_on(&server.0, Some(demos.clone()));
            let settings = [
                ("finetune.method", "sac"),
                ("finetune.sac.envs", "2"),
                ("finetune.sac.learning_starts", "80"),
                ("finetune.sac.total_steps", "100"),
                ("finetune.sac.actor.clone_updates", "20"),
            ];
            let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let config = match method {
                "csil" => config,
                _ => config.set_all(&settings, &CATALOG).unwrap(),
            };
            let inputs = Inputs {
                demos: Some(demos.clone()),
                ..crate::engines::inputs()
            };
            let mut run = Run::new(config, inputs, Device::flex()).unwrap();
            let mut missed = 0;
            let mut episodes = Vec::new();
            loop {
                match block_on(run.step()) {
                    Ok(progress) => {
                        episodes.extend(progress.episodes);
                        if progress.finished {
                            break;
                        }
                    }
                    Err(Error::Unserved(_)) => {
                        missed += 1;
                        let saved = block_on(run.save()).unwrap();
                        let services = crate::engines::services();
                        run = Run::load_with(saved, Device::flex(), services).unwrap();
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(missed, failures);
            let requests = server.1.load(Ordering::SeqCst);
            (block_on(run.save()).unwrap(), episodes, requests)
        };
        let whole = finish(vec![]);
        let all = whole.2;
        let parts = finish(vec![0, 1, all / 8, all / 4, all / 2, all - 3, all - 1]);
        assert_eq!(whole.1, parts.1, "{method}");
        assert!(whole.0.names().eq(parts.0.names()));
        for name in whole.0.names() {
            assert!(
                whole.0.get_f32(name).ok() == parts.0.get_f32(name).ok()
                    && whole.0.blob(name).ok() == parts.0.blob(name).ok(),
                "{name} of {method} differs"
            );
        }
    }
}
