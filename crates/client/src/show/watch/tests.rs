//! Whole screens, as text that must not change.

use super::*;
use crate::show::testing::{no_link, over_tcp, over_udp};
use std::time::Duration;

const PLAIN: Look = Look {
    colour: false,
    glyphs: Glyphs::Blocks,
};

fn view(status: NetStatus, look: Look) -> View {
    let mut trail = Trail::default();
    for step in 0..30_u64 {
        let mut reading = status.reading;
        if let Some(reading) = &mut reading {
            let rtt = 40 + step % 7 + if step == 11 { 60 } else { 0 };
            reading.stats.rtt = Some(Duration::from_millis(rtt));
            let loss = (step as u32 * 2_000).min(51_234);
            reading.stats.loss_out_ppm = reading.stats.loss_out_ppm.map(|_| loss);
        }
        // In between there was no connection.
        trail.push(reading.as_ref().filter(|_| !(18..21).contains(&step)));
    }
    View {
        status,
        trail,
        look,
    }
}

fn screen(view: &View, said: &[&str], columns: usize, rows: usize) -> String {
    let drawn = view.draw(said, columns, rows);
    assert!(drawn.len() <= rows, "{drawn:#?}");
    for row in &drawn {
        assert!(row.width() <= columns || view.look.colour, "{row:?}");
    }
    format!("== {columns} by {rows}\n{}\n", drawn.join("\n"))
}

#[test]
fn golden_screens() {
    let said = [
        "[41] bob -> ALL: first",
        "[42] bob -> you: hello there",
        "[43] eva -> #lab: a line that is longer than this whole screen is wide, and so it is cut at its end",
    ];
    let ascii = Look {
        glyphs: Glyphs::Ascii,
        ..PLAIN
    };
    let colour = Look {
        colour: true,
        ..PLAIN
    };
    let mut busy = over_udp();
    if let Some(reading) = &mut busy.reading {
        reading.stats.in_flight_frames = reading.stats.window_frames;
        reading.word = Word::Poor;
    }
    let got = [
        screen(&view(over_udp(), PLAIN), &said, 80, 24),
        screen(&view(over_tcp(), PLAIN), &said, 80, 14),
        screen(&view(no_link(), PLAIN), &said, 80, 12),
        screen(&view(busy, ascii), &[], 60, 20),
        // Too small for all of it.
        screen(&view(over_udp(), PLAIN), &said, 20, 6),
        screen(&view(over_udp(), PLAIN), &said, 4, 1),
        screen(&view(over_udp(), colour), &[], 60, 12).replace('\u{1b}', "^"),
    ]
    .join("\n");
    assert_eq!(got, include_str!("../watch.golden"));
}

#[test]
fn any_size_is_kept() {
    let said = ["wide 漢字漢字漢字 and e\u{301}", "b"];
    for status in [over_udp(), over_tcp(), no_link()] {
        let view = view(status, PLAIN);
        for columns in 0..100 {
            for rows in [0, 1, 2, 3, 5, 10, 11, 12, 40] {
                screen(&view, &said, columns, rows);
            }
        }
    }
}

#[test]
fn the_trail_is_bounded() {
    let status = over_udp();
    let mut trail = Trail::default();
    for _ in 0..3 * TRAIL_MAX {
        trail.push(status.reading.as_ref());
    }
    assert_eq!(trail.0.len(), TRAIL_MAX);
    assert_eq!(trail.newest(7, |point| point.rtt_us), [Some(41_234); 7]);
}
