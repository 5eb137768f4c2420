//! A drawing surface for plots: plotters' SVG into a string, in colors that the page's style sheet
//! restyles.
//!
//! Colors are written as plain hex values, those of the light theme; `style.css` maps each of them
//! to a theme variable by attribute selectors, so a plot follows the theme and still looks right
//! when cut out of the page.

use super::html::escape;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{Drawable, PointCollection};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

/// Text and axis marks.
pub const INK: RGBColor = RGBColor(0x1B, 0x1F, 0x24);
/// Secondary text.
pub const MUTED: RGBColor = RGBColor(0x5A, 0x63, 0x6E);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xE4, 0xE6, 0xEA);
/// The page itself, for halos around marks.
pub const PAPER: RGBColor = RGBColor(0xFE, 0xFE, 0xFD);
/// What is not emphasized: the state before finetuning.
pub const GREY: RGBColor = RGBColor(0x8A, 0x93, 0x9E);
/// The colors of data, safe for color-blind readers (Okabe and Ito 2008): blue, vermilion, green,
/// purple, orange, sky.
pub const SERIES: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
];

/// The backend counts in whole units: four to a pixel of the page draw smooth curves.
const UNITS: f64 = 4.0;

/// A plot's size in pixels at its natural width; text is 14 pixels high there.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// Where a text hangs on its point.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    /// The point is at the middle of its left edge.
    Left,
    /// The point is at its middle.
    Centre,
    /// The point is at the middle of its right edge.
    Right,
}

/// A point in pixels from the top left.
pub type Pixel = (f64, f64);

/// From data to pixels, straight in both directions; made by plotters' Cartesian coordinates.
pub struct Scale(Cartesian2d<RangedCoordf64, RangedCoordf64>);

impl Scale {
    /// Maps the ranges of data onto the box; y grows upward.
    pub fn new(x: Range<f64>, y: Range<f64>, left: f64, right: f64, top: f64, bottom: f64) -> Self {
        Self(Cartesian2d::new(
            x,
            y,
            (units(left)..units(right), units(bottom)..units(top)),
        ))
    }

    /// Where a point of data lies.
    pub fn pixel(&self, x: f64, y: f64) -> Pixel {
        use plotters::coord::CoordTranslate;
        let (x, y) = self.0.translate(&(x, y));
        (f64::from(x) / UNITS, f64::from(y) / UNITS)
    }
}

/// The surface of one plot.
pub struct Canvas<'a>(DrawingArea<SVGBackend<'a>, Shift>);

/// Draws a plot. `label` says in a sentence what it shows, with the numbers, for those who do not
/// see it.
pub fn svg(size: Size, label: &str, draw: impl FnOnce(&Canvas)) -> String {
    let mut text = String::new();
    let canvas = Canvas(
        SVGBackend::with_string(
            &mut text,
            (units(size.width) as u32, units(size.height) as u32),
        )
        .into_drawing_area(),
    );
    draw(&canvas);
    drop(canvas);
    // The opening tag gives way to one that scales with the page and speaks to screen readers.
    let body = text
        .find('>')
        .map_or("", |end| &text[end + 1..])
        .replace(" stroke=\"none\" stroke-width=\"4\"", "")
        .replace(" opacity=\"1\"", "");
    format!(
        r#"<svg role="img" aria-label="{}" viewBox="0 0 {} {}">{body}"#,
        escape(label),
        units(size.width),
        units(size.height)
    )
}

fn units(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

fn point(pixel: Pixel) -> (i32, i32) {
    (units(pixel.0), units(pixel.1))
}

impl<'a> Canvas<'a> {
    fn draw<E>(&self, element: &E)
    where
        for<'b> &'b E: PointCollection<'b, (i32, i32)>,
        E: Drawable<SVGBackend<'a>>,
    {
        // A string takes every drawing: the backend has no error but that of a file.
        let _ = self.0.draw(element);
    }

    /// A line through the points.
    pub fn line(
        &self,
        points: impl IntoIterator<Item = Pixel>,
        colour: RGBColor,
        width: f64,
        opacity: f64,
    ) {
        let style = ShapeStyle {
            color: colour.mix(opacity),
            filled: false,
            stroke_width: units(width) as u32,
        };
        self.draw(&PathElement::new(
            points.into_iter().map(point).collect::<Vec<_>>(),
            style,
        ));
    }

    /// The area inside the points.
    pub fn area(&self, points: impl IntoIterator<Item = Pixel>, colour: RGBColor, opacity: f64) {
        self.draw(&Polygon::new(
            points.into_iter().map(point).collect::<Vec<_>>(),
            colour.mix(opacity).filled(),
        ));
    }

    /// A filled circle.
    pub fn dot(&self, at: Pixel, radius: f64, colour: RGBColor, opacity: f64) {
        self.draw(&Circle::new(
            point(at),
            units(radius),
            colour.mix(opacity).filled(),
        ));
    }

    /// A text.
    pub fn text(&self, text: &str, at: Pixel, anchor: Anchor, colour: RGBColor, bold: bool) {
        let horizontal = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Centre => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        // The backend divides sizes by 1.24.
        let font = FontDesc::new(
            FontFamily::SansSerif,
            14.0 * UNITS * 1.24,
            if bold {
                FontStyle::Bold
            } else {
                FontStyle::Normal
            },
        );
        let style = TextStyle::from(font)
            .color(&colour)
            .pos(Pos::new(horizontal, VPos::Center));
        self.draw(&Text::new(text.to_string(), point(at), style));
    }
}

/// How wide a text of 14 pixels is at most, in pixels, in the wider of the fonts that pages are
/// read in.
pub fn text_width(text: &str) -> f64 {
    8.4 * text.chars().count() as f64
}
