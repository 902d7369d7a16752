//! Figures as people and programs read them: a Markdown table row for each row of a case, or a JSON
//! object for each figure. A goal is judged by the figure as it is printed.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cases::{Case, Column, Goal, Row};

/// What the seeds gave for one column of one row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figure {
    /// One for each seed; not a number where the run failed.
    pub(crate) values: Vec<f64>,
}

impl Figure {
    /// The mean; nothing where any run failed, or none was made.
    pub(crate) fn mean(&self) -> Option<f64> {
        let sum: f64 = self.values.iter().sum();
        let mean = sum / self.values.len() as f64;
        mean.is_finite().then_some(mean)
    }
}

impl Goal {
    /// Whether `value` is as it should be, both with so many digits.
    pub(crate) fn is_met(self, value: f64, digits: usize) -> bool {
        let scale = 10_f64.powi(digits as i32);
        let round = |value: f64| (value * scale).round();
        let value = round(value);
        match self {
            Self::AtLeast(least) => value >= round(least),
            Self::AtMost(most) => value <= round(most),
            Self::Between(least, most) => value >= round(least) && value <= round(most),
        }
    }

    fn words(self, digits: usize) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least:.digits$}"),
            Self::AtMost(most) => format!("<= {most:.digits$}"),
            Self::Between(least, most) => format!("{least:.digits$} to {most:.digits$}"),
        }
    }
}

/// The two lines above all rows.
pub(crate) fn head(columns: &[Column], goals: bool) -> String {
    let mut line = "| case |".to_owned();
    for column in columns {
        let name = match column {
            Column::Ours => "ours",
            Column::QuicCubic => "QUIC CUBIC",
            Column::QuicBbr => "QUIC BBR",
            Column::Kcp => "KCP turbo",
            Column::Oracle => "ideal",
        };
        let _ = write!(line, " {name} |");
        if goals && *column == Column::Ours {
            line.push_str(" goal | |");
        }
    }
    let cells = line.matches('|').count() - 1;
    format!("{line}\n|{}", "---|".repeat(cells))
}

/// One row.
pub(crate) fn line(row: &Row, figures: &[(Column, Option<Figure>)], goals: bool) -> String {
    let digits = row.digits;
    let mut line = format!("| {} |", row.label);
    for (column, figure) in figures {
        let mean = figure.as_ref().and_then(Figure::mean);
        let text = match (figure, mean) {
            (None, _) => String::new(),
            (Some(_), None) => "-".to_owned(),
            (Some(_), Some(mean)) => format!("{mean:.digits$}"),
        };
        let elsewhere = elsewhere(row, *column).filter(|_| goals && figure.is_some());
        let elsewhere = elsewhere.map_or(String::new(), |value| format!(" ({value:.digits$})"));
        let _ = write!(line, " {text}{elsewhere} |");
        if goals && *column == Column::Ours {
            let goal = row.goal.map_or(String::new(), |goal| goal.words(digits));
            let _ = write!(line, " {goal} | {} |", verdict(row, figure.as_ref()));
        }
    }
    line
}

fn verdict(row: &Row, figure: Option<&Figure>) -> &'static str {
    match (row.goal, figure) {
        (None, _) | (_, None) => "",
        (Some(goal), Some(figure)) => match figure.mean() {
            Some(mean) if goal.is_met(mean, row.digits) => "met",
            _ => "**missed**",
        },
    }
}

fn elsewhere(row: &Row, column: Column) -> Option<f64> {
    match column {
        Column::Ours => None,
        Column::QuicCubic => row.reference[0],
        Column::QuicBbr => row.reference[1],
        Column::Kcp => row.reference[2],
        Column::Oracle => row.oracle,
    }
}

/// One figure.
pub(crate) fn object(
    case: &Case,
    row: &Row,
    column: Column,
    figure: &Figure,
    goals: bool,
) -> Value {
    let mut object = json!({
        "case": case.name,
        "figure": row.label,
        "transport": column.name(),
        "mean": figure.mean(),
        // Not a number is null.
        "seeds": figure.values,
    });
    if goals && column == Column::Ours {
        object["goal"] = json!(row.goal.map(|goal| goal.words(row.digits)));
        object["met"] = json!(verdict(row, Some(figure)) == "met");
    } else if goals {
        object["elsewhere"] = json!(elsewhere(row, column));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_judged_as_printed() {
        for (goal, value, digits, met) in [
            (Goal::AtLeast(0.85), 0.846, 2, true),
            (Goal::AtLeast(0.85), 0.844, 2, false),
            (Goal::AtMost(65.0), 65.04, 1, true),
            (Goal::AtMost(65.0), 65.06, 1, false),
            (Goal::Between(40.0, 60.0), 60.4, 0, true),
            (Goal::Between(40.0, 60.0), 39.4, 0, false),
        ] {
            assert_eq!(goal.is_met(value, digits), met, "{goal:?} {value}");
        }
    }

    #[test]
    fn a_line_of_the_table() {
        let row = Row {
            label: "bulk".to_owned(),
            digits: 2,
            goal: Some(Goal::AtLeast(0.85)),
            reference: [Some(0.84), None, None],
            oracle: None,
        };
        let figure = |values: &[f64]| {
            Some(Figure {
                values: values.to_vec(),
            })
        };
        let figures = [
            (Column::Ours, figure(&[0.8, 0.9])),
            (Column::QuicCubic, figure(&[0.5])),
            (Column::QuicBbr, figure(&[0.5, f64::NAN])),
            (Column::Kcp, None),
        ];
        let columns: Vec<Column> = figures.iter().map(|(column, _)| *column).collect();
        assert_eq!(
            head(&columns, true),
            "| case | ours | goal | | QUIC CUBIC | QUIC BBR | KCP turbo |\n|---|---|---|---|---|---|---|"
        );
        assert_eq!(
            line(&row, &figures, true),
            "| bulk | 0.85 | >= 0.85 | met | 0.50 (0.84) | - |  |"
        );
        assert_eq!(line(&row, &figures, false), "| bulk | 0.85 | 0.50 | - |  |");
    }
}
