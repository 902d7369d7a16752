//! Entries as one page that needs nothing else: no script, everything escaped, a divider for each
//! day, an anchor for each stamp.

use lamparina_order::{Record, Recorded};
use lamparina_protocol::{Audience, clean};

use super::text::happened;
use super::when::{day, rfc3339, time};

/// The page up to its first entry. `title` is not escaped yet.
pub(super) fn head(title: &str) -> String {
    let title = escape(&clean::line(title));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p class=\"note\">All times are UTC.</p>\n"
    )
}

const STYLE: &str = "\
:root{color-scheme:light dark}
body{max-width:48rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.3rem}
h2{font-size:1rem;margin:2rem 0 .5rem;padding-top:.5rem;border-top:1px solid #8886;position:sticky;top:0;background:Canvas}
article{display:grid;grid-template-columns:4.5rem 1fr;gap:0 .75rem;padding:.15rem 0}
article:target{background:#fc04}
article>a{color:#888;text-decoration:none;font-variant-numeric:tabular-nums;text-align:right}
article p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
time,.to,.note{color:#888}
.note{margin:.15rem 0 .15rem 5.25rem;font-style:italic}
";

/// The page's end.
pub(super) const TAIL: &str = "</body>\n</html>\n";

/// Days that have been announced, and the entries below them.
#[derive(Debug, Default)]
pub(super) struct Page {
    day: String,
}

impl Page {
    /// An entry, and its day where it is another than the one before.
    pub(super) fn entry(&mut self, record: &Record) -> String {
        let today = day(record.at);
        let divider = if today == self.day {
            String::new()
        } else {
            format!("<h2>{today}</h2>\n")
        };
        self.day = today;
        divider + &entry(record)
    }
}

fn entry(record: &Record) -> String {
    let Recorded::Message(message) = &record.event else {
        return format!("<p class=\"note\">{}</p>\n", escape(&happened(record)));
    };
    let stamp = record.stamp;
    let to = match &message.audience {
        Audience::All => String::new(),
        named => format!(
            " <span class=\"to\">to {}</span>",
            escape(&clean::line(&named.names().join(", ")))
        ),
    };
    let lines = message.text.split('\n').map(clean::line);
    let text = escape(&lines.collect::<Vec<_>>().join("\n"));
    format!(
        "<article id=\"s{stamp}\"><a href=\"#s{stamp}\">{stamp}</a><div>\
         <b><bdi>{from}</bdi></b>{to} <time datetime=\"{moment}\">{time}</time>\
         <p dir=\"auto\">{text}</p></div></article>\n",
        from = escape(&clean::line(message.from.as_str())),
        moment = rfc3339(record.at),
        time = time(record.at),
    )
}

/// `text` as it may stand between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
