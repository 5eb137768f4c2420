//! Teach it yourself: steer the hand, record demonstrations, and let policies learn from them.

use crate::client::{Client, WorkerMessage};
use crate::controls::{self, Changed};
use crate::frame::{self, Command, Controls, Events, Frame};
use crate::race::{self, Lesson, Race, download, read};
use crate::stage::{Stage, looks};
use crate::words;
use gloo::events::EventListener;
use gloo::render::{AnimationFrame, request_animation_frame};
use protege_core::sim::Drawing;
use protege_web::Choice;
use protege_web::protocol::{DemoOutcome, Event, File, Request, Steering, TeachingState};
use serde_json::json;
use std::collections::BTreeSet;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::KeyboardEvent;
use yew::html::Scope;
use yew::{Callback, Component, Context, Html, Properties, html};

/// Control steps per second of the robot's time.
const STEPS_PER_S: f64 = 80.0;
/// How far ahead of the hand keys and sticks aim (m): full speed.
const AHEAD: f64 = 0.05;
/// Fewest control steps per request: a request per picture would be too many.
const BATCH: f64 = 2.0;
/// Most control steps that are caught up on after a hitch.
const LATE: f64 = 12.0;

/// What teaching is about.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// The surroundings.
    pub frame: Frame,
    /// The settings at the beginning: the task, the seed, and how policies learn from it.
    pub choice: Choice,
    /// Whom to tell.
    pub events: Events,
}

/// What can happen.
pub enum Msg {
    /// The worker of this generation has news.
    WorkerMessage(u32, WorkerMessage),
    /// The pointer holds the hand, or lets it go.
    Dragged([f64; 3], bool),
    /// A key is pressed or released.
    Key(KeyboardEvent, bool),
    /// A picture is about to be drawn, at this time (ms).
    Tick(f64),
    /// Open or close the gripper.
    Grip,
    /// The present demonstration from its start.
    Again,
    /// Show one.
    Replay(usize),
    /// Forget one.
    Forget(usize),
    /// The race that learns is there.
    Joined(Scope<Race>),
    /// The demonstrations of the lesson are in a file.
    LessonSaved,
    /// The address bar was changed.
    Hash,
    /// Colors or motion are wanted otherwise.
    Adapt,
    /// Give me the file.
    Save,
    /// A file was chosen.
    Chosen(web_sys::File),
    /// It was read.
    Loaded(Result<Vec<u8>, String>),
    /// Policies should learn from what was recorded.
    Learn,
    /// A setting is changed.
    Set(&'static str, String),
    /// The worker from the beginning.
    Restart,
    /// From outside.
    Command(Command),
}

/// Who steers, and where to.
#[derive(Default)]
struct Hands {
    /// The pointer's target, while it holds the hand.
    pointer: Option<[f64; 3]>,
    keys: BTreeSet<String>,
    closed: bool,
    /// Whether the gamepad's button was down at the last look.
    button: bool,
}

/// A task that is taught.
struct Session {
    client: Client,
    /// News of its worker come with this number.
    generation: u32,
    scene: Option<Drawing>,
    state: Option<TeachingState>,
    /// What policies learn from, once they should.
    lesson: Option<Lesson>,
    /// Why its worker does no more, if so.
    failed: Option<String>,
}

/// The teaching's state.
pub struct Teach {
    choice: Choice,
    session: Session,
    /// What was taught of other tasks, and from other seeds: it stays until the page is left.
    others: Vec<(Choice, Session)>,
    /// Sessions and lessons so far.
    made: u32,
    /// How many demonstrations are in no file, as was told outside.
    unsaved: usize,
    stage: Stage,
    hands: Hands,
    /// How much slower than the robot's the teacher's time is.
    pace: f64,
    last_tick: f64,
    owed: f64,
    /// Whether a request to steer is on its way.
    waiting: bool,
    /// The race that learns from the lesson.
    race: Option<Scope<Race>>,
    message: String,
    _listeners: Vec<EventListener>,
    frame: Option<AnimationFrame>,
}

impl Component for Teach {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let props = ctx.props();
        let mut teach = Self {
            choice: props.choice.clone(),
            session: Session::new(ctx, 0),
            others: Vec::new(),
            made: 0,
            unsaved: 0,
            stage: Stage::new("post-bc"),
            hands: Hands::default(),
            pace: 0.25,
            last_tick: 0.0,
            owed: 0.0,
            waiting: false,
            race: None,
            message: "Take the hand and drag it. Time moves only while you do.".into(),
            _listeners: listeners(ctx),
            frame: None,
        };
        teach.tick(ctx);
        teach
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::WorkerMessage(generation, news) if generation == self.session.generation => {
                self.on_message(ctx, news)
            }
            Msg::WorkerMessage(generation, news) => {
                self.on_message_of_another(ctx, generation, news);
                return false;
            }
            Msg::Dragged(target, active) => {
                self.hands.pointer = active.then_some(target);
                return false;
            }
            Msg::Key(event, down) => return self.key(ctx, &event, down),
            Msg::Tick(time) => {
                let changed = self.play(time);
                self.tick(ctx);
                return changed;
            }
            Msg::Grip => self.hands.closed = !self.hands.closed,
            Msg::Again => self.send(&Request::Again),
            Msg::Replay(index) => {
                self.stage.cut();
                self.stage.set_speed(1.0);
                self.send(&Request::Replay(index));
            }
            Msg::Forget(index) => self.send(&Request::Forget(index)),
            Msg::Save => self.send(&Request::Save(File::Demos)),
            Msg::Learn => self.send(&Request::Lesson),
            Msg::LessonSaved => self.send(&Request::LessonSaved),
            Msg::Joined(race) => {
                self.race = Some(race);
                return false;
            }
            Msg::Chosen(file) => {
                read(ctx.link().callback(Msg::Loaded), file);
                return false;
            }
            Msg::Loaded(Ok(bytes)) => self.send(&Request::Load(bytes)),
            Msg::Loaded(Err(sentence)) => self.message = sentence,
            Msg::Set("pace", value) => self.pace = value.parse().unwrap_or(self.pace),
            Msg::Set(key, value) => {
                let choice = self.choice.with(key, &value);
                self.turn(ctx, choice.map_err(|error| error.to_string()));
            }
            Msg::Hash => self.turn(ctx, race::addressed()),
            Msg::Adapt => {
                self.stage.adapt();
                return false;
            }
            Msg::Restart => self.begin(ctx),
            Msg::Command(Command::Reset) => self.begin(ctx),
            Msg::Command(Command::Set { options }) => {
                let choice = frame::change(&self.choice, &options);
                if let Err(sentence) = &choice {
                    ctx.props().events.error(sentence);
                }
                self.turn(ctx, choice);
            }
            Msg::Command(command) => {
                if let Some(race) = &self.race {
                    race.send_message(race::Msg::Command(command));
                }
                return false;
            }
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let down = ctx.link().callback(|event| Msg::Key(event, true));
        let up = ctx.link().callback(|event| Msg::Key(event, false));
        let race = self.session.lesson.clone().map(|lesson| {
            let choice = self.choice.clone();
            let frame = Frame {
                autostart: true,
                hash: false,
                ..props.frame.clone()
            };
            let events = props.events.clone();
            let many = if lesson.count == 1 { "" } else { "s" };
            let title = format!(
                "Learning from {} demonstration{many} of yours",
                lesson.count
            );
            html! {
                <section class="protege-learn" aria-label="Learning from you">
                    <h3>{ title }</h3>
                    <Race {frame} {choice} {events} lesson={Some(lesson)} />
                </section>
            }
        });
        html! {
            <div class="protege"><div class="protege-teach">
                <div class="hands">
                    <div class="picture" onkeydown={down} onkeyup={up}>
                        { self.stage.html(
                            "The robot's hand, in 3D. Arrow keys or WASD move it, R and F raise \
                             and lower it, space closes the gripper.",
                        ) }
                        // One sibling, however much is in it: the canvas must stay the element that
                        // it is.
                        <div class="over">
                            { self.clock() }
                            { for self.session.failed.as_ref().map(|why| self.failure(ctx, why)) }
                        </div>
                    </div>
                    <p class="message" aria-live="polite">
                        { words::sentence_with_code(&self.message) }
                    </p>
                    { self.buttons(ctx) }
                </div>
                { self.side(ctx) }
                { for race }
            </div></div>
        }
    }
}

impl Teach {
    /// The task from the beginning.
    fn begin(&mut self, ctx: &Context<Self>) {
        self.made += 1;
        self.session = Session::new(ctx, self.made);
        self.rest();
        self.count(ctx);
    }

    /// Nobody steers, and nobody learns.
    fn rest(&mut self) {
        self.race = None;
        self.waiting = false;
        self.hands = Hands::default();
        self.owed = 0.0;
    }

    /// Turns to other settings. What was taught of a task is there when its turn comes again.
    fn turn(&mut self, ctx: &Context<Self>, choice: Result<Choice, String>) {
        let choice = match choice {
            Ok(choice) => choice,
            Err(sentence) => {
                self.message = sentence;
                return;
            }
        };
        let known = |of: &Choice| of.task == choice.task && of.seed == choice.seed;
        let same = known(&self.choice);
        let place = self.others.iter().position(|(of, _)| known(of));
        let before = std::mem::replace(&mut self.choice, choice);
        if ctx.props().frame.hash {
            race::show_hash(&self.choice.to_hash());
        }
        if same {
            return;
        }
        let session = match place {
            Some(place) => self.others.swap_remove(place).1,
            None => {
                self.made += 1;
                Session::new(ctx, self.made)
            }
        };
        let mut left = std::mem::replace(&mut self.session, session);
        left.lesson = None;
        if left.failed.is_none() {
            self.others.push((before, left));
        }
        self.rest();
        if let Some(scene) = self.session.scene.take() {
            self.set_scene(ctx, scene);
            self.send(&Request::Again);
        }
    }

    fn send(&self, request: &Request) {
        self.session.client.send(request);
    }

    fn set_scene(&mut self, ctx: &Context<Self>, scene: Drawing) {
        self.stage.set(&scene, Callback::noop());
        let link = ctx.link();
        self.stage
            .drag(link.callback(|(target, active)| Msg::Dragged(target, active)));
        self.session.scene = Some(scene);
    }

    /// Tells how many demonstrations are in no file: a page can ask before it is left.
    fn count(&mut self, ctx: &Context<Self>) {
        let others = self.others.iter().map(|(_, session)| session.unsaved());
        let unsaved = self.session.unsaved() + others.sum::<usize>();
        if unsaved != self.unsaved {
            self.unsaved = unsaved;
            let event = json!({ "type": "unsaved", "count": unsaved });
            ctx.props().events.emit(&event);
        }
    }

    /// News of a session whose turn it is not.
    fn on_message_of_another(&mut self, ctx: &Context<Self>, of: u32, news: WorkerMessage) {
        let mut others = self.others.iter_mut();
        let Some((choice, session)) = others.find(|(_, session)| session.generation == of) else {
            return;
        };
        match news {
            WorkerMessage::Died(why) => session.failed = Some(why),
            WorkerMessage::Event(Event::Hello) => session.begin(choice),
            WorkerMessage::Event(Event::Scene(scene)) => session.scene = Some(scene),
            WorkerMessage::Event(Event::TeachingState(state)) => session.state = Some(state),
            WorkerMessage::Event(Event::Saved(file, bytes)) => download(file.name(), &bytes),
            WorkerMessage::Event(_) => return,
        }
        self.count(ctx);
    }

    fn on_message(&mut self, ctx: &Context<Self>, news: WorkerMessage) {
        match news {
            WorkerMessage::Died(why) => {
                ctx.props().events.error(&why);
                self.session.failed = Some(why);
                self.count(ctx);
            }
            WorkerMessage::Event(Event::Hello) => self.session.begin(&self.choice),
            WorkerMessage::Event(Event::Scene(scene)) => {
                self.set_scene(ctx, scene);
                ctx.props().events.emit(&json!({ "type": "ready" }));
            }
            WorkerMessage::Event(Event::Clip(clip)) => self.stage.show(&clip),
            WorkerMessage::Event(Event::TeachingState(teaching_state)) => {
                self.record_progress(ctx, teaching_state)
            }
            WorkerMessage::Event(Event::Lesson(bytes)) => {
                self.made += 1;
                self.session.lesson = Some(Lesson {
                    number: self.made,
                    count: self.session.recorded().len(),
                    demos: Rc::new(bytes),
                    joined: ctx.link().callback(Msg::Joined),
                    saved: ctx.link().callback(|()| Msg::LessonSaved),
                });
            }
            WorkerMessage::Event(Event::Saved(file, bytes)) => download(file.name(), &bytes),
            WorkerMessage::Event(Event::Refused(sentence)) => {
                self.waiting = false;
                self.message = sentence;
            }
            WorkerMessage::Event(
                Event::LearningProgress(_) | Event::Studied { .. } | Event::Speed(_) | Event::Fits,
            ) => {}
        }
    }

    fn record_progress(&mut self, ctx: &Context<Self>, teaching_state: TeachingState) {
        self.waiting = false;
        let count = teaching_state.recorded.len();
        match teaching_state.news {
            Some(DemoOutcome::Kept) => {
                self.message =
                    format!("Well done. That is demonstration {count}; here is the next start.");
                self.let_go();
                ctx.props()
                    .events
                    .emit(&json!({ "type": "demonstration", "count": count }));
            }
            Some(DemoOutcome::TimeUp) => {
                self.message = "The time is up, so this one is not kept. The same start again: a \
                    little quicker."
                    .into();
                self.let_go();
            }
            None => {
                let before = self.session.recorded().len();
                if let Some(loaded) = count.checked_sub(before).filter(|&loaded| loaded > 0) {
                    self.message = format!("Demonstrations loaded from the file: {loaded}.");
                }
            }
        }
        self.session.state = Some(teaching_state);
        self.count(ctx);
    }

    /// After the end of a demonstration the hand is nobody's, and open.
    fn let_go(&mut self) {
        self.hands.pointer = None;
        self.hands.closed = false;
        self.owed = 0.0;
    }

    /// Looks at the hands before the next picture.
    fn tick(&mut self, ctx: &Context<Self>) {
        let link = ctx.link().clone();
        self.frame = Some(request_animation_frame(move |time| {
            link.send_message(Msg::Tick(time))
        }));
    }

    /// Moves the hand for the time that has passed, if somebody holds it; whether something else
    /// changed.
    fn play(&mut self, time: f64) -> bool {
        let passed = ((time - self.last_tick) / 1000.0).clamp(0.0, 0.1);
        self.last_tick = time;
        let changed = self.hands.press();
        let Some(hand) = self.session.state.as_ref().map(|state| state.hand) else {
            return changed;
        };
        let Some(target) = self.hands.target(hand) else {
            self.owed = 0.0;
            return changed;
        };
        self.owed = (self.owed + passed * STEPS_PER_S * self.pace).min(LATE);
        if self.owed >= BATCH && !self.waiting && self.session.failed.is_none() {
            self.stage.set_speed(self.pace);
            let steps = self.owed.floor();
            self.owed -= steps;
            self.waiting = true;
            self.send(&Request::Steer(Steering {
                target,
                closed: self.hands.closed,
                steps: steps as usize,
            }));
        }
        changed
    }

    fn key(&mut self, ctx: &Context<Self>, event: &KeyboardEvent, down: bool) -> bool {
        let key = event.key().to_lowercase();
        if key == " " {
            event.prevent_default();
            return down && !event.repeat() && self.update(ctx, Msg::Grip);
        }
        if direction(&key).is_none() || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return false;
        }
        event.prevent_default();
        if down {
            self.hands.keys.insert(key);
        } else {
            self.hands.keys.remove(&key);
        }
        false
    }

    fn clock(&self) -> Html {
        let Some(state) = &self.session.state else {
            return html! {};
        };
        let (now, limit) = state.seconds;
        html! {
            <label class="clock">
                { format!("{now:.1} s of {limit:.0} s") }
                <progress max={limit.to_string()} value={now.to_string()}></progress>
            </label>
        }
    }

    fn failure(&self, ctx: &Context<Self>, why: &str) -> Html {
        html! {
            <div class="failure" role="alert">
                <p>{ format!("The worker has stopped: {why}") }</p>
                <button type="button" onclick={ctx.link().callback(|_| Msg::Restart)}>
                    { "Start it again" }
                </button>
            </div>
        }
    }

    fn buttons(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        let pace = link.batch_callback(|event| {
            controls::moving(&event).map(|value| Msg::Set("pace", value.to_string()))
        });
        html! {
            <div class="protege-toolbar" role="toolbar" aria-label="Hand">
                <button
                    type="button"
                    class="go"
                    aria-pressed={self.hands.closed.to_string()}
                    onclick={link.callback(|_| Msg::Grip)}
                >
                    { if self.hands.closed { "Open the gripper" } else { "Close the gripper" } }
                </button>
                <button type="button" onclick={link.callback(|_| Msg::Again)}>
                    { "Begin again" }
                </button>
                <label>
                    { "Pace" }
                    <input
                        type="range"
                        min="0.1"
                        max="1"
                        step="0.05"
                        value={self.pace.to_string()}
                        oninput={pace}
                    />
                    <output>{ format!("{}\u{d7}", self.pace) }</output>
                </label>
            </div>
        }
    }

    fn side(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        let changed: Changed = link.callback(|(key, value)| Msg::Set(key, value));
        let recorded = self.session.recorded();
        let tasks = words::tasks();
        let about = tasks
            .iter()
            .find(|task| task.0 == self.choice.task)
            .map_or("", |task| task.2);
        let names: Vec<_> = tasks.iter().map(|&(id, name, _)| (id, name)).collect();
        let row = |(i, seconds): (usize, &f64)| {
            html! {
                <li>
                    <span>{ format!("Demonstration {}: {seconds:.1} s", i + 1) }</span>
                    <button
                        type="button"
                        onclick={link.callback(move |_| Msg::Replay(i))}
                        aria-label={format!("Replay demonstration {}", i + 1)}
                    >
                        { "Replay" }
                    </button>
                    <button
                        type="button"
                        onclick={link.callback(move |_| Msg::Forget(i))}
                        aria-label={format!("Delete demonstration {}", i + 1)}
                    >
                        { "Delete" }
                    </button>
                </li>
            }
        };
        let chosen = link.batch_callback(|event: web_sys::Event| {
            Some(Msg::Chosen(controls::input(&event)?.files()?.get(0)?))
        });
        let none = recorded.is_empty();
        html! {
            <aside class="side" aria-label="Demonstrations">
                if ctx.props().frame.controls == Controls::Full {
                    { controls::select("task", "Task", about, &names, &self.choice.task, &changed) }
                }
                <h3>{ format!("Your demonstrations: {}", recorded.len()) }</h3>
                if none {
                    <p class="about">
                        { "None yet. Bring the hand to the object, close the gripper, and do what \
                           the task asks." }
                    </p>
                }
                <ol>{ for recorded.iter().enumerate().map(row) }</ol>
                <div class="protege-files">
                    <button
                        type="button"
                        class="go"
                        disabled={none}
                        onclick={link.callback(|_| Msg::Learn)}
                    >
                        { "Learn from these" }
                    </button>
                    <button
                        type="button"
                        disabled={none}
                        onclick={link.callback(|_| Msg::Save)}
                    >
                        { "Save" }
                    </button>
                    <label class="file">
                        { "Load" }
                        <input type="file" accept=".safetensors" onchange={chosen} />
                    </label>
                </div>
            </aside>
        }
    }
}

impl Session {
    /// A worker of this generation, which says when it is there.
    fn new(ctx: &Context<Teach>, generation: u32) -> Self {
        let news = move |news| Msg::WorkerMessage(generation, news);
        let base = &ctx.props().frame.base;
        Self {
            client: Client::new(base, "cpu", ctx.link().callback(news)),
            generation,
            scene: None,
            state: None,
            lesson: None,
            failed: None,
        }
    }

    /// Begins once the worker is there.
    fn begin(&self, choice: &Choice) {
        self.client.send(&Request::Teach {
            task: choice.task.clone(),
            seed: choice.seed,
        });
    }

    /// Seconds of each recorded demonstration.
    fn recorded(&self) -> &[f64] {
        let state = self.state.as_ref();
        state.map_or(&[], |state| &state.recorded)
    }

    /// Demonstrations that are in no file, and could be saved.
    fn unsaved(&self) -> usize {
        let state = self.state.as_ref().filter(|_| self.failed.is_none());
        state.map_or(0, |state| state.unsaved)
    }
}

impl Hands {
    /// Where the hand should go, if somebody holds it: the pointer's place, else ahead in the
    /// direction of keys and sticks.
    fn target(&self, hand: [f64; 3]) -> Option<[f64; 3]> {
        if self.pointer.is_some() {
            return self.pointer;
        }
        let keys = self.keys.iter().filter_map(|key| direction(key));
        let sum = keys
            .chain(gamepad().map(|pad| pad.0))
            .fold([0.0; 3], |sum, d| [0, 1, 2].map(|i| sum[i] + d[i]));
        let moves = sum.iter().any(|v| v.abs() > 0.15);
        moves.then(|| [0, 1, 2].map(|i| hand[i] + AHEAD * sum[i].clamp(-1.0, 1.0)))
    }

    /// The gamepad's button works the gripper; whether it did.
    fn press(&mut self) -> bool {
        let down = gamepad().is_some_and(|pad| pad.1);
        let pressed = down && !self.button;
        self.button = down;
        self.closed ^= pressed;
        pressed
    }
}

/// Where a key moves the hand. The camera looks along y.
fn direction(key: &str) -> Option<[f64; 3]> {
    Some(match key {
        "arrowleft" | "a" => [-1.0, 0.0, 0.0],
        "arrowright" | "d" => [1.0, 0.0, 0.0],
        "arrowup" | "w" => [0.0, 1.0, 0.0],
        "arrowdown" | "s" => [0.0, -1.0, 0.0],
        "r" | "pageup" => [0.0, 0.0, 1.0],
        "f" | "pagedown" => [0.0, 0.0, -1.0],
        _ => return None,
    })
}

/// The first gamepad's direction, and whether its first button is down.
fn gamepad() -> Option<([f64; 3], bool)> {
    let pads = web_sys::window()?.navigator().get_gamepads().ok()?;
    let pad: web_sys::Gamepad = pads
        .iter()
        .find(|pad| !pad.is_null() && !pad.is_undefined())?
        .unchecked_into();
    let axis = |i: u32| pad.axes().get(i).as_f64().unwrap_or(0.0);
    let button = pad
        .buttons()
        .get(0)
        .dyn_into::<web_sys::GamepadButton>()
        .is_ok_and(|button| button.pressed());
    Some(([axis(0), -axis(1), -axis(3)], button))
}

fn listeners(ctx: &Context<Teach>) -> Vec<EventListener> {
    let link = ctx.link().clone();
    let mut listeners = looks(&link.callback(|()| Msg::Adapt));
    if let Some(window) = web_sys::window().filter(|_| ctx.props().frame.hash) {
        let tell = move |_: &web_sys::Event| link.send_message(Msg::Hash);
        listeners.push(EventListener::new(&window, "hashchange", tell));
    }
    listeners
}
