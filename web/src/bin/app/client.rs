//! A worker, seen from the page.

use js_sys::Uint8Array;
use protege_web::protocol::{Event, Request};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, Worker};
use yew::Callback;

#[wasm_bindgen(raw_module = "./workers.js")]
extern "C" {
    /// Starts a worker of this program, whose files lie at `base`.
    fn spawn(base: &str, program: &str) -> Worker;

    /// Why there is no learning on this browser's GPU; an empty string where there is.
    #[wasm_bindgen(js_name = gpuLacks)]
    async fn gpu_lacks(base: &str) -> JsValue;
}

/// Asks why there is no learning on this browser's GPU; an empty answer where there is.
pub fn ask_gpu(base: &str, answer: Callback<String>) {
    let base = base.to_owned();
    wasm_bindgen_futures::spawn_local(async move {
        answer.emit(gpu_lacks(&base).await.as_string().unwrap_or_default())
    });
}

/// What a worker says, or why it says nothing any more.
pub enum WorkerMessage {
    /// It reports.
    Event(Event),
    /// It is dead.
    Died(String),
}

/// One worker; it ends when this is dropped.
pub struct Client {
    worker: Worker,
    _onmessage: Closure<dyn FnMut(MessageEvent)>,
    _onerror: Closure<dyn FnMut(web_sys::Event)>,
}

impl Client {
    /// Starts a worker. Its first event is [`Event::Hello`]; requests before that are lost.
    pub fn new(base: &str, device: &str, news: Callback<WorkerMessage>) -> Self {
        let worker = spawn(
            base,
            if device == "webgpu" {
                "worker_gpu"
            } else {
                "worker"
            },
        );
        let events = news.clone();
        let onmessage = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let bytes = Uint8Array::new(&event.data()).to_vec();
            events.emit(match postcard::from_bytes(&bytes) {
                Ok(event) => WorkerMessage::Event(event),
                Err(_) => WorkerMessage::Died(
                    "The page and its worker are of different versions: reload the page.".into(),
                ),
            });
        });
        let onerror = Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| {
            // The page says it; the console need not.
            event.prevent_default();
            let message = js_sys::Reflect::get(&event, &"message".into())
                .ok()
                .and_then(|text| text.as_string());
            let cause = message.unwrap_or_else(|| "its files could not be loaded".into());
            news.emit(WorkerMessage::Died(
                cause.trim_start_matches("Uncaught Error: ").to_owned(),
            ));
        });
        worker.set_onmessage(Some(onmessage.as_ref().unchecked_ref()));
        worker.set_onerror(Some(onerror.as_ref().unchecked_ref()));
        Self {
            worker,
            _onmessage: onmessage,
            _onerror: onerror,
        }
    }

    /// Sends a request.
    pub fn send(&self, request: &Request) {
        let bytes =
            postcard::to_allocvec(request).expect("plain data can be serialized into memory");
        // A dead worker has been reported by its error event.
        let _ = self
            .worker
            .post_message(&Uint8Array::from(bytes.as_slice()));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
