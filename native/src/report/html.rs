//! Text for a page: escaping and the writing of numbers.

use protege_core::{finetune, pretrain};

/// Makes a text safe inside an element or a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// JSON that may stand in a `script` element: no `<` can end the element early.
pub fn json<T: serde::Serialize>(data: &T) -> String {
    // The structures of this module hold only what JSON can hold.
    serde_json::to_string(data)
        .unwrap_or_else(|_| "null".to_string())
        .replace('<', "\\u003c")
}

/// A rate as a whole percentage: `62%`.
pub fn percent(rate: f64) -> String {
    format!("{:.0}%", 100.0 * rate)
}

/// A range of rates: `54–69%`.
pub fn percent_range(low: f64, high: f64) -> String {
    format!("{:.0}–{:.0}%", 100.0 * low, 100.0 * high)
}

/// A difference of rates in percentage points, with its sign: `+57`, `−3`.
pub fn points(difference: f64) -> String {
    let value = (100.0 * difference).round();
    if value < 0.0 {
        format!("−{}", -value)
    } else {
        format!("+{}", value.abs())
    }
}

/// A count with narrow spaces between thousands: `120 000`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join("\u{202f}")
}

/// A number short enough for an axis: `120k`, `1.5M`, `0.05`, `−3`.
pub fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    if scaled != 0.0 && scaled.abs() < 1e-3 {
        return format!("{scaled:.0e}").replace('-', "−");
    }
    let digits = match scaled.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}").replace('-', "−")
}

/// A time span: `48 s`, `6 min 12 s`, `2 h 05 min`.
pub fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// A method's name as people write it; the name of what is no method of ours stays as it is.
pub fn method(id: &str) -> &str {
    let all = pretrain::INFOS.into_iter().chain(finetune::INFOS);
    let own = all.into_iter().find(|info| info.id == id);
    own.map_or(id, |info| info.label)
}

/// `1 seed`, `4 seeds`.
pub fn plural(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{} {noun}s", count(n as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing written into a page can become markup.
    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escape(r#"<b a="1" c='2'>&"#),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;"
        );
        assert!(!json(&"</script><script>").contains('<'));
    }

    /// Every method is named as people write it.
    #[test]
    fn methods_are_named_as_people_write_them() {
        assert_eq!(
            ["post-bc", "value-dice", "best-of-n", "served"].map(method),
            ["PostBC", "ValueDICE", "best-of-N", "served"]
        );
    }

    /// Numbers read as people write them.
    #[test]
    fn numbers_read_well() {
        let cases = [
            (120_000.0, "120k"),
            (1_500_000.0, "1.5M"),
            (0.05, "0.05"),
            (-3.0, "−3"),
            (0.0, "0"),
            (250.0, "250"),
            (2e-5, "2e−5"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
        assert_eq!(
            (count(7), count(1_234_567)),
            ("7".to_string(), "1\u{202f}234\u{202f}567".to_string())
        );
        assert_eq!(
            (points(0.571), points(-0.03), points(0.0)),
            ("+57".to_string(), "−3".to_string(), "+0".to_string())
        );
        assert_eq!(
            (duration(48.2), duration(372.0), duration(7500.0)),
            ("48 s".into(), "6 min 12 s".into(), "2 h 05 min".into())
        );
    }
}
