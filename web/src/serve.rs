//! A [`Worker`] in a browser's worker: requests come in as messages, events go out.

use crate::Worker;
use crate::protocol::Request;
use burn::tensor::Device;
use protege_core::Result;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel, MessageEvent};

/// Requests that wait, and who waits for them.
#[derive(Default)]
struct Inbox {
    requests: VecDeque<Request>,
    waiting: Option<js_sys::Function>,
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn milliseconds() -> f64;
}

/// Listens from now on, and serves once there is a device to compute on.
pub fn start(device: impl Future<Output = Result<Device>> + 'static) {
    console_error_panic_hook::set_once();
    let inbox = Rc::new(RefCell::new(Inbox::default()));
    listen(inbox.clone());
    wasm_bindgen_futures::spawn_local(async move {
        match device.await {
            Ok(device) => serve(Worker::new(device, seconds), inbox).await,
            Err(error) => wasm_bindgen::throw_str(&error.to_string()),
        }
    });
}

/// The worker's clock.
pub fn seconds() -> f64 {
    milliseconds() / 1000.0
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Puts every request that arrives into the inbox.
fn listen(inbox: Rc<RefCell<Inbox>>) {
    let receive = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let bytes = js_sys::Uint8Array::new(&event.data()).to_vec();
        let Ok(request) = postcard::from_bytes(&bytes) else {
            return;
        };
        let mut inbox = inbox.borrow_mut();
        inbox.requests.push_back(request);
        if let Some(wake) = inbox.waiting.take() {
            let _ = wake.call0(&wasm_bindgen::JsValue::NULL);
        }
    });
    scope().set_onmessage(Some(receive.as_ref().unchecked_ref()));
    // The worker listens as long as it lives.
    receive.forget();
}

/// Handles requests and works, for ever; ends with an exception, which the page hears of, when the
/// work fails.
async fn serve(mut worker: Worker, inbox: Rc<RefCell<Inbox>>) {
    loop {
        // One request a turn: where requests come faster than they can be handled, learning goes on
        // all the same.
        let request = inbox.borrow_mut().requests.pop_front();
        if let Some(request) = request {
            worker.handle(request).await;
            send(&mut worker);
        }
        if let Err(error) = worker.work().await {
            wasm_bindgen::throw_str(&error.to_string());
        }
        send(&mut worker);
        if worker.busy() {
            breathe().await
        } else {
            wait(&inbox).await
        }
    }
}

fn send(worker: &mut Worker) {
    for event in worker.events() {
        let bytes =
            postcard::to_allocvec(&event).expect("plain data can be serialized into memory");
        let array = js_sys::Uint8Array::from(bytes.as_slice());
        let moved = js_sys::Array::of1(&array.buffer());
        // A page that is gone needs no events.
        let _ = scope().post_message_with_transfer(&array, &moved);
    }
}

/// Lets messages in; a timer would wait four milliseconds.
async fn breathe() {
    let Ok(channel) = MessageChannel::new() else {
        return;
    };
    let promise =
        js_sys::Promise::new(&mut |resolve, _| channel.port1().set_onmessage(Some(&resolve)));
    let _ = channel.port2().post_message(&wasm_bindgen::JsValue::NULL);
    let _ = JsFuture::from(promise).await;
    channel.port1().close();
}

async fn wait(inbox: &Rc<RefCell<Inbox>>) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let mut inbox = inbox.borrow_mut();
        if inbox.requests.is_empty() {
            inbox.waiting = Some(resolve);
        } else {
            let _ = resolve.call0(&wasm_bindgen::JsValue::NULL);
        }
    });
    let _ = JsFuture::from(promise).await;
}
