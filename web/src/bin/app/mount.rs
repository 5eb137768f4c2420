//! The door for JavaScript: `mount` puts an app into an element.

use crate::frame::{self, Command, Events, Kind};
use crate::race::{self, Race};
use crate::teach::{self, Teach};
use crate::theory::{self, Theory};
use js_sys::Function;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Element;
use yew::{AppHandle, Callback, Renderer};

/// A mounted app.
enum App {
    Race(AppHandle<Race>),
    Teach(AppHandle<Teach>),
    Theory(AppHandle<Theory>),
}

/// What `mount` gives back.
#[wasm_bindgen]
pub struct Handle {
    app: Option<App>,
}

#[wasm_bindgen]
impl Handle {
    /// Follows a command, given as JSON.
    pub fn send(&self, command: &str) {
        let Ok(command) = serde_json::from_str::<Command>(command) else {
            return;
        };
        match &self.app {
            Some(App::Race(app)) => app.send_message(race::Msg::Command(command)),
            Some(App::Teach(app)) => app.send_message(teach::Msg::Command(command)),
            Some(App::Theory(app)) => app.send_message(theory::Msg::Command(command)),
            None => {}
        }
    }

    /// Ends the app with its workers, and empties the element.
    pub fn dispose(&mut self) {
        match self.app.take() {
            Some(App::Race(app)) => app.destroy(),
            Some(App::Teach(app)) => app.destroy(),
            Some(App::Theory(app)) => app.destroy(),
            None => {}
        }
    }
}

/// Fills `element` with the app that `options` (JSON) describe; `events` is called with JSON.
///
/// # Errors
/// A sentence when an option does not fit.
#[wasm_bindgen]
pub fn mount(element: Element, options: &str, events: Function) -> Result<Handle, JsValue> {
    let hash = web_sys::window()
        .and_then(|window| window.location().hash().ok())
        .unwrap_or_default();
    let (frame, choice) = frame::read(options, &hash)
        .map_err(|sentence| JsValue::from(js_sys::Error::new(&sentence)))?;
    let events = Events(Callback::from(move |event: String| {
        // What the listener makes of it is its own affair.
        let _ = events.call1(&JsValue::NULL, &event.into());
    }));
    let app = match frame.kind {
        Kind::Race => {
            let props = race::Props {
                frame,
                choice,
                events,
                lesson: None,
            };
            App::Race(Renderer::<Race>::with_root_and_props(element, props).render())
        }
        Kind::Teach => App::Teach(
            Renderer::<Teach>::with_root_and_props(
                element,
                teach::Props {
                    frame,
                    choice,
                    events,
                },
            )
            .render(),
        ),
        Kind::Theory => App::Theory(
            Renderer::<Theory>::with_root_and_props(
                element,
                theory::Props {
                    frame,
                    choice,
                    events,
                },
            )
            .render(),
        ),
    };
    Ok(Handle { app: Some(app) })
}
