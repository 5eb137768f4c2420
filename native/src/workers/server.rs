//! A worker: plays episodes for others.

use super::protocol::{Link, Machine, Message, Patience};
use super::secret::{Secret, Tag};
use crate::engines::services;
use crate::terminal::note;
use burn::tensor::Device;
use pollster::block_on;
use protege_core::error::excerpt;
use protege_core::run::Guest;
use protege_core::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Jobs that are kept: the newest ones.
const JOBS: usize = 4;
/// How often somebody who waits is told that it goes on.
const SIGN: Duration = Duration::from_secs(1);
/// The longest time without a look at the wish to stop.
const GLANCE: Duration = Duration::from_millis(50);
/// How long a home may say nothing: it connects again when it has work.
const SILENCE: Duration = Duration::from_secs(600);
/// Connections at a time, beside those that play.
const SPARE: usize = 64;

/// Who serves, and what is shared among its connections.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    secret: Secret,
    machine: Machine,
    jobs: Mutex<VecDeque<(Tag, Arc<[u8]>)>>,
    lanes: Lanes,
    connections: AtomicUsize,
    played: AtomicU64,
}

impl Server {
    /// Listens at an address, to play `lanes` shares at a time.
    ///
    /// # Errors
    /// When it is not the loopback address and there is no token, or it cannot be listened at.
    pub fn listen(address: &str, lanes: usize, secret: Secret) -> Result<Self> {
        let address = super::address::local(address)?;
        if !address.ip().is_loopback() && secret.is_empty() {
            return Err(Error::input(format!(
                "a worker that listens at {address} could be used by anybody: give it a token in \
                 PROTEGE_TOKEN or --token-file, or listen at 127.0.0.1 behind a tunnel"
            )));
        }
        let failed = |error: std::io::Error| {
            Error::input(format!(
                "it cannot be listened at {address} ({error}): choose another port with --listen"
            ))
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let lanes = lanes.clamp(1, super::MOST_LANES);
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            secret,
            machine: super::machine(lanes)?,
            jobs: Mutex::default(),
            lanes: Lanes::of(lanes),
            connections: AtomicUsize::new(0),
            played: AtomicU64::new(0),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Episodes that it has played.
    pub fn played(&self) -> u64 {
        self.played.load(Ordering::SeqCst)
    }

    /// Plays for whoever connects, until somebody wishes to stop.
    pub fn serve(&self, stop: &AtomicBool) {
        std::thread::scope(|scope| {
            while !stop.load(Ordering::SeqCst) {
                let Ok((stream, from)) = self.listener.accept() else {
                    std::thread::sleep(GLANCE);
                    continue;
                };
                let most = self.lanes.count + SPARE;
                if self.connections.fetch_add(1, Ordering::SeqCst) >= most {
                    self.connections.fetch_sub(1, Ordering::SeqCst);
                    continue;
                }
                let serve = move || {
                    let served = || self.attend(stream, from, stop);
                    // What breaks here is this connection's business alone.
                    catch_unwind(AssertUnwindSafe(served)).ok();
                    self.connections.fetch_sub(1, Ordering::SeqCst);
                };
                let spawned = std::thread::Builder::new().spawn_scoped(scope, serve);
                if spawned.is_err() {
                    self.connections.fetch_sub(1, Ordering::SeqCst);
                }
            }
        });
    }

    /// Plays for who is at the other end of a connection, until it is lost.
    fn attend(&self, stream: TcpStream, from: SocketAddr, stop: &AtomicBool) {
        let greeted = stream
            .set_nonblocking(false)
            .and_then(|()| Link::worker(stream, &self.secret, &self.machine, stop));
        let mut link = match greeted {
            Ok(link) => link,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let why = excerpt(&error.to_string());
                return note(&format!("note: {} was refused: {why}", from.ip()));
            }
            Err(_) => return,
        };
        // One thread each: many shares side by side are faster than one on many threads.
        let _alone = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .use_current_thread()
            .build();
        let mut guest = None;
        while self.attend_once(&mut link, &mut guest, stop).is_ok() {}
    }

    /// Answers one message.
    fn attend_once(
        &self,
        link: &mut Link,
        guest: &mut Option<(Tag, Guest)>,
        stop: &AtomicBool,
    ) -> std::io::Result<()> {
        let Message::Play(job, seeds) = link.receive(Patience::of(SILENCE, stop))? else {
            return Err(ErrorKind::InvalidData.into());
        };
        if guest.as_ref().is_none_or(|(known, _)| *known != job) {
            let bytes = self.job(link, job, stop)?;
            match Guest::new(&bytes, Device::flex(), services(), 1) {
                Ok(new) => *guest = Some((job, new)),
                Err(error) => return link.send(&Message::Unable(error.to_string())),
            }
        }
        let Some((_, guest)) = guest else {
            return Err(ErrorKind::InvalidData.into());
        };
        let played = self.play(link, guest, &seeds, stop)?;
        if let Err(error) = played {
            guest.clear();
            return link.send(&Message::Unable(error.to_string()));
        }
        link.send(&Message::Done)
    }

    /// The job of this SHA-256, which home is asked for where it is not known.
    fn job(&self, link: &mut Link, wanted: Tag, stop: &AtomicBool) -> std::io::Result<Arc<[u8]>> {
        let known = || {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            let found = jobs.iter().find(|(job, _)| *job == wanted);
            found.map(|(_, bytes)| Arc::clone(bytes))
        };
        if let Some(bytes) = known() {
            return Ok(bytes);
        }
        link.send(&Message::Lacking)?;
        let Message::Job(bytes) = link.receive(Patience::of(SILENCE, stop))? else {
            return Err(ErrorKind::InvalidData.into());
        };
        if Tag::from(Sha256::digest(&bytes)) != wanted {
            return Err(ErrorKind::InvalidData.into());
        }
        let bytes: Arc<[u8]> = bytes.into();
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        // Another connection may have asked for it, too.
        if jobs.iter().all(|(job, _)| *job != wanted) {
            jobs.push_front((wanted, Arc::clone(&bytes)));
            jobs.truncate(JOBS);
        }
        Ok(bytes)
    }

    /// Plays episodes and sends each as it ends. The outer error is the connection's.
    fn play(
        &self,
        link: &mut Link,
        guest: &mut Guest,
        seeds: &[u64],
        stop: &AtomicBool,
    ) -> std::io::Result<Result<()>> {
        guest.clear();
        seeds.iter().for_each(|&seed| guest.give(seed));
        let mut told = Instant::now();
        let mut sign = |link: &mut Link| {
            if stop.load(Ordering::SeqCst) {
                return Err(ErrorKind::Interrupted.into());
            }
            if told.elapsed() > SIGN {
                told = Instant::now();
                link.send(&Message::Working)?;
            }
            Ok(())
        };
        let _lane = self.lanes.wait(|| sign(link))?;
        while !guest.is_idle() {
            sign(link)?;
            let ended = match block_on(guest.step()) {
                Ok(ended) => ended,
                Err(error) => return Ok(Err(error)),
            };
            for played in ended {
                match played.to_bytes() {
                    Ok(bytes) => link.send(&Message::Episode(bytes))?,
                    Err(error) => return Ok(Err(error)),
                }
                self.played.fetch_add(1, Ordering::SeqCst);
            }
        }
        Ok(Ok(()))
    }
}

/// Places for shares that are played at a time.
struct Lanes {
    count: usize,
    busy: Mutex<usize>,
    freed: Condvar,
}

/// A place that is taken until it is dropped.
struct Lane<'a>(&'a Lanes);

impl Lanes {
    fn of(count: usize) -> Self {
        Self {
            count,
            busy: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Waits for a place, and says now and then that it waits.
    fn wait(&self, mut sign: impl FnMut() -> std::io::Result<()>) -> std::io::Result<Lane<'_>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while *busy >= self.count {
            let waited = self.freed.wait_timeout(busy, SIGN);
            busy = waited.unwrap_or_else(PoisonError::into_inner).0;
            sign()?;
        }
        *busy += 1;
        Ok(Lane(self))
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        let mut busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        *busy -= 1;
        self.0.freed.notify_one();
    }
}
