//! A canvas with a scene on it, or a sentence about why there is none.

use crate::view::{self, View};
use crate::words;
use gloo::events::EventListener;
use protege_core::sim::Drawing;
use protege_web::protocol::Clip;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{HtmlCanvasElement, MediaQueryList};
use yew::{Callback, Html, NodeRef, html};

/// A canvas and its view, which exists once the scene is known.
pub struct Stage {
    canvas: NodeRef,
    /// The pretraining method whose color the lines have.
    pretrain: String,
    view: Option<View>,
    callbacks: Vec<Closure<dyn FnMut(JsValue)>>,
}

impl Stage {
    /// An empty stage.
    pub fn new(pretrain: &str) -> Self {
        Self {
            canvas: NodeRef::default(),
            pretrain: pretrain.to_owned(),
            view: None,
            callbacks: Vec::new(),
        }
    }

    /// Sets the scene; `need` is called when there is little left to show.
    pub fn set(&mut self, scene: &Drawing, need: Callback<()>) {
        self.clear();
        let Some(canvas) = self
            .canvas
            .cast::<HtmlCanvasElement>()
            .filter(|_| view::available())
        else {
            return;
        };
        let Ok(view) = View::new(&canvas, scene, theme(), holds(STILL), self.accent()) else {
            return;
        };
        let callback = Closure::<dyn FnMut(JsValue)>::new(move |_| need.emit(()));
        view.on_need(callback.as_ref().unchecked_ref());
        self.callbacks.push(callback);
        self.view = Some(view);
    }

    /// Lets a person drag the hand: where to (m), and whether it is held.
    pub fn drag(&mut self, dragged: Callback<([f64; 3], bool)>) {
        let Some(view) = &self.view else { return };
        let number = |event: &JsValue, name: &str| {
            js_sys::Reflect::get(event, &name.into())
                .ok()
                .and_then(|v| v.as_f64())
        };
        let callback = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            let place = ["x", "y", "z"].map(|axis| number(&event, axis).unwrap_or(f64::NAN));
            let active = js_sys::Reflect::get(&event, &"active".into())
                .is_ok_and(|active| active.is_truthy());
            dragged.emit((place, active));
        });
        view.enable_drag(callback.as_ref().unchecked_ref());
        self.callbacks.push(callback);
    }

    /// Shows a clip after what is already to be shown.
    pub fn show(&self, clip: &Clip) {
        if let Some(view) = &self.view {
            view.queue(clip);
        }
    }

    /// Drops what was to be shown.
    pub fn cut(&self) {
        if let Some(view) = &self.view {
            view.clear();
        }
    }

    /// How fast it is shown; 0 holds it.
    pub fn set_speed(&self, speed: f64) {
        if let Some(view) = &self.view {
            view.set_speed(speed);
        }
    }

    /// Dark or light, moving or still, as the visitor's system wants it now.
    pub fn adapt(&self) {
        if let Some(view) = &self.view {
            view.set_theme(theme(), self.accent());
            view.set_still(holds(STILL));
        }
    }

    fn accent(&self) -> &'static str {
        words::accent(&self.pretrain, holds(DARK))
    }

    /// The canvas.
    pub fn html(&self, label: &str) -> Html {
        if !view::available() {
            return html! {
                <p class="protege-note" role="note">
                    { "There is no 3D picture, because this browser has no WebGL 2. Learning works \
                       all the same; for the picture, allow hardware acceleration or use a current \
                       browser." }
                </p>
            };
        }
        html! {
            <canvas
                ref={self.canvas.clone()}
                class="protege-canvas"
                tabindex="0"
                role="img"
                aria-label={label.to_owned()}
            ></canvas>
        }
    }

    fn clear(&mut self) {
        if let Some(view) = self.view.take() {
            view.dispose();
        }
        self.callbacks.clear();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Tells when the visitor's system wants other colors or other motion: then a stage adapts.
pub fn looks(changed: &Callback<()>) -> Vec<EventListener> {
    let listen = |query| {
        let changed = changed.clone();
        let tell = move |_: &web_sys::Event| changed.emit(());
        let list = list(query)?;
        Some(EventListener::new(&list, "change", tell))
    };
    [DARK, STILL].into_iter().filter_map(listen).collect()
}

const DARK: &str = "(prefers-color-scheme: dark)";
const STILL: &str = "(prefers-reduced-motion: reduce)";

fn list(query: &str) -> Option<MediaQueryList> {
    web_sys::window()?.match_media(query).ok().flatten()
}

fn theme() -> &'static str {
    if holds(DARK) { "dark" } else { "light" }
}

fn holds(query: &str) -> bool {
    list(query).is_some_and(|list| list.matches())
}
