//! The race: several policies learn the same task side by side, each in a worker of its own.

use crate::chart::chart;
use crate::client::{Client, WorkerMessage, ask_gpu};
use crate::controls::{self, Changed};
use crate::form::Form;
use crate::frame::{self, Command, Controls, Events, Frame};
use crate::run_panel::RunPanel;
use crate::stage::looks;
use crate::words;
use gloo::events::EventListener;
use protege_core::method::Insight;
use protege_core::run::FinetuneMethod;
use protege_web::Choice;
use protege_web::protocol::{Event, File, LearningProgress, Request};
use serde_json::json;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use yew::html::Scope;
use yew::{Callback, Component, Context, Html, Properties, html};

/// What a race is about.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// The surroundings.
    pub frame: Frame,
    /// The settings at the beginning.
    pub choice: Choice,
    /// Whom to tell.
    pub events: Events,
    /// What to learn from, instead of the scripted demonstrator.
    pub lesson: Option<Lesson>,
}

/// Demonstrations of a visitor. A race that gets another lesson begins anew, with the settings that
/// it has.
#[derive(Clone)]
pub struct Lesson {
    /// Another number is another lesson.
    pub number: u32,
    /// How many demonstrations there are.
    pub count: usize,
    /// The demonstrations file.
    pub demos: Rc<Vec<u8>>,
    /// The race there is, for those who command it.
    pub joined: Callback<Scope<Race>>,
    /// The visitor has the demonstrations as a file.
    pub saved: Callback<()>,
}

impl PartialEq for Lesson {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// What can happen.
pub enum Msg {
    /// A worker of this generation and lane has news.
    WorkerMessage(u32, usize, WorkerMessage),
    /// This lane's picture needs more.
    Need(u32, usize),
    /// Learn, or rest.
    Go(bool),
    /// One step.
    Step,
    /// From the beginning.
    Reset,
    /// A dead lane from the beginning.
    Restart(usize),
    /// A setting is changed.
    Set(&'static str, String),
    /// The address bar was changed.
    Hash,
    /// The page was hidden or shown.
    Visible(bool),
    /// Colors or motion are wanted otherwise.
    Adapt,
    /// A file is wanted of this lane.
    Save(usize, File),
    /// A file was chosen.
    Chosen(File, web_sys::File),
    /// It was read.
    Loaded(File, Result<Vec<u8>, String>),
    /// Whether the GPU will do: an empty string, or why not.
    Gpu(String),
    /// The worker that measures the CPU has news.
    Probe(WorkerMessage),
    /// From outside.
    Command(Command),
}

/// The race's state.
pub struct Race {
    choice: Choice,
    /// Made once: the form is drawn anew only when something of it changes.
    changed: Changed,
    panels: Vec<RunPanel>,
    /// Counts how often all began anew: news from before is of no interest.
    generation: u32,
    running: bool,
    hidden: bool,
    demos: Option<Rc<Vec<u8>>>,
    policy: Option<Rc<Vec<u8>>>,
    /// A file that a visitor brought, while a worker looks whether it fits.
    brought: Option<(File, Rc<Vec<u8>>)>,
    /// Why there is no learning on the GPU, empty where there is; unknown at first.
    gpu: Option<String>,
    /// Milliseconds of a step of learning on CPU and GPU, once they were measured.
    speeds: (Option<f64>, Option<f64>),
    /// Measures the CPU beside the GPU.
    probe: Option<Client>,
    /// One sentence about what was refused.
    refused: Option<String>,
    /// What a screen reader is told.
    spoken: String,
    _listeners: Vec<EventListener>,
}

impl Component for Race {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let props = ctx.props();
        let mut race = Self {
            choice: props.choice.clone(),
            changed: ctx.link().callback(|(key, value)| Msg::Set(key, value)),
            panels: Vec::new(),
            generation: 0,
            running: props.frame.autostart,
            hidden: false,
            demos: None,
            policy: None,
            brought: None,
            gpu: None,
            speeds: (None, None),
            probe: None,
            refused: None,
            spoken: String::new(),
            _listeners: listeners(ctx),
        };
        ask_gpu(&props.frame.base, ctx.link().callback(Msg::Gpu));
        if let Some(lesson) = &props.lesson {
            lesson.joined.emit(ctx.link().clone());
        }
        race.take_up(props.lesson.as_ref());
        race.begin(ctx);
        race
    }

    fn changed(&mut self, ctx: &Context<Self>, old: &Props) -> bool {
        let Props { choice, lesson, .. } = ctx.props();
        let choice = self.choice.follow(&old.choice, choice);
        if *lesson == old.lesson {
            self.set(ctx, |_| Ok(choice.clone()));
        } else {
            self.choice = choice;
            self.running = true;
            self.take_up(lesson.as_ref());
            self.begin(ctx);
        }
        true
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::WorkerMessage(generation, lane, news) if generation == self.generation => {
                self.on_message(ctx, lane, news)
            }
            Msg::Need(generation, lane) if generation == self.generation => {
                if self.playing() {
                    self.panels[lane].ask();
                }
                return false;
            }
            Msg::WorkerMessage(..) | Msg::Need(..) => return false,
            Msg::Go(running) => self.go(ctx, running),
            Msg::Step => {
                self.running = false;
                self.panels
                    .iter()
                    .for_each(|lane| lane.stage.set_speed(self.choice.speed));
                self.request(&Request::Step);
                self.tell(ctx);
            }
            Msg::Reset => self.begin(ctx),
            Msg::Restart(lane) => {
                let fresh = self.panel(ctx, lane);
                self.panels[lane] = fresh;
            }
            Msg::Set(key, value) => self.set(ctx, |choice| {
                choice.with(key, &value).map_err(|e| e.to_string())
            }),
            Msg::Hash => self.set(ctx, |_| addressed()),
            Msg::Visible(visible) => {
                self.hidden = !visible;
                self.pass_on();
            }
            Msg::Adapt => self.panels.iter().for_each(|lane| lane.stage.adapt()),
            Msg::Save(lane, file) => self.panels[lane].send(&Request::Save(file)),
            Msg::Chosen(kind, file) => {
                read(
                    ctx.link().callback(move |bytes| Msg::Loaded(kind, bytes)),
                    file,
                );
                return false;
            }
            Msg::Loaded(kind, bytes) => self.load(kind, bytes),
            Msg::Gpu(lacks) => self.gpu = Some(lacks),
            Msg::Probe(WorkerMessage::Event(Event::Hello)) => self
                .probe
                .iter()
                .for_each(|probe| probe.send(&Request::Speed)),
            Msg::Probe(WorkerMessage::Event(Event::Speed(ms))) => {
                self.speeds.0 = Some(ms);
                self.probe = None;
            }
            Msg::Probe(_) => return false,
            Msg::Command(command) => return self.command(ctx, command),
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let controls = ctx.props().frame.controls;
        let curves: Vec<_> = self
            .panels
            .iter()
            .map(|lane| (lane.pretrain.as_str(), &lane.curve))
            .collect();
        html! {
            <div class="protege protege-race">
                if controls != Controls::None { { self.toolbar(ctx) } }
                { for self.refused.as_ref().map(|sentence| html! {
                    <p class="protege-refused" role="alert">
                        { words::sentence_with_code(sentence) }
                    </p>
                }) }
                <div class={format!("protege-lanes of-{}", self.panels.len())}>
                    { for self.panels.iter().enumerate().map(|(i, lane)| {
                        lane.html(ctx.link().callback(move |()| Msg::Restart(i)))
                    }) }
                </div>
                { legend(&self.choice.finetune) }
                { chart(&curves) }
                if controls == Controls::Full { { self.settings(ctx) } }
                <p class="protege-spoken" aria-live="polite">{ &self.spoken }</p>
            </div>
        }
    }
}

impl Race {
    /// What is learned from, at the next beginning.
    fn take_up(&mut self, lesson: Option<&Lesson>) {
        let Some(lesson) = lesson else { return };
        self.demos = Some(lesson.demos.clone());
        self.choice.demos = lesson.count;
        self.policy = None;
        self.brought = None;
    }

    /// The visitor gets a file.
    fn hand_over(&self, ctx: &Context<Self>, file: File, bytes: &[u8]) {
        download(file.name(), bytes);
        let Some(lesson) = &ctx.props().lesson else {
            return;
        };
        let taught = self
            .demos
            .as_ref()
            .is_some_and(|demos| Rc::ptr_eq(demos, &lesson.demos));
        if file == File::Demos && taught {
            lesson.saved.emit(());
        }
    }

    /// All lanes from the beginning.
    fn begin(&mut self, ctx: &Context<Self>) {
        self.generation += 1;
        self.refused = None;
        let count = self.choice.lanes().len();
        self.panels.clear();
        for lane in 0..count {
            let fresh = self.panel(ctx, lane);
            self.panels.push(fresh);
        }
        if self.choice.device == "webgpu" && self.speeds.0.is_none() {
            self.probe = Some(Client::new(
                &ctx.props().frame.base,
                "cpu",
                ctx.link().callback(Msg::Probe),
            ));
        }
        self.tell(ctx);
    }

    fn panel(&self, ctx: &Context<Self>, lane: usize) -> RunPanel {
        let generation = self.generation;
        let news = ctx
            .link()
            .callback(move |news| Msg::WorkerMessage(generation, lane, news));
        RunPanel::new(
            self.choice.lanes()[lane],
            &ctx.props().frame.base,
            &self.choice.device,
            news,
        )
    }

    fn playing(&self) -> bool {
        self.running && !self.hidden
    }

    fn on_message(&mut self, ctx: &Context<Self>, lane: usize, news: WorkerMessage) {
        let events = &ctx.props().events;
        match news {
            WorkerMessage::Died(why) => {
                events.error(&why);
                self.panels[lane].failed = Some(why);
            }
            WorkerMessage::Event(Event::Hello) => {
                let bytes = |file: &Option<Rc<Vec<u8>>>| file.as_ref().map(|bytes| bytes.to_vec());
                let demos = bytes(&self.demos);
                let policy = bytes(&self.policy);
                let pretrain = self.panels[lane].pretrain.clone();
                self.panels[lane].send(&Request::Race {
                    choice: self.choice.clone(),
                    pretrain,
                    demos,
                    policy,
                });
                if self.choice.device == "webgpu" && lane == 0 {
                    self.panels[lane].send(&Request::Speed);
                }
            }
            WorkerMessage::Event(Event::Scene(scene)) => {
                let generation = self.generation;
                let need = ctx.link().callback(move |()| Msg::Need(generation, lane));
                self.panels[lane].stage.set(&scene, need);
                if lane == 0 {
                    events.emit(&json!({ "type": "ready" }));
                }
                self.pass_on();
            }
            WorkerMessage::Event(Event::Clip(clip)) => self.panels[lane].show(*clip),
            WorkerMessage::Event(Event::LearningProgress(learned)) => {
                let was_finished = self.panels[lane]
                    .learned
                    .as_ref()
                    .is_some_and(|before| before.finished);
                publish(events, lane, &learned, learned.finished && !was_finished);
                let tests = self.panels[lane].record_progress(*learned);
                if let Some((minutes, success)) = tests.last() {
                    let name = words::name(&self.panels[lane].pretrain);
                    self.spoken = format!(
                        "{name}: {} after {minutes:.1} minutes of practice.",
                        words::percent(*success)
                    );
                }
            }
            WorkerMessage::Event(Event::Saved(file, bytes)) => self.hand_over(ctx, file, &bytes),
            WorkerMessage::Event(Event::Fits) => self.accept(ctx),
            WorkerMessage::Event(Event::Refused(sentence)) => {
                self.brought = None;
                events.error(&sentence);
                self.refused = Some(sentence);
            }
            WorkerMessage::Event(Event::Speed(ms)) => self.speeds.1 = Some(ms),
            WorkerMessage::Event(
                Event::TeachingState(_) | Event::Lesson(_) | Event::Studied { .. },
            ) => {}
        }
    }

    fn go(&mut self, ctx: &Context<Self>, running: bool) {
        self.running = running;
        self.pass_on();
        self.tell(ctx);
    }

    /// Makes workers and pictures go or rest, as things stand.
    fn pass_on(&mut self) {
        let playing = self.playing();
        self.request(&Request::Go(playing));
        for lane in &mut self.panels {
            lane.stage
                .set_speed(if playing { self.choice.speed } else { 0.0 });
            if playing {
                lane.ask();
            }
        }
    }

    fn request(&self, request: &Request) {
        self.panels.iter().for_each(|lane| lane.send(request));
    }

    fn set(&mut self, ctx: &Context<Self>, change: impl Fn(&Choice) -> Result<Choice, String>) {
        match change(&self.choice) {
            Err(sentence) => self.refused = Some(sentence),
            Ok(choice) if choice == self.choice => {}
            Ok(choice) => {
                let only_speed = choice
                    == Choice {
                        speed: choice.speed,
                        ..self.choice.clone()
                    };
                self.choice = choice;
                if ctx.props().frame.hash {
                    show_hash(&self.choice.to_hash());
                }
                if only_speed {
                    self.pass_on();
                    self.tell(ctx);
                } else {
                    self.begin(ctx)
                }
            }
        }
    }

    /// Lets a worker look at a file that was brought: one that does not fit changes nothing.
    fn load(&mut self, kind: File, bytes: Result<Vec<u8>, String>) {
        let bytes = match bytes {
            Ok(bytes) => Rc::new(bytes),
            Err(sentence) => {
                self.refused = Some(sentence);
                return;
            }
        };
        self.refused = None;
        let file = |of: File| (kind == of).then(|| bytes.to_vec());
        let choice = self.choice.clone();
        let pretrain = self.panels[0].pretrain.clone();
        self.panels[0].send(&Request::Try {
            choice,
            pretrain,
            demos: file(File::Demos),
            policy: file(File::Policy),
        });
        self.brought = Some((kind, bytes));
    }

    /// All lanes from the beginning, with the file that was brought.
    fn accept(&mut self, ctx: &Context<Self>) {
        match self.brought.take() {
            Some((File::Demos, bytes)) => self.demos = Some(bytes),
            Some((File::Policy, bytes)) => self.policy = Some(bytes),
            None => return,
        }
        self.begin(ctx);
    }

    fn command(&mut self, ctx: &Context<Self>, command: Command) -> bool {
        let msg = match command {
            Command::Start => Msg::Go(true),
            Command::Pause => Msg::Go(false),
            Command::Step => Msg::Step,
            Command::Reset => Msg::Reset,
            Command::Set { options } => {
                self.set(ctx, |choice| frame::change(choice, &options));
                if let Some(sentence) = &self.refused {
                    ctx.props().events.error(sentence);
                }
                return true;
            }
        };
        self.update(ctx, msg)
    }

    fn tell(&self, ctx: &Context<Self>) {
        ctx.props().events.emit(
            &json!({ "type": "state", "hash": self.choice.to_hash(), "running": self.running }),
        );
    }

    fn toolbar(&self, ctx: &Context<Self>) -> Html {
        let running = self.running;
        let link = ctx.link();
        let speed = link.batch_callback(|event| {
            controls::moving(&event).map(|value| Msg::Set("speed", value.to_string()))
        });
        html! {
            <div class="protege-toolbar" role="toolbar" aria-label="Learning">
                <button
                    type="button"
                    class="go"
                    aria-pressed={running.to_string()}
                    onclick={link.callback(move |_| Msg::Go(!running))}
                >
                    { if running { "Pause" } else { "Start" } }
                </button>
                <button
                    type="button"
                    onclick={link.callback(|_| Msg::Step)}
                    title="A little learning and one decision, then pause"
                >
                    { "Step" }
                </button>
                <button
                    type="button"
                    onclick={link.callback(|_| Msg::Reset)}
                    title="From the beginning, with the same settings"
                >
                    { "Reset" }
                </button>
                <label>
                    { "Speed" }
                    <input
                        type="range"
                        name="speed"
                        min="0.1"
                        max="4"
                        step="0.1"
                        value={self.choice.speed.to_string()}
                        oninput={speed}
                    />
                    <output>{ format!("{}\u{d7}", self.choice.speed) }</output>
                </label>
            </div>
        }
    }

    fn settings(&self, ctx: &Context<Self>) -> Html {
        html! {
            <details class="protege-settings" open=true>
                <summary>{ "Settings" }</summary>
                <Form choice={self.choice.clone()} changed={self.changed.clone()} />
                { self.device(&self.changed) }
                { self.files(ctx) }
            </details>
        }
    }

    /// CPU or GPU, and which is faster here.
    fn device(&self, changed: &Changed) -> Html {
        let note = match (&self.gpu, self.speeds) {
            (_, (Some(cpu), Some(gpu))) => {
                let faster = if cpu <= gpu { "the CPU" } else { "the GPU" };
                format!(
                    "Measured just now, one step of learning takes {cpu:.2} ms on the CPU and \
                     {gpu:.2} ms on the GPU: for networks of this size {faster} is faster here."
                )
            }
            (Some(lacks), _) if lacks.is_empty() => {
                "Learning on the GPU loads another program first, several megabytes. Which is \
                 faster here is then measured."
                    .into()
            }
            (Some(lacks), _) => format!("Learning runs on the CPU. {lacks}"),
            (None, _) => "Learning runs on the CPU.".into(),
        };
        let devices: &[(&str, &str)] = match &self.gpu {
            Some(lacks) if lacks.is_empty() => &[("cpu", "CPU"), ("webgpu", "GPU (WebGPU)")],
            _ => &[("cpu", "CPU")],
        };
        let device = &self.choice.device;
        html! {
            <div class="protege-device">
                { controls::select("device", "Device", &note, devices, device, changed) }
            </div>
        }
    }

    fn files(&self, ctx: &Context<Self>) -> Html {
        let chosen = |kind: File| {
            ctx.link().batch_callback(move |event: web_sys::Event| {
                let file = controls::input(&event)?.files()?.get(0)?;
                Some(Msg::Chosen(kind, file))
            })
        };
        let save = |lane: usize, file: File| ctx.link().callback(move |_| Msg::Save(lane, file));
        html! {
            <div class="protege-files">
                <p>
                    { "Files are those of the command line: what is trained here can go on there, \
                       and the other way round." }
                </p>
                <button type="button" onclick={save(0, File::Demos)}>
                    { "Save demonstrations" }
                </button>
                { for self.panels.iter().enumerate().map(|(i, lane)| html! {
                    <button type="button" onclick={save(i, File::Policy)}>
                        { format!("Save the policy of {}", words::name(&lane.pretrain)) }
                    </button>
                }) }
                <label class="file">
                    { "Load demonstrations" }
                    <input type="file" accept=".safetensors" onchange={chosen(File::Demos)} />
                </label>
                <label class="file">
                    { "Load a policy" }
                    <input type="file" accept=".safetensors" onchange={chosen(File::Policy)} />
                </label>
            </div>
        }
    }
}

/// What the picture's lines mean, and its dots where a reward is learned.
fn legend(finetune: &str) -> Html {
    let rewards = FinetuneMethod::by_id(finetune)
        .is_ok_and(|method| method.info().shows(Insight::LearnedReward));
    html! {
        <ul class="protege-legend" aria-label="In the pictures">
            <li class="proposals">{ "what the policy proposes here" }</li>
            if rewards { <li class="rewards">{ "where the learned reward is high" }</li> }
            <li class="planned">{ "what it does" }</li>
            <li class="demonstrator">{ "what the demonstrator would do" }</li>
        </ul>
    }
}

/// Tells the outside how a lane learns.
fn publish(events: &Events, lane: usize, learned: &LearningProgress, just_finished: bool) {
    for record in &learned.records {
        events.emit(&json!({
            "type": "metrics",
            "lane": lane,
            "step": record.step,
            "values": record.values,
        }));
    }
    let figures = (learned.updates_per_s, learned.physics_steps_per_s);
    events.emit(&json!({
        "type": "phase",
        "lane": lane,
        "phase": learned.phase.name(),
        "done": learned.done,
        "total": learned.total,
        "updatesPerSecond": figures.0,
        "physicsStepsPerSecond": figures.1,
    }));
    if just_finished {
        let [before, after] = [&learned.summary.before, &learned.summary.after]
            .map(|outcome| outcome.map(|outcome| outcome.success));
        events.emit(&json!({ "type": "finished", "lane": lane, "before": before, "after": after }));
    }
}

fn listeners(ctx: &Context<Race>) -> Vec<EventListener> {
    let Some(window) = web_sys::window() else {
        return Vec::new();
    };
    let link = ctx.link().clone();
    let mut listeners = Vec::new();
    if let Some(document) = window.document() {
        let target = document.clone();
        let link = link.clone();
        listeners.push(EventListener::new(
            &document,
            "visibilitychange",
            move |_| {
                link.send_message(Msg::Visible(
                    target.visibility_state() == web_sys::VisibilityState::Visible,
                ));
            },
        ));
    }
    if ctx.props().frame.hash {
        let link = link.clone();
        listeners.push(EventListener::new(&window, "hashchange", move |_| {
            link.send_message(Msg::Hash)
        }));
    }
    listeners.extend(looks(&link.callback(|()| Msg::Adapt)));
    listeners
}

/// Settings of the address bar.
///
/// # Errors
/// Names what does not fit.
pub fn addressed() -> Result<Choice, String> {
    let choice = Choice::default().with_hash(&hash());
    choice.map_err(|e| e.to_string())
}

fn hash() -> String {
    web_sys::window()
        .and_then(|window| window.location().hash().ok())
        .unwrap_or_default()
}

/// Writes settings into the address bar.
pub fn show_hash(hash: &str) {
    let Some(window) = web_sys::window() else {
        return;
    };
    let path = window.location().pathname().unwrap_or_default();
    let url = if hash.is_empty() {
        path
    } else {
        format!("#{hash}")
    };
    // A page that may not touch its address keeps the old one.
    let _ = window
        .history()
        .and_then(|history| history.replace_state_with_url(&JsValue::NULL, "", Some(&url)));
}

/// Reads a file that was chosen.
pub fn read(done: Callback<Result<Vec<u8>, String>>, file: web_sys::File) {
    wasm_bindgen_futures::spawn_local(async move {
        let buffer = wasm_bindgen_futures::JsFuture::from(file.array_buffer()).await;
        let bytes = buffer.map(|buffer| js_sys::Uint8Array::new(&buffer).to_vec());
        done.emit(bytes.map_err(|_| format!("{} cannot be read; choose it again.", file.name())));
    });
}

/// Offers bytes to the visitor as a file.
pub fn download(name: &str, bytes: &[u8]) {
    let offer = || -> Result<(), JsValue> {
        let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes));
        let blob = web_sys::Blob::new_with_u8_array_sequence(&parts)?;
        let url = web_sys::Url::create_object_url_with_blob(&blob)?;
        let document = web_sys::window()
            .and_then(|window| window.document())
            .ok_or(JsValue::NULL)?;
        let anchor: web_sys::HtmlAnchorElement = document.create_element("a")?.unchecked_into();
        anchor.set_href(&url);
        anchor.set_download(name);
        anchor.click();
        web_sys::Url::revoke_object_url(&url)
    };
    // Where downloads are forbidden, the browser says so itself.
    let _ = offer();
}
