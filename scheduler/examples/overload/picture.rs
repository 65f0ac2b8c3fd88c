//! One picture as SVG: who had the slots, second by second, and whose promises were kept.
//!
//! It brings its own ground, light or dark, so that it can be read wherever it is shown; the colours are those of Okabe and
//! Ito, which the colour-blind tell apart. No font is named but the reader's own.

use std::fmt::Write;

use super::figures::sum;
use super::world::SLOTS;

pub(crate) const BLUE: &str = "#0072b2";
pub(crate) const SKY: &str = "#56b4e9";
pub(crate) const GREEN: &str = "#009e73";
pub(crate) const ORANGE: &str = "#e69f00";
pub(crate) const VERMILION: &str = "#d55e00";

const WIDTH: f64 = 620.0;
/// Where the areas are.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 576.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 152.0;
/// Of a strip of promises, and from one to the next.
const STRIP: f64 = 9.0;
const STRIDE: f64 = 14.0;

/// Both grounds, and what is written on them.
const STYLE: &str = "text{font:11px sans-serif;fill:#24292f}.b{font-weight:bold;font-size:13px}\
    .m{text-anchor:middle}.e{text-anchor:end}.ground{fill:#fff;stroke:#d0d7de}.axis{stroke:#57606a}\
    .line{stroke:#24292f;stroke-dasharray:4 3}.missed{fill:#24292f}.halo{stroke:#fff;\
    stroke-width:3px;stroke-linejoin:round;paint-order:stroke}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#161b22;stroke:#3d444d}\
    .axis{stroke:#9198a1}.line{stroke:#e6edf3}.missed{fill:#f0f6fc}.halo{stroke:#161b22}}";

/// The slots of somebody over time, and what is said of that.
pub(crate) struct Area {
    pub(crate) colour: &'static str,
    pub(crate) says: String,
    pub(crate) slots: Vec<f64>,
}

/// Promises of somebody: how many of those of each second were kept and missed.
pub(crate) struct Strip {
    pub(crate) colour: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kept: Vec<(u32, u32)>,
}

/// What is on a picture, from the top.
pub(crate) struct Picture {
    pub(crate) title: String,
    /// From the bottom.
    pub(crate) areas: Vec<Area>,
    /// What begins at a second.
    pub(crate) notes: Vec<(usize, &'static str)>,
    /// Slots at which a guarantee of the areas ends, counted from the bottom.
    pub(crate) guarantees: Vec<f64>,
    pub(crate) strips: Vec<Strip>,
}

impl Picture {
    pub(crate) fn svg(&self) -> String {
        let axis = BOTTOM + 16.0 + self.strips.len() as f64 * STRIDE;
        let height = axis + 16.0;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             role=\"img\">\n<title>{0}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"ground\" x=\".5\" y=\".5\" width=\"{1}\" height=\"{2}\" rx=\"6\"/>\n\
             <text class=\"b\" x=\"12\" y=\"20\">{0}</text>\n",
            self.title,
            WIDTH - 1.0,
            height - 1.0,
        );
        self.legend(&mut out);
        self.areas(&mut out);
        self.axes(&mut out);
        self.notes(&mut out);
        for (at, strip) in self.strips.iter().enumerate() {
            self.strip(&mut out, strip, BOTTOM + 6.0 + at as f64 * STRIDE);
        }
        if !self.strips.is_empty() {
            let y = BOTTOM + 2.0 + STRIDE;
            put(
                &mut out,
                format_args!(
                    "<text class=\"m\" x=\"{:.1}\" y=\"{y}\">promises kept</text>",
                    self.x(5)
                ),
            );
        }
        self.seconds(&mut out, axis);
        out.push_str("</svg>\n");
        out
    }

    /// Where a second begins.
    fn x(&self, second: usize) -> f64 {
        let seconds = self.areas[0].slots.len();
        LEFT + (RIGHT - LEFT) * second as f64 / seconds as f64
    }

    fn legend(&self, out: &mut String) {
        let stride = (WIDTH - 24.0) / self.areas.len() as f64;
        for (at, area) in self.areas.iter().enumerate() {
            let x = 12.0 + stride * at as f64;
            let colour = area.colour;
            put(
                out,
                format_args!(
                    "<rect x=\"{x:.0}\" y=\"30\" width=\"9\" height=\"9\" fill=\"{colour}\"/>"
                ),
            );
            put(out, format_args!("<text x=\"{:.0}\" y=\"38.5\">{}</text>", x + 13.0, area.says));
        }
    }

    /// One on the other.
    fn areas(&self, out: &mut String) {
        let mut below = vec![0.0; self.areas[0].slots.len()];
        for area in &self.areas {
            let above: Vec<f64> = below.iter().zip(&area.slots).map(|(a, b)| a + b).collect();
            let mut path = String::new();
            self.steps(&mut path, &above, false);
            self.steps(&mut path, &below, true);
            put(out, format_args!("<path fill=\"{}\" d=\"M{}Z\"/>", area.colour, &path[1..]));
            below = above;
        }
    }

    /// A step for each second, there or back.
    fn steps(&self, path: &mut String, slots: &[f64], back: bool) {
        let step = |second: usize| {
            let (from, to, y) = (self.x(second), self.x(second + 1), y(slots[second]));
            let (first, last) = if back { (to, from) } else { (from, to) };
            format!("L{first:.1} {y:.1}H{last:.1}")
        };
        let seconds = 0..slots.len();
        match back {
            true => seconds.rev().for_each(|second| path.push_str(&step(second))),
            false => seconds.for_each(|second| path.push_str(&step(second))),
        }
    }

    fn axes(&self, out: &mut String) {
        put(
            out,
            format_args!(
                "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>"
            ),
        );
        put(out, format_args!("<text class=\"e\" x=\"40\" y=\"{:.1}\">slots</text>", y(4.0) + 4.0));
        for slots in [0, SLOTS / 2, SLOTS] {
            let y = y(f64::from(slots)) + 4.0;
            put(
                out,
                format_args!("<text class=\"e\" x=\"{}\" y=\"{y:.1}\">{slots}</text>", LEFT - 5.0),
            );
        }
        for &slots in &self.guarantees {
            let y = y(slots);
            put(out, format_args!("<path class=\"line\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>"));
        }
    }

    fn notes(&self, out: &mut String) {
        for &(second, says) in &self.notes {
            let x = self.x(second);
            put(
                out,
                format_args!("<path class=\"axis\" d=\"M{x:.1} {:.1}V{BOTTOM}\"/>", TOP - 11.0),
            );
            put(
                out,
                format_args!(
                    "<text class=\"halo\" x=\"{:.1}\" y=\"{:.1}\">{says}</text>",
                    x + 3.0,
                    TOP - 3.0
                ),
            );
        }
    }

    fn strip(&self, out: &mut String, strip: &Strip, top: f64) {
        put(
            out,
            format_args!(
                "<text class=\"e\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 5.0,
                top + 8.5,
                strip.name
            ),
        );
        let (mut kept, mut missed) = (String::new(), String::new());
        for (second, &counts) in strip.kept.iter().enumerate().filter(|(_, it)| it.0 + it.1 > 0) {
            let (x, width) = (self.x(second), self.x(second + 1) - self.x(second));
            let part = STRIP * f64::from(counts.1) / f64::from(counts.0 + counts.1);
            let _ = write!(
                kept,
                "M{x:.1} {:.1}h{width:.1}v{:.1}h-{width:.1}z",
                top + part,
                STRIP - part
            );
            let _ = write!(missed, "M{x:.1} {top:.1}h{width:.1}v{part:.1}h-{width:.1}z");
        }
        put(out, format_args!("<path fill=\"{}\" d=\"{kept}\"/>", strip.colour));
        put(out, format_args!("<path class=\"missed\" d=\"{missed}\"/>"));

        put(
            out,
            format_args!(
                "<text x=\"{}\" y=\"{:.1}\">{}</text>",
                RIGHT + 5.0,
                top + 8.5,
                percent(sum(&strip.kept))
            ),
        );
    }

    fn seconds(&self, out: &mut String, y: f64) {
        for second in (0..=self.areas[0].slots.len()).step_by(10) {
            let unit = if second == 0 { " s" } else { "" };
            put(
                out,
                format_args!(
                    "<text class=\"m\" x=\"{:.1}\" y=\"{y:.1}\">{second}{unit}</text>",
                    self.x(second)
                ),
            );
        }
    }
}

/// The height of so many slots.
fn y(slots: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * slots / f64::from(SLOTS)
}

/// Never more than there is: 100 % are all.
pub(crate) fn percent((kept, missed): (u32, u32)) -> String {
    format!("{}%", 100 * kept / (kept + missed).max(1))
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{line}");
}
