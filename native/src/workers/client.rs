//! A run's way to its workers.
//!
//! Every lane of a worker has a thread here, with a connection of its own: it takes a share from
//! a phase that is open, has it played, and takes the next. A connection that nobody needs for a
//! while is closed; one that is lost is made again.

use super::board::{Bell, Board};
use super::protocol::{Link, Machine, Message, Patience};
use super::secret::Secret;
use super::{MOST_LANES, address};
use crate::interrupt;
use crate::terminal::note;
use protege_core::error::excerpt;
use protege_core::play::{Elsewhere, Played, Shape, Shares};
use protege_core::{Error, Result};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a worker may say nothing while it plays.
const SILENCE: Duration = Duration::from_secs(60);
/// Before a lost worker is looked for again.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a connection is kept that nobody needs.
const IDLE: Duration = Duration::from_secs(30);

/// Workers, and what is to be played. Dropped, it lets them go.
pub struct Client(Arc<Shared>);

struct Shared {
    workers: Vec<Worker>,
    secret: Secret,
    machine: Machine,
    boards: Mutex<Vec<Arc<Board>>>,
    bell: Bell,
    over: AtomicBool,
    stop: &'static AtomicBool,
}

/// Somebody who plays.
struct Worker {
    address: String,
    /// Whether the last try to reach it succeeded.
    there: AtomicBool,
    /// Whether it is not tried again.
    given_up: AtomicBool,
    lanes: AtomicUsize,
}

impl Client {
    /// The workers at these addresses, each `host:port`, which are greeted once. Who is not there
    /// is named in a note, and looked for again.
    ///
    /// # Errors
    /// When an address is none, or who is there is no worker of this version that knows the token.
    pub fn connect(addresses: &[String], secret: Secret) -> Result<Self> {
        addresses.iter().try_for_each(|text| address::check(text))?;
        let worker = |address: &String| Worker {
            address: address.clone(),
            there: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            lanes: AtomicUsize::new(0),
        };
        let shared = Arc::new(Shared {
            workers: addresses.iter().map(worker).collect(),
            secret,
            machine: super::machine(1)?,
            boards: Mutex::default(),
            bell: Bell::default(),
            over: AtomicBool::new(false),
            stop: interrupt::wish(),
        });
        for place in 0..shared.workers.len() {
            Self::meet(&shared, place)?;
        }
        Ok(Self(shared))
    }

    /// Greets a worker, and begins to have it play.
    fn meet(shared: &Arc<Shared>, place: usize) -> Result<()> {
        let worker = &shared.workers[place];
        match shared.dial(worker) {
            Ok((link, machine)) => {
                worker.there.store(true, Ordering::SeqCst);
                shared.compare(worker, &machine);
                Self::add_lanes(shared, place, &machine, Some(link));
            }
            Err(error) if is_final(&error) => {
                return Err(Error::input(format!(
                    "the worker at {} cannot be used: {error}",
                    worker.address
                )));
            }
            Err(error) => {
                note(&format!(
                    "note: the worker at {} is not there ({}): it is looked for now and then",
                    worker.address,
                    said(&error)
                ));
                Self::spawn(shared, place, None);
            }
        }
        Ok(())
    }

    /// Threads for the lanes of a worker beyond those that it has.
    fn add_lanes(shared: &Arc<Shared>, place: usize, machine: &Machine, link: Option<Link>) {
        let wanted = (machine.lanes as usize).clamp(1, MOST_LANES);
        let before = shared.workers[place]
            .lanes
            .fetch_max(wanted, Ordering::SeqCst);
        let mut link = link;
        for _ in before..wanted {
            Self::spawn(shared, place, link.take());
        }
    }

    /// A thread for a lane. Without one to spare, there is one lane less.
    fn spawn(shared: &Arc<Shared>, place: usize, link: Option<Link>) {
        let own = Arc::clone(shared);
        let work = move || own.drive(place, link);
        let _ = std::thread::Builder::new().spawn(work);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
        self.0.bell.ring();
    }
}

impl Elsewhere for Client {
    fn begin(&self, job: Vec<u8>, seeds: Vec<u64>, shape: Shape) -> Option<Box<dyn Shares>> {
        let shared = &self.0;
        let there = |worker: &Worker| worker.there.load(Ordering::SeqCst);
        if !shared.workers.iter().any(there) {
            return None;
        }
        let board = Arc::new(Board::new(job, seeds, shape));
        shared.boards().push(Arc::clone(&board));
        shared.bell.ring();
        Some(Box::new(Phase {
            board,
            shared: Arc::clone(shared),
        }))
    }
}

/// A phase that is open until it is dropped.
struct Phase {
    board: Arc<Board>,
    shared: Arc<Shared>,
}

impl Shares for Phase {
    fn take(&mut self) -> Option<u64> {
        self.board.take()
    }

    fn keep(&mut self, seed: u64) {
        self.board.keep(seed);
    }

    fn arrived(&mut self) -> Vec<Played> {
        self.board.arrived()
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        self.board.close();
        let mut boards = self.shared.boards();
        boards.retain(|board| !Arc::ptr_eq(board, &self.board));
    }
}

impl Shared {
    fn boards(&self) -> MutexGuard<'_, Vec<Arc<Board>>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst) || self.stop.load(Ordering::SeqCst)
    }

    /// Lanes of the workers that are there.
    fn lanes(&self) -> usize {
        let there = self
            .workers
            .iter()
            .filter(|worker| worker.there.load(Ordering::SeqCst));
        there
            .map(|worker| worker.lanes.load(Ordering::SeqCst))
            .sum()
    }

    /// Waits for work for some time.
    fn work(&self, time: Duration) -> Option<Arc<Board>> {
        let begun = Instant::now();
        let mut boards = self.boards();
        loop {
            let open = boards.iter().position(|board| board.has_work());
            if let Some(open) = open {
                let board = Arc::clone(&boards[open]);
                // The next one comes from another run, where there are several.
                boards.rotate_left(open + 1);
                return Some(board);
            }
            let left = time.saturating_sub(begun.elapsed());
            if left.is_zero() || self.is_over() {
                return None;
            }
            boards = self.bell.wait(boards, left.min(Duration::from_millis(200)));
        }
    }

    /// Has a lane of a worker play as long as there is a run.
    fn drive(self: &Arc<Self>, place: usize, mut link: Option<Link>) {
        let worker = &self.workers[place];
        while !self.is_over() && !worker.given_up.load(Ordering::SeqCst) {
            let there = worker.there.load(Ordering::SeqCst);
            let Some(board) = self.work(if there { IDLE } else { PAUSE }) else {
                link = None;
                if !there {
                    // It may be back by the next phase.
                    link = self.dialed(place);
                }
                continue;
            };
            if link.is_none() {
                link = self.dialed(place);
            }
            let Some(open) = &mut link else {
                self.rest();
                continue;
            };
            if let Err(error) = self.play(open, &board) {
                link = None;
                self.lost(worker, &error);
            }
        }
    }

    /// Waits before another try.
    fn rest(&self) {
        let begun = Instant::now();
        while begun.elapsed() < PAUSE && !self.is_over() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A new connection to a worker, if it is there.
    fn dialed(self: &Arc<Self>, place: usize) -> Option<Link> {
        let worker = &self.workers[place];
        match self.dial(worker) {
            Ok((link, machine)) => {
                if !worker.there.swap(true, Ordering::SeqCst) {
                    note(&format!("note: the worker at {} is there", worker.address));
                    self.compare(worker, &machine);
                }
                // This thread counts as its first lane, if nobody knew how many there are.
                worker.lanes.fetch_max(1, Ordering::SeqCst);
                Client::add_lanes(self, place, &machine, None);
                Some(link)
            }
            Err(error) => {
                self.lost(worker, &error);
                None
            }
        }
    }

    fn dial(&self, worker: &Worker) -> std::io::Result<(Link, Machine)> {
        let mut last = std::io::Error::from(ErrorKind::NotFound);
        for address in address::resolve(&worker.address)? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => return Link::home(stream, &self.secret, self.stop),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Says once that a worker is away, and gives it up where that will not pass.
    fn lost(&self, worker: &Worker, error: &std::io::Error) {
        if self.is_over() {
            return;
        }
        let gives_up = is_final(error) && !worker.given_up.swap(true, Ordering::SeqCst);
        if !worker.there.swap(false, Ordering::SeqCst) && !gives_up {
            return;
        }
        let why = said(error);
        let further = if gives_up { "is given up" } else { "is lost" };
        let there = |worker: &Worker| worker.there.load(Ordering::SeqCst);
        let rest = if self.workers.iter().any(there) {
            "others play its episodes"
        } else {
            "all is played here until a worker is there"
        };
        note(&format!(
            "note: the worker at {} {further} ({why}): {rest}",
            worker.address
        ));
    }

    /// Says where a worker may compute other bits.
    fn compare(&self, worker: &Worker, machine: &Machine) {
        if machine.fingerprint != self.machine.fingerprint {
            note(&format!(
                "note: the worker at {} computes other last digits than this machine ({}, here \
                 {}): results are as good, but not equal to the bit to those without it",
                worker.address,
                excerpt(&machine.cpu),
                self.machine.cpu
            ));
        }
    }

    /// Has a share played, if there is one.
    fn play(&self, link: &mut Link, board: &Board) -> std::io::Result<()> {
        let mut share = board.share(self.lanes());
        if share.is_empty() {
            return Ok(());
        }
        let played = self.play_all(link, board, &mut share);
        if !share.is_empty() {
            board.give_back(&share);
            self.bell.ring();
        }
        played
    }

    /// Has a share played; what arrives leaves it.
    fn play_all(
        &self,
        link: &mut Link,
        board: &Board,
        share: &mut Vec<u64>,
    ) -> std::io::Result<()> {
        link.send(&Message::Play(board.name, share.clone()))?;
        loop {
            match link.receive(Patience::of(SILENCE, self.stop))? {
                Message::Lacking => link.send(&Message::Job(board.job.clone()))?,
                Message::Working => {}
                Message::Episode(bytes) => {
                    let played = board.shape.read(&bytes).map_err(wrong)?;
                    let asked = share.iter().position(|&seed| seed == played.seed);
                    let asked = asked.ok_or_else(|| wrong("it played what it was not asked"))?;
                    share.remove(asked);
                    board.arrive(played);
                }
                Message::Done if share.is_empty() => return Ok(()),
                Message::Done => return Err(wrong("it left out what it was asked")),
                Message::Unable(why) => return Err(wrong(why)),
                Message::Play(..) | Message::Job(_) => return Err(wrong("it speaks as a home")),
            }
            if self.over.load(Ordering::SeqCst) {
                return Err(ErrorKind::Interrupted.into());
            }
        }
    }
}

/// What a worker of this version does not do.
fn wrong(why: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::new(ErrorKind::InvalidData, why.to_string())
}

/// Whether another try will not help.
fn is_final(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::InvalidData
    )
}

/// An error in words that help.
fn said(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "it does not answer in time".to_owned(),
        ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
            "the connection was lost".to_owned()
        }
        _ => error.to_string(),
    }
}
