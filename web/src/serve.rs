//! A [`Bench`] in a browser's worker: orders come in as messages, reports go out.

use crate::Bench;
use crate::protocol::Order;
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

/// Orders that wait, and who waits for them.
#[derive(Default)]
struct Inbox {
    orders: VecDeque<Order>,
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
            Ok(device) => serve(Bench::new(device, seconds), inbox).await,
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

/// Puts every order that arrives into the inbox.
fn listen(inbox: Rc<RefCell<Inbox>>) {
    let receive = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let bytes = js_sys::Uint8Array::new(&event.data()).to_vec();
        let Ok(order) = postcard::from_bytes(&bytes) else {
            return;
        };
        let mut inbox = inbox.borrow_mut();
        inbox.orders.push_back(order);
        if let Some(wake) = inbox.waiting.take() {
            let _ = wake.call0(&wasm_bindgen::JsValue::NULL);
        }
    });
    scope().set_onmessage(Some(receive.as_ref().unchecked_ref()));
    // The worker listens as long as it lives.
    receive.forget();
}

/// Follows orders and works, for ever; ends with an exception, which the page hears of, when the
/// work fails.
async fn serve(mut bench: Bench, inbox: Rc<RefCell<Inbox>>) {
    loop {
        // One order a turn: where orders come faster than they can be followed, learning goes on
        // all the same.
        let order = inbox.borrow_mut().orders.pop_front();
        if let Some(order) = order {
            bench.follow(order).await;
            send(&mut bench);
        }
        if let Err(error) = bench.work().await {
            wasm_bindgen::throw_str(&error.to_string());
        }
        send(&mut bench);
        if bench.busy() {
            breathe().await
        } else {
            wait(&inbox).await
        }
    }
}

fn send(bench: &mut Bench) {
    for report in bench.reports() {
        let bytes =
            postcard::to_allocvec(&report).expect("plain data can be serialised into memory");
        let array = js_sys::Uint8Array::from(bytes.as_slice());
        let moved = js_sys::Array::of1(&array.buffer());
        // A page that is gone needs no reports.
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
        if inbox.orders.is_empty() {
            inbox.waiting = Some(resolve);
        } else {
            let _ = resolve.call0(&wasm_bindgen::JsValue::NULL);
        }
    });
    let _ = JsFuture::from(promise).await;
}
