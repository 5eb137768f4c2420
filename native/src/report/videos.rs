//! The section with videos of evaluation episodes.

use super::html::escape;

/// How fast videos are, beside what they show: episodes of `lab` last two seconds.
pub const SPEED: f64 = 0.5;

/// Videos of evaluation episodes, or why there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Videos {
    /// Nobody asked for any.
    #[default]
    None,
    /// What it takes to have some, in a sentence.
    Missing(String),
    /// Videos in groups.
    Shown(Vec<Group>),
}

/// Videos of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which policy.
    pub name: String,
    /// Its episodes.
    pub clips: Vec<Clip>,
}

/// The video of one episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// Which start, in a few words.
    pub start: String,
    /// Whether the episode ended in success.
    pub success: bool,
    /// Its control steps.
    pub steps: usize,
    /// Pixels: width and height.
    pub size: (usize, usize),
    /// The video, as GIF.
    pub gif: Vec<u8>,
    /// A GIF of its last frame, for paper and for those who want nothing to move.
    pub still: Vec<u8>,
}

/// The section; nothing where there is nothing to say.
pub fn section(videos: &Videos) -> String {
    let inner = match videos {
        Videos::None => return String::new(),
        Videos::Missing(sentence) => format!(r#"<p class="note">{}</p>"#, escape(sentence)),
        Videos::Shown(groups) => {
            let note = "The first starts of the evaluation, the same ones for each policy, at half \
                their speed.";
            format!(
                r#"<p class="note">{note}</p>{}"#,
                groups.iter().map(group).collect::<String>()
            )
        }
    };
    format!(r#"<section><h2>Episodes</h2>{inner}</section>"#)
}

fn group(group: &Group) -> String {
    let clips: String = group
        .clips
        .iter()
        .map(|clip| figure(&group.name, clip))
        .collect();
    format!(
        r#"<h3 class="take">{}</h3><div class="videos">{clips}</div>"#,
        escape(&group.name)
    )
}

fn figure(name: &str, clip: &Clip) -> String {
    let Clip {
        start,
        success,
        steps,
        size: (width, height),
        gif,
        still,
    } = clip;
    let (class, end) = if *success {
        ("hit", "success")
    } else {
        ("", "no success")
    };
    let text = escape(&format!(
        "{name}, {start}: {end} after {steps} control steps"
    ));
    let gif = base64(gif);
    let still = base64(still);
    format!(
        "<figure><picture><source media=\"(prefers-reduced-motion: reduce), print\" \
         srcset=\"data:image/gif;base64,{still}\">\n\
         <img src=\"data:image/gif;base64,{gif}\" width=\"{width}\" height=\"{height}\" \
         alt=\"{text}\"></picture>\n\
         <figcaption><i class=\"{class}\" aria-hidden=\"true\"></i>{end}, {steps} steps \
         <small>{}</small></figcaption></figure>",
        escape(start)
    )
}

/// Bytes as text, for a data URL and the like.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit > chunk.len() {
                '='
            } else {
                char::from(DIGITS[value as usize])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data URLs hold what they should.
    #[test]
    fn base64_is_written_as_others_read_it() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    /// A video says in words what it shows, and a page without videos says how to get some.
    #[test]
    fn videos_are_described_in_words() {
        let clip = Clip {
            start: "start 1".into(),
            success: true,
            steps: 54,
            size: (240, 180),
            gif: vec![1],
            still: vec![2],
        };
        let page = section(&Videos::Shown(vec![Group {
            name: "After <b>".into(),
            clips: vec![clip],
        }]));
        assert!(
            page.contains("alt=\"After &lt;b&gt;, start 1: success after 54 control steps\"")
                && page.contains("base64,AQ=="),
            "{page}"
        );
        assert!(
            section(&Videos::Missing("apt-get install it".into())).contains("apt-get install it")
        );
        assert!(section(&Videos::None).is_empty());
    }
}
