//! The 3D view, which is JavaScript.

use js_sys::{Array, Float32Array, Function, Object, Reflect};
use protege_core::sim::Drawing;
use protege_web::protocol::Clip;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::HtmlCanvasElement;

#[wasm_bindgen(raw_module = "./view.js")]
extern "C" {
    #[wasm_bindgen(js_name = available)]
    fn has_webgl2() -> bool;

    /// A scene on a canvas.
    pub type View;

    #[wasm_bindgen(constructor, catch)]
    fn create(
        canvas: &HtmlCanvasElement,
        scene: &JsValue,
        options: &JsValue,
    ) -> Result<View, JsValue>;
    #[wasm_bindgen(method, js_name = queue)]
    fn queue_segment(this: &View, segment: &JsValue);
    #[wasm_bindgen(method)]
    pub fn clear(this: &View);
    #[wasm_bindgen(method, setter, js_name = speed)]
    pub fn set_speed(this: &View, speed: f64);
    #[wasm_bindgen(method, js_name = setTheme)]
    pub fn set_theme(this: &View, theme: &str, accent: &str);
    #[wasm_bindgen(method, js_name = setStill)]
    pub fn set_still(this: &View, still: bool);
    #[wasm_bindgen(method, js_name = onNeed)]
    pub fn on_need(this: &View, callback: &Function);
    #[wasm_bindgen(method, js_name = enableDrag)]
    pub fn enable_drag(this: &View, callback: &Function);
    #[wasm_bindgen(method)]
    pub fn dispose(this: &View);
}

/// Whether there is WebGL2; found out once, as asking makes a context.
pub fn available() -> bool {
    thread_local!(static AVAILABLE: bool = has_webgl2());
    AVAILABLE.with(|available| *available)
}

impl View {
    /// Draws `scene` on the canvas; `accent` is the lane's color.
    ///
    /// # Errors
    /// When there is no WebGL2.
    pub fn new(
        canvas: &HtmlCanvasElement,
        scene: &Drawing,
        theme: &str,
        still: bool,
        accent: &str,
    ) -> Result<Self, JsValue> {
        let scene = js_sys::JSON::parse(&serde_json::to_string(scene).unwrap_or_default())?;
        let options = object(&[
            ("theme", theme.into()),
            ("still", still.into()),
            ("accent", accent.into()),
        ]);
        Self::create(canvas, &scene, &options)
    }

    /// Appends a clip to what is to be shown.
    pub fn queue(&self, clip: &Clip) {
        let path = |points: &[f32]| JsValue::from(Float32Array::from(points));
        let lines: Array = clip.cloud.iter().map(|points| path(points)).collect();
        let mut fields = vec![
            ("poses", path(&clip.poses)),
            ("interval", clip.interval.into()),
            ("reset", clip.reset.into()),
            ("success", clip.success.into()),
            ("cloud", lines.into()),
        ];
        let others = [
            ("demonstrator", &clip.demonstrator),
            ("planned", &clip.planned),
            ("rewards", &clip.rewards),
        ];
        for (name, points) in others {
            if !points.is_empty() {
                fields.push((name, path(points)));
            }
        }
        self.queue_segment(&object(&fields));
    }
}

/// A JavaScript object of these fields.
pub fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // Setting a field of a fresh object cannot fail.
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object.into()
}
