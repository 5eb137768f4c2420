//! The worker: physics and learning, off the page's thread. It follows orders, and works while there is work.
#![cfg_attr(not(target_arch = "wasm32"), allow(missing_docs, reason = "there is no worker outside of a browser"))]

#[cfg(not(target_arch = "wasm32"))]
fn main() {}

#[cfg(target_arch = "wasm32")]
fn main() {
    browser::main();
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use protege_web::Bench;
    use protege_web::protocol::Order;
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

    /// See [`protege_web::speed::adam_ms`].
    #[wasm_bindgen]
    pub fn bench_adam(hidden: usize, batch: usize, steps: usize) -> f64 {
        protege_web::speed::adam_ms(hidden, batch, steps, || milliseconds() / 1000.0)
    }

    pub fn main() {
        console_error_panic_hook::set_once();
        let inbox = Rc::new(RefCell::new(Inbox::default()));
        listen(inbox.clone());
        wasm_bindgen_futures::spawn_local(serve(inbox));
    }

    fn scope() -> DedicatedWorkerGlobalScope {
        js_sys::global().unchecked_into()
    }

    /// Puts every order that arrives into the inbox.
    fn listen(inbox: Rc<RefCell<Inbox>>) {
        let receive = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let bytes = js_sys::Uint8Array::new(&event.data()).to_vec();
            let Ok(order) = postcard::from_bytes(&bytes) else { return };
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

    /// Follows orders and works, for ever; ends with an exception, which the page hears of, when the work fails.
    async fn serve(inbox: Rc<RefCell<Inbox>>) {
        let mut bench = Bench::new(|| milliseconds() / 1000.0);
        loop {
            loop {
                let order = inbox.borrow_mut().orders.pop_front();
                let Some(order) = order else { break };
                bench.follow(order).await;
                send(&mut bench);
            }
            if let Err(error) = bench.work().await {
                wasm_bindgen::throw_str(&error.to_string());
            }
            send(&mut bench);
            if bench.busy() { breathe().await } else { wait(&inbox).await }
        }
    }

    fn send(bench: &mut Bench) {
        for report in bench.reports() {
            let bytes = postcard::to_allocvec(&report).expect("plain data can be serialised into memory");
            let array = js_sys::Uint8Array::from(bytes.as_slice());
            let moved = js_sys::Array::of1(&array.buffer());
            // A page that is gone needs no reports.
            let _ = scope().post_message_with_transfer(&array, &moved);
        }
    }

    /// Lets messages in; a timer would wait four milliseconds.
    async fn breathe() {
        let Ok(channel) = MessageChannel::new() else { return };
        let promise = js_sys::Promise::new(&mut |resolve, _| channel.port1().set_onmessage(Some(&resolve)));
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
}
