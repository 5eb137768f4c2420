//! Policy servers that answer with anything but a policy.

use super::Report;
use super::chance::Chance;
use super::ground::Ground;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What a server does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Nothing: it plays along.
    Nothing,
    /// It never says a word.
    Silent,
    /// It closes at once.
    Closes,
    /// It answers the handshake with other bytes than HTTP.
    Noise,
    /// It answers without end.
    EndlessHead,
    /// It refuses, with control characters.
    Refuses,
    /// Its proof of the handshake is wrong.
    ForeignProof,
    /// One byte after the other.
    Drips,
    /// A frame that says it is longer than anything.
    LyingLength,
    /// A frame of a kind that does not exist.
    UnknownFrame,
    /// Pings without end.
    Pings,
    /// Fragments without end.
    Fragments,
    /// A greeting that is no map.
    GreetingIsNoMap,
    /// A greeting with control characters.
    RedGreeting,
    /// Lists in lists without end.
    Deep,
    /// A list of 60 million nothings.
    Huge,
    /// A list that says it has four billion parts.
    LyingList,
    /// It greets, and never answers.
    SilentAnswer,
    /// It greets, and reports an error with control characters.
    ErrorText,
    /// It greets, and closes when it is asked.
    ClosesLater,
    /// Actions of another shape.
    OtherShape,
    /// Actions of a shape of negative numbers.
    NegativeShape,
    /// Actions of a shape that overflows.
    HugeShape,
    /// Actions of another type.
    OtherType,
    /// Actions that are not finite.
    NotFinite,
    /// No actions.
    NoActions,
}

const ALL: [Fault; 26] = [
    Fault::Nothing,
    Fault::Silent,
    Fault::Closes,
    Fault::Noise,
    Fault::EndlessHead,
    Fault::Refuses,
    Fault::ForeignProof,
    Fault::Drips,
    Fault::LyingLength,
    Fault::UnknownFrame,
    Fault::Pings,
    Fault::Fragments,
    Fault::GreetingIsNoMap,
    Fault::RedGreeting,
    Fault::Deep,
    Fault::Huge,
    Fault::LyingList,
    Fault::SilentAnswer,
    Fault::ErrorText,
    Fault::ClosesLater,
    Fault::OtherShape,
    Fault::NegativeShape,
    Fault::HugeShape,
    Fault::OtherType,
    Fault::NotFinite,
    Fault::NoActions,
];

/// Seconds from Ctrl-C to the end, at most.
const STOPS_WITHIN: f64 = 3.0;

/// Lets the program speak with a server that does something wrong.
pub fn attempt(
    ground: &Ground,
    case: u64,
    chance: &mut Chance,
    folder: &Path,
) -> Result<Report, String> {
    let wrong = ALL[case as usize % ALL.len()];
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let stop = Arc::new(AtomicBool::new(false));
    let server = thread::spawn({
        let stop = Arc::clone(&stop);
        move || serve(&listener, wrong, &stop)
    });
    let address = format!("openpi://{address}");
    let asks_doctor = chance.once_in(3);
    let call = if asks_doctor {
        ground.call(folder).args(&["doctor", "--policy", &address])
    } else {
        let small = ground.small().display().to_string();
        let words = [
            "finetune",
            "--base",
            &address,
            "--config",
            &small,
            "--finetune",
            "none",
            "--no-video",
            "--out",
            "new",
        ];
        ground.call(folder).args(&words)
    };
    let after = 0.8 + 0.7 * chance.share();
    let outcome = call.stopped_after(after).patience(20.0).memory(1000).run();
    stop.store(true, Ordering::SeqCst);
    server.join().ok();
    let outcome = outcome?;
    let mut report = Report::of(&outcome);
    report.what = format!("a server: {wrong:?}");
    let late = outcome.seconds - after;
    if !outcome.sent.is_empty() && late > STOPS_WITHIN {
        report
            .faults
            .push(format!("it ended {late:.1} s after Ctrl-C"));
    }
    let unusable = !matches!(wrong, Fault::Nothing | Fault::RedGreeting | Fault::Pings);
    let late_fault = wrong as usize >= Fault::SilentAnswer as usize;
    if unusable && outcome.code == Some(0) && !(asks_doctor && late_fault) {
        report.faults.push("it exits with 0".to_owned());
    }
    Ok(report)
}

fn serve(listener: &TcpListener, wrong: Fault, stop: &Arc<AtomicBool>) {
    let stopped = || stop.load(Ordering::SeqCst);
    listener.set_nonblocking(true).ok();
    let mut threads = Vec::new();
    while !stopped() {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        let stop = Arc::clone(stop);
        // What goes wrong in a server is what it is for.
        threads.push(thread::spawn(move || drop(speak(stream, wrong, &stop))));
    }
    for thread in threads {
        thread.join().ok();
    }
}

/// One connection.
fn speak(mut stream: TcpStream, wrong: Fault, stop: &AtomicBool) -> std::io::Result<()> {
    let pause = Duration::from_millis(20);
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(pause))?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    let key = read_key(&mut stream, stop)?;
    match wrong {
        Fault::Closes => return Ok(()),
        Fault::Silent => return idle(stop),
        Fault::Noise => {
            stream.write_all(&[0xff; 3000])?;
            return idle(stop);
        }
        Fault::EndlessHead => return flood(&mut stream, b"X-More: \x1b[31m and more\r\n", stop),
        Fault::Refuses => {
            stream.write_all(b"HTTP/1.1 401 \x1b[31mNo\x07 entry\r\n\r\n")?;
            return idle(stop);
        }
        _ => {}
    }
    let proof = if wrong == Fault::ForeignProof {
        "bm9uZQ==".to_owned()
    } else {
        accept(&key)
    };
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {proof}\r\n\r\n"
    );
    if wrong == Fault::Drips {
        for byte in head.bytes() {
            if stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            stream.write_all(&[byte])?;
            thread::sleep(Duration::from_millis(50));
        }
    } else {
        stream.write_all(head.as_bytes())?;
    }
    match wrong {
        Fault::LyingLength => {
            stream.write_all(&[0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255])?;
            return idle(stop);
        }
        Fault::UnknownFrame => {
            stream.write_all(&[0x8b, 0])?;
            return idle(stop);
        }
        Fault::Pings => return flood(&mut stream, &[0x89, 2, 1, 2], stop),
        Fault::Fragments => {
            stream.write_all(&[0x02, 1, 0x80])?;
            return flood(&mut stream, &[0x00, 1, 0x80], stop);
        }
        _ => {}
    }
    stream.write_all(&frame(2, &greeting(wrong)))?;
    while read_message(&mut stream, stop)? {
        match wrong {
            Fault::SilentAnswer => return idle(stop),
            Fault::ClosesLater => return Ok(()),
            Fault::ErrorText => {
                let text = "Traceback\n  of many lines\n\u{1b}[31mValueError\u{7}: no\n";
                stream.write_all(&frame(1, text.as_bytes()))?;
            }
            _ => stream.write_all(&frame(2, &answer(wrong)))?,
        }
    }
    Ok(())
}

fn greeting(wrong: Fault) -> Vec<u8> {
    match wrong {
        Fault::GreetingIsNoMap => vec![0xc0],
        Fault::RedGreeting => [&[0x81, 0xa1, b'k', 0xa8], &b"\x1b[31mred"[..]].concat(),
        Fault::Deep => vec![0x91; 1_000_000],
        Fault::Huge => {
            let count = 60_000_000_u32;
            let mut bytes = vec![0xdd];
            bytes.extend(count.to_be_bytes());
            bytes.resize(5 + count as usize, 0xc0);
            bytes
        }
        Fault::LyingList => vec![0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0],
        _ => vec![0x80],
    }
}

/// An answer to an observation: `{"actions": array}`, as `openpi_client` writes arrays of numpy.
fn answer(wrong: Fault) -> Vec<u8> {
    let mut bytes = vec![0x81];
    if wrong == Fault::NoActions {
        return vec![0x80];
    }
    bytes.extend(b"\xa7actions\x84");
    bytes.extend(b"\xc4\x0b__ndarray__\xc3");
    let number = if wrong == Fault::NotFinite {
        f32::NAN
    } else {
        0.1
    };
    let data: Vec<u8> = (0..32).flat_map(|_| number.to_le_bytes()).collect();
    bytes.extend(b"\xc4\x04data\xc4\x80");
    bytes.extend(data);
    bytes.extend(b"\xc4\x05dtype");
    bytes.extend(match wrong {
        Fault::OtherType => b"\xa3<i4",
        _ => b"\xa3<f4",
    });
    bytes.extend(b"\xc4\x05shape");
    bytes.extend(match wrong {
        Fault::OtherShape => vec![0x92, 7, 5],
        Fault::NegativeShape => vec![0x93, 0xff, 8, 4],
        Fault::HugeShape => {
            let side = [&[0xcf][..], &(1_u64 << 62).to_be_bytes()].concat();
            [&[0x92][..], &side, &side].concat()
        }
        _ => vec![0x92, 8, 4],
    });
    bytes
}

/// A frame as servers send it.
fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | kind];
    match bytes.len() {
        short @ ..126 => frame.push(short as u8),
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(bytes);
    frame
}

fn idle(stop: &AtomicBool) -> std::io::Result<()> {
    while !stop.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn flood(stream: &mut TcpStream, piece: &[u8], stop: &AtomicBool) -> std::io::Result<()> {
    let many = piece.repeat(1000);
    while !stop.load(Ordering::SeqCst) {
        stream.write_all(&many)?;
    }
    Ok(())
}

/// Reads some bytes; none when it is time to stop.
fn read(stream: &mut TcpStream, bytes: &mut [u8], stop: &AtomicBool) -> std::io::Result<usize> {
    while !stop.load(Ordering::SeqCst) {
        match stream.read(bytes) {
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock) => {}
            done => return done,
        }
    }
    Ok(0)
}

/// Reads the request of the handshake; its key.
fn read_key(stream: &mut TcpStream, stop: &AtomicBool) -> std::io::Result<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if read(stream, &mut byte, stop)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        request.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&request);
    let mut lines = text.lines();
    let key = lines.find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    Ok(key.unwrap_or_default().to_owned())
}

/// Waits for a message and takes what has come of it; false when the other side went away.
fn read_message(stream: &mut TcpStream, stop: &AtomicBool) -> std::io::Result<bool> {
    let mut piece = vec![0; 1 << 16];
    let count = read(stream, &mut piece, stop)?;
    // 8: the other side says goodbye.
    Ok(count > 0 && piece[0] & 15 != 8)
}

/// What a server must answer to a key (RFC 6455, 1.3).
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let sum = sha1_smol::Sha1::from(text).digest().bytes();
    base64(&sum)
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let padded = [three, &[0, 0][..]].concat();
        let bits = padded[..3]
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            let is_filled = place <= three.len();
            text.push(if is_filled { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::accept;

    /// The proof is the standard's own example (RFC 6455, 1.3).
    #[test]
    fn the_proof_is_the_standards() {
        let proof = accept("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(proof, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
