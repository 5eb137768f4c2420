//! Form elements with one sentence each about what they do.

use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlInputElement, HtmlSelectElement, InputEvent};
use yew::{Callback, Html, html};

/// Which setting was changed, and to what.
pub type Changed = Callback<(&'static str, String)>;

/// One of several: value and name each.
pub fn select(
    key: &'static str,
    label: &str,
    about: &str,
    options: &[(&str, &str)],
    value: &str,
    changed: &Changed,
) -> Html {
    let changed = changed.clone();
    let onchange = Callback::from(move |event: Event| {
        if let Some(select) = event
            .target()
            .and_then(|target| target.dyn_into::<HtmlSelectElement>().ok())
        {
            changed.emit((key, select.value()));
        }
    });
    let option = |&(id, name): &(&str, &str)| {
        html! {
            <option value={id.to_owned()} selected={id == value}>{ name.to_owned() }</option>
        }
    };
    html! {
        <label class="protege-setting">
            <span class="name">{ label.to_owned() }</span>
            <select name={key} {onchange}>{ for options.iter().map(option) }</select>
            <span class="about">{ about.to_owned() }</span>
        </label>
    }
}

/// A number in a range.
pub struct Range {
    /// Least, greatest and step.
    pub bounds: (f64, f64, f64),
    /// What stands behind the number.
    pub unit: &'static str,
}

/// A slider that shows its value.
pub fn slider(
    key: &'static str,
    label: &str,
    about: &str,
    range: &Range,
    value: f64,
    changed: &Changed,
) -> Html {
    let changed = changed.clone();
    let onchange = Callback::from(move |event: Event| {
        if let Some(input) = input(&event) {
            changed.emit((key, input.value()));
        }
    });
    let (low, high, step) = range.bounds;
    html! {
        <label class="protege-setting">
            <span class="name">
                { label.to_owned() }
                <span class="value">{ format!("{value}{}", range.unit) }</span>
            </span>
            <input
                type="range"
                aria-label={label.to_owned()}
                name={key}
                min={low.to_string()}
                max={high.to_string()}
                step={step.to_string()}
                value={value.to_string()}
                {onchange}
            />
            <span class="about">{ about.to_owned() }</span>
        </label>
    }
}

/// A whole number that may be anything.
pub fn number(key: &'static str, label: &str, about: &str, value: u64, changed: &Changed) -> Html {
    let changed = changed.clone();
    let onchange = Callback::from(move |event: Event| {
        if let Some(input) = input(&event) {
            changed.emit((key, input.value()));
        }
    });
    html! {
        <label class="protege-setting">
            <span class="name">{ label.to_owned() }</span>
            <input type="number" name={key} min="0" step="1" value={value.to_string()} {onchange} />
            <span class="about">{ about.to_owned() }</span>
        </label>
    }
}

/// The input that an event is about.
pub fn input(event: &Event) -> Option<HtmlInputElement> {
    event.target()?.dyn_into().ok()
}

/// The value of the slider that is being moved.
pub fn moving(event: &InputEvent) -> Option<f64> {
    input(event)?.value().parse().ok()
}
